"use strict";
// The page is whole without this script; it adds the filter and the details. Host text only ever becomes text nodes.
const hosts = JSON.parse(document.getElementById("data").textContent);
const rows = [...document.querySelectorAll("#table tbody tr")];
const search = document.getElementById("search");
const state = document.getElementById("state");
const changed = document.getElementById("changed");

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const fits = (!state.value || row.dataset.state === state.value)
      && (!changed.checked || "changed" in row.dataset)
      && words.every((word) => row.dataset.words.includes(word));
    row.hidden = !fits;
    if (row.details) row.details.hidden = !fits;
    shown += fits;
  }
  document.getElementById("shown").textContent = `${shown} of ${rows.length} hosts`;
  const wanted = new URLSearchParams();
  if (search.value) wanted.set("q", search.value);
  if (state.value) wanted.set("state", state.value);
  if (changed.checked) wanted.set("changed", "1");
  history.replaceState(null, "", wanted.size ? `#${wanted}` : location.pathname + location.search);
}

function flat(value) {
  if (Array.isArray(value)) return value.map((one) => (typeof one === "string" ? one : `${one.sentence} [${one.rule}]`));
  if (value && typeof value === "object") return Object.entries(value).map(([key, one]) => `${key} ${one}`);
  return value ? [String(value)] : [];
}

function details(name) {
  const host = hosts[name];
  const list = document.createElement("dl");
  const parts = [["message", "why"], ["facts"], ["versions"], ["planned"], ["release"], ["reasons"], ["remedies"], ["driver"],
    ["notes"], ["actions"], ["diff", "changed"], ["seconds"], ["bytes", "bytes brought"]];
  for (const [key, title] of parts) {
    const lines = flat(host[key]);
    if (!lines.length) continue;
    const term = document.createElement("dt");
    term.textContent = title || key;
    list.append(term);
    for (const line of lines) {
      const text = document.createElement("dd");
      text.textContent = line;
      text.style.gridColumn = "2";
      list.append(text);
    }
  }
  return list;
}

function toggle(row, button) {
  if (row.details) {
    row.details.remove();
    row.details = null;
  } else {
    row.details = document.createElement("tr");
    row.details.className = "details";
    const cell = row.details.insertCell();
    cell.colSpan = 6;
    cell.append(details(button.textContent));
    row.after(row.details);
  }
  button.setAttribute("aria-expanded", String(Boolean(row.details)));
}

for (const row of rows) {
  const head = row.cells[0];
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => toggle(row, button));
  head.replaceChildren(button);
}
const form = document.getElementById("filter");
form.hidden = false;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", filter);
const asked = new URLSearchParams(location.hash.slice(1));
search.value = asked.get("q") || "";
state.value = asked.get("state") || "";
changed.checked = asked.has("changed");
filter();
if (asked.has("open")) rows.find((row) => row.cells[0].textContent === asked.get("open"))?.querySelector("button").click();
