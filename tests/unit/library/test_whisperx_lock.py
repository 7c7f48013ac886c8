"""The module whisperx_lock: what it returns, what it writes, and what it does not tell."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible.modules import whisperx_lock  # noqa: E402

from module_utils.whisperx_common.lockfile import Lock, LockedPackage, digest, render

SHA = "0123456789abcdef" * 4
PLAN: dict[str, Any] = {
    "request": {"ctranslate2": ""},
    "machine": "x86_64",
    "libc": {"family": "glibc", "version": "2.41"},
    "platform": "x86_64-manylinux_2_40",
    "python": "3.13",
    "device": "cpu",
    "torch_build": None,
    "pins": {"ctranslate2": "4.8.5"},
    "constraints": {"ctranslate2": ">=4.6.0"},
    "requirements": ["ctranslate2==4.8.5"],
}
HEADER = {
    "whisperx-fleet-lock": "1",
    "class": "other",
    "request": '{"ctranslate2":""}',
    "platform": "x86_64-manylinux_2_40",
    "python": "3.13",
    "device": "cpu",
    "uv": "0.13.9",
}
PACKAGE = LockedPackage("ctranslate2", "4.8.5", SHA, "ctranslate2-4.8.5-py3-none-any.whl", 42, "index")
OTHER = render(Lock(HEADER, (PACKAGE,)))


def run(**options: Any) -> dict[str, Any]:
    """Run the module and return its JSON."""
    printed = io.StringIO()
    with (
        patch_module_args(options),
        contextlib.redirect_stdout(printed),
        pytest.raises(SystemExit),
    ):
        whisperx_lock.main()
    result: dict[str, Any] = json.loads(printed.getvalue())
    return result


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    """Options of a run that needs no network: another class's lock fits."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "other.txt").write_text(OTHER)
    return {
        "classes": {"cpu": PLAN},
        "lock_dir": str(tmp_path / "locks"),
        "cache_dir": str(tmp_path / "cache"),
        "uv": "/proc/self/exe",
    }


def test_a_lock_is_foretold_written_and_kept(options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "locks" / "cpu.txt"
    foretold = run(**options, _ansible_check_mode=True, _ansible_diff=True)
    assert (foretold["changed"], path.exists()) == (True, False)
    written = run(**options, _ansible_diff=True)
    for key in ("changed", "locks", "diff", "problems"):
        assert written[key] == foretold[key]
    lock = written["locks"]["cpu"]
    assert path.read_text() == lock["text"]
    assert (lock["path"], lock["digest"], lock["bytes"]) == (str(path), digest(lock["text"]), 42)
    assert (lock["kept"], len(lock["notes"]), lock["files"]) == (False, 1, [])
    assert written["diff"][0]["after"] == "ctranslate2 4.8.5\n"
    again = run(**options)
    assert (again["changed"], again["locks"]["cpu"]["kept"], again["diff"]) == (False, True, [])
    assert (tmp_path / "locks" / "other.txt").read_text() == OTHER


def test_some_classes_may_fail(options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "locks" / "bad.txt").write_text("edited\n")
    result = run(**{**options, "classes": {"cpu": PLAN, "bad": PLAN}})
    assert set(result["locks"]) == {"cpu"}
    assert result["problems"]["bad"]["rule"] == "lock.malformed"
    assert "Restore the file" in result["problems"]["bad"]["sentence"]


def test_when_all_fail_the_module_does(options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "locks" / "bad.txt").write_text("edited\n")
    result = run(**{**options, "classes": {"bad": PLAN}})
    assert (result["failed"], result["rule"]) == (True, "lock.malformed")
    assert result["where"].endswith("bad.txt, line 1")
    assert (tmp_path / "locks" / "bad.txt").read_text() == "edited\n"


@pytest.mark.parametrize("url", ["https://me:s3cret@host.invalid/simple", "https://me:s3cret/x@host.invalid"])
def test_a_password_is_shown_nowhere(options: dict[str, Any], url: str) -> None:
    result = run(**options, index_url=url, extra_index_urls=[url], torch_index=url)
    assert "s3cret" not in json.dumps(result)
    result = run(**options, index_url="https://host.invalid", username="me", password="t0psecret")
    assert "t0psecret" not in json.dumps(result)


def test_no_class_is_no_work(options: dict[str, Any]) -> None:
    result = run(**{**options, "classes": {}})
    assert (result["changed"], result["locks"], result["problems"]) == (False, {}, {})
