"""A host that answers with anything at all ends no report and no roll-out: the others' are in it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_common.shape import ANY, fitted
from module_utils.whisperx_report.collect import render_json, report
from module_utils.whisperx_report.terminal import lines

NAMES = [
    *("facts", "os", "id", "gpus", "name", "pythons", "version", "kernel", "release", "machine", "sources"),
    *(
        "record",
        "versions",
        "timings",
        "actions",
        "diff",
        "before",
        "after",
        "bytes_brought",
        "failed",
        "msg",
    ),
    *("skipped", "unreachable", "module_stderr", "rule", "class", "device", "report", "state", "findings"),
    *("file", "found", "changes", "breaks", "sentence", "summary", "whisperx", "__ansible_unsafe"),
]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("torch==1\n==2"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=30,
)
NAMES += ["services", "healthy", "restarted"]
PARTS = ("facts", "result", "audit", "unread", "stderr")
RECORDS = st.fixed_dictionaries(
    {part: st.dictionaries(st.sampled_from(NAMES), JUNK) | JUNK for part in PARTS}
)
GOOD = {"os": {"id": "debian", "version": "13"}, "machine": "x86_64"}


@given(RECORDS, st.booleans())
def test_a_report_is_made_of_whatever_a_host_says(said: dict[str, Any], check: bool) -> None:
    known = {part: {"odd": value} for part, value in said.items()}
    known["facts"]["good"] = GOOD
    record = report(["odd", "good"], known, {"check": check})
    assert record["hosts"]["good"]["facts"]["system"] == "debian 13"
    assert json.loads(render_json(record))["hosts"].keys() == {"odd", "good"}
    told = fitted(said["result"], {"summary": [""]}).get("summary") or []
    assert all(line.isprintable() for line in lines(record, {"odd": told}))


LIKE = {
    "text": "",
    "number": 0,
    "truth": False,
    "rows": [{"name": ""}],
    "deep": {ANY: [0.0]},
}


@given(
    st.dictionaries(
        st.sampled_from([*LIKE, "other"]), JUNK | st.lists(JUNK) | st.dictionaries(st.text(), JUNK)
    )
)
def test_what_is_fitted_has_the_shape_of_its_example(value: dict[str, Any]) -> None:
    found = fitted(value, LIKE)
    assert found.keys() == value.keys()
    for key, like in LIKE.items():
        if found.get(key) is not None:
            assert type(found[key]) is type(like) or (key == "number" and isinstance(found[key], float))
    assert all(type(row) is dict for row in found.get("rows") or [])
    assert all(type(one) is list for one in (found.get("deep") or {}).values() if one is not None)
    # What is right stays as it is.
    assert fitted(found, LIKE) == found
