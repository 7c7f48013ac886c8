"use strict";
// The page is whole without this script; it adds the filter and the details. Host text only ever becomes text nodes.
const data = JSON.parse(document.getElementById("data").textContent);
const body = document.querySelector("#table tbody");
const rows = [...body.rows];
const form = document.getElementById("filter");
const fields = Object.fromEntries(["search", "state", "class", "order", "changed"].map((id) => [id, document.getElementById(id)]));
const PARTS = [["message", "why"], ["rule"], ["facts"], ["runtime"], ["device"], ["class"], ["versions"], ["packages", "packages in all"],
  ["planned", "planned"], ["release"], ["diff", "changed"], ["actions", "done"], ["services"], ["seconds", "seconds"], ["bytes", "bytes transferred"],
  ["remedies"], ["driver", "driver branch"], ["notes"], ["reasons", "why not another version"]];

// What hosts have in common is stored once (page.py: packed).
function part(host, key) {
  const value = host[key];
  return value && typeof value === "object" ? data.shared[value.at] : value;
}

function flat(value) {
  if (Array.isArray(value)) return value.map((one) => (typeof one === "string" ? one : `${one.sentence} [${one.rule}] ${one.source}`));
  if (value && typeof value === "object") return [Object.entries(value).map(([key, one]) => `${key} ${one}`).join(", ")];
  return value ? [String(value)] : [];
}

function searched(row) {
  const host = row.host;
  const reasons = host.state === "refused" ? (part(host, "reasons") || []).map((one) => one.rule) : [];
  const facts = Object.values(part(host, "facts") || {});
  return [row.textContent, host.runtime, host.rule, host.release, ...facts, ...(part(host, "diff") || []), ...reasons].join(" ").toLowerCase();
}

// The style makes grids of the rows; some browsers then no longer say that they are a table.
function say(role, ...elements) {
  for (const element of elements) element.setAttribute("role", role);
}
say("table", document.getElementById("table"));
say("rowgroup", ...document.querySelectorAll("#table thead, #table tbody"));
say("row", ...document.querySelectorAll("#table tr"));
say("columnheader", ...document.querySelectorAll("#table thead th"));
say("rowheader", ...document.querySelectorAll("#table tbody th"));
say("cell", ...document.querySelectorAll("#table td"));

for (const [number, row] of rows.entries()) {
  const head = row.cells[0];
  row.host = data.hosts[number];
  row.words = searched(row);
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.setAttribute("aria-expanded", "false");
  head.replaceChildren(button);
}

function filter() {
  const words = fields.search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const fits = (!fields.state.value || row.dataset.state === fields.state.value)
      && (!fields.class.value || row.host.class === fields.class.value)
      && (!fields.changed.checked || "changed" in row.dataset)
      && words.every((word) => row.words.includes(word));
    row.hidden = !fits;
    if (row.details) row.details.hidden = !fits;
    shown += fits;
  }
  document.getElementById("shown").textContent = `${shown} of ${rows.length} ${rows.length === 1 ? "host" : "hosts"}`;
}

function total(row, key) {
  const value = part(row.host, key);
  return typeof value === "object" ? Object.values(value).reduce((sum, one) => sum + one, 0) : value || 0;
}

function order() {
  const key = fields.order.value;
  const by = key === "name"
    ? (one, other) => (one.host.name < other.host.name ? -1 : 1)
    : (one, other) => total(other, key) - total(one, key);
  const sorted = key ? [...rows].sort(by) : rows;
  body.append(...sorted.flatMap((row) => (row.details ? [row, row.details] : [row])));
}

// Browsers refuse many changes of the address in a short time, so it follows when the typing rests.
let waiting;
function remember() {
  clearTimeout(waiting);
  waiting = setTimeout(() => {
    const wanted = new URLSearchParams();
    if (fields.search.value) wanted.set("q", fields.search.value);
    for (const id of ["state", "class", "order"]) if (fields[id].value) wanted.set(id, fields[id].value);
    if (fields.changed.checked) wanted.set("changed", "1");
    history.replaceState(null, "", wanted.size ? `#${wanted}` : location.pathname + location.search);
  }, 300);
}

function details(row) {
  const host = row.host;
  const list = document.createElement("dl");
  for (const [key, title] of PARTS) {
    const lines = flat(part(host, key));
    if (!lines.length || (key === "planned" && String(lines) === String(flat(part(host, "versions"))))) continue;
    const term = document.createElement("dt");
    term.textContent = key === "reasons" && host.state === "refused" ? "reasons" : title || key;
    list.append(term, ...lines.map((line) => {
      const text = document.createElement("dd");
      text.textContent = line;
      return text;
    }));
  }
  return list;
}

function toggle(row) {
  if (row.details) {
    row.details.remove();
    row.details = null;
  } else {
    row.details = document.createElement("tr");
    row.details.className = "details";
    const cell = row.details.insertCell();
    cell.colSpan = row.cells.length;
    say("row", row.details);
    say("cell", cell);
    cell.append(details(row));
    row.after(row.details);
  }
  row.cells[0].firstChild.setAttribute("aria-expanded", String(Boolean(row.details)));
}

// A filter in the address, from a link on the page or from a colleague. Another anchor is none.
function asked() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (location.hash && !["q", "state", "class", "order", "changed", "open"].some((key) => wanted.has(key))) return;
  fields.search.value = wanted.get("q") || "";
  for (const id of ["state", "class", "order"]) fields[id].value = wanted.get(id) || "";
  fields.changed.checked = wanted.has("changed");
  order();
  filter();
  const opened = rows.find((row) => row.host.name === wanted.get("open"));
  if (opened && !opened.details) toggle(opened);
}

form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", (event) => {
  if (event.target === fields.order) order();
  filter();
  remember();
});
form.addEventListener("reset", () => setTimeout(() => {
  order();
  filter();
  remember();
}));
body.addEventListener("click", (event) => {
  const row = event.target.closest("button")?.closest("tr");
  if (row) toggle(row);
});
addEventListener("hashchange", () => {
  asked();
  if (location.hash) document.getElementById("hosts").scrollIntoView();
});
filter();
asked();
