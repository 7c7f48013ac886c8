"""The inventory script reads files that others sent: whatever is in them, it is hosts or a sentence."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.just("facts"), inner)
    ),
    max_leaves=20,
)
DEEP = b'{"facts": ' + b"[" * 200_000
FILES = st.one_of(st.binary(max_size=60), VALUES.map(lambda value: json.dumps(value).encode()), st.just(DEEP))


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "inventory/dynamic/facts_files.py"
    spec = importlib.util.spec_from_file_location("facts_files", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def strings(value: Any) -> list[str]:
    """Return what Ansible would take for a template."""
    if isinstance(value, dict):
        return (
            []
            if set(value) == {"__ansible_unsafe"}
            else [one for pair in value.items() for one in strings(pair)]
        )
    if isinstance(value, list | tuple):
        return [one for inner in value for one in strings(inner)]
    return [value] if isinstance(value, str) else []


@given(data=FILES, name=st.sampled_from(["one", "a b", "{{ x }}", "a[1:9]", "-", "ü"]))
def test_any_file_is_a_host_or_a_sentence(
    script: ModuleType, tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    folder = tmp_path_factory.mktemp("facts")
    (folder / f"{name}.json").write_bytes(data)
    try:
        known = script.hosts(folder)
    except SystemExit as end:
        assert "no facts" in str(end.code)
        return
    again = json.loads(json.dumps(known))
    assert not [text for text in strings(again) if "{" in text or "__" in text or "\n" in text]


@pytest.mark.parametrize("kind", ["directory", "dangling", "endless"])
def test_what_is_no_file_ends_in_a_sentence(script: ModuleType, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "one.json"
    if kind == "directory":
        path.mkdir()
    elif kind == "dangling":
        path.symlink_to("/nonexistent")
    else:
        with path.open("wb") as stream:
            os.truncate(stream.fileno(), 1 << 40)
    with pytest.raises(SystemExit) as caught:
        script.hosts(tmp_path)
    assert "no facts" in str(caught.value.code)
