"""The module whisperx_image: what it predicts, what it refuses, and that it contacts nothing to say so."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible.modules import whisperx_image

from tests.unit.whisperx_image.images import job, lock_of

UV = {"sha256": "0" * 64, "path": "/nonexistent/uv"}


def run_module(capsys: pytest.CaptureFixture[str], **arguments: Any) -> tuple[int, dict[str, Any]]:
    with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
        whisperx_image.main()
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def asked(tmp_path: Path, **plan: Any) -> dict[str, Any]:
    own = {**job(tmp_path).wanted.plan, **plan}
    locks = {"container-lab": {"text": lock_of("1.0"), "uv": UV, "files": []}}
    return {"plans": {"container-lab": own}, "locks": locks, "directory": str(tmp_path / "images")}


def test_check_mode_tells_what_would_be_built_and_makes_nothing(tmp_path, capsys):
    code, result = run_module(capsys, **asked(tmp_path), _ansible_check_mode=True)
    image = result["container-lab"]
    assert (code, result["changed"], result["built"]) == (0, True, [image["image"]])
    assert image == result["images"]["container-lab"]
    assert image["image"] == "localhost/whisperx-fleet:" + image["release"]
    assert (image["image_id"], image["bytes"], image["upgrade"]) == (None, None, None)
    assert not (tmp_path / "images").exists()


def test_check_mode_tells_what_would_be_pushed(tmp_path, capsys, monkeypatch):
    (tmp_path / "podman").write_text("#!/bin/sh\nexit 1\n", encoding="ascii")
    (tmp_path / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    pairs = [["container-lab", "example.org/speech"], ["container-lab", ""], ["other", "example.org/other"]]
    code, result = run_module(capsys, **asked(tmp_path), registries=pairs, _ansible_check_mode=True)
    release = result["container-lab"]["release"]
    assert (code, result["pushed"]) == (0, [f"example.org/speech/whisperx-fleet:{release}"])
    assert result["diff"]["after"].splitlines() == result["built"] + result["pushed"]


def test_without_a_class_in_a_container_nothing_is_done(tmp_path, capsys):
    code, result = run_module(capsys, plans={}, locks={}, directory=str(tmp_path / "images"))
    assert (code, result["changed"], result["images"]) == (0, False, {})


def test_a_class_whose_lock_failed_is_left_out(tmp_path, capsys):
    code, result = run_module(capsys, **{**asked(tmp_path), "locks": {}}, _ansible_check_mode=True)
    assert (code, result["images"]) == (0, {})


def test_a_plan_for_a_venv_and_a_missing_root_are_told(tmp_path, capsys):
    code, result = run_module(capsys, **asked(tmp_path, runtime="venv"), _ansible_check_mode=True)
    assert (code, result["rule"]) == (1, "image.plan")
    roots = {"container-lab": str(tmp_path / "none.tar")}
    code, result = run_module(capsys, **asked(tmp_path), roots=roots, _ansible_check_mode=True)
    assert (code, result["rule"]) == (1, "image.base")
    assert "none.tar" in result["msg"] and "Traceback" not in result["msg"]


def test_without_an_engine_the_package_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, result = run_module(capsys, **asked(tmp_path))
    assert (code, result["rule"]) == (1, "image.engine")
    assert "podman" in result["remedy"]
