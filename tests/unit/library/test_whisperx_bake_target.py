"""The module whisperx_bake_target: the machine that builds never enters what is decided."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible.modules import whisperx_bake_target

OWN: dict[str, Any] = {
    "os": {"id": "debian", "version": "13", "codename": "trixie", "family": "debian"},
    "libc": {"family": "glibc", "version": "2.41"},
    "machine": "x86_64",
    "pythons": [{"path": "/usr/bin/python3.13", "version": "3.13.5"}],
    "ffmpeg": {"libavutil": [59]},
}
# Two machines that build: one has everything, one nothing.
RICH: dict[str, Any] = {
    "kernel": {"release": "5.15.0-builder"},
    "cpu": {"flags": ["sse4_1", "avx512f", "builder"]},
    "gpus": [{"name": "NVIDIA H100 of the builder", "compute_capability": "9.0"}],
    "nvidia_driver": {"version": "535.1.builder", "cuda": "12.2", "state": "running"},
    "cuda_toolkits": [{"version": "12.2", "path": "/usr/local/builder"}],
    "cudnn": [{"version": "8.9.builder", "path": "/usr/lib/builder"}],
    "container_engines": [{"name": "podman", "version": "builder", "cdi": []}],
}
POOR: dict[str, Any] = {"kernel": {"release": "6.1"}, "cpu": {"flags": []}, "gpus": []}
DECLARED = {
    "assume": {"cpu": {"flags": ["sse4_1", "avx"]}, "gpus": []},
    "profiles": {"gpu": {"device": "cuda", "facts": {"gpus": [{"compute_capability": "8.9"}]}}, "cpu": {}},
    "capabilities": ["8.9", "9.0"],
}


def run_module(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    builder: dict[str, Any],
    **arguments: Any,
) -> dict[str, Any]:
    monkeypatch.setattr(whisperx_bake_target, "probe", lambda *given: OWN | builder)
    monkeypatch.setattr(whisperx_bake_target, "sizes", lambda root: {"system": 1})
    with patch_module_args(arguments), pytest.raises(SystemExit):
        whisperx_bake_target.main()
    return json.loads(capsys.readouterr().out)


def test_two_builders_decide_from_the_same_facts(capsys, monkeypatch):
    rich = run_module(capsys, monkeypatch, RICH, **DECLARED)
    poor = run_module(capsys, monkeypatch, POOR, **DECLARED)
    assert rich == poor and sorted(rich["hosts"]) == ["cpu", "gpu", "gpu|8.9", "gpu|9.0"]
    assert rich["hosts"]["cpu"] == OWN | DECLARED["assume"]
    assert "builder" not in json.dumps(rich)


def test_without_a_declaration_a_builder_with_a_gpu_is_refused_too(capsys, monkeypatch):
    result = run_module(capsys, monkeypatch, RICH)
    assert result["failed"] and result["rule"] == "bake.undeclared"
    assert "H100" not in json.dumps(result)


def test_what_would_be_refused_at_the_end_is_refused_at_the_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def finding(does: str) -> list[dict[str, str]]:
        return [{"id": "authorized-key", "path": "/root/k", "does": does, "sentence": "/root/k is there"}]

    monkeypatch.setattr(whisperx_bake_target, "probe", lambda *_: {**OWN, **POOR})
    monkeypatch.setattr(whisperx_bake_target, "sizes", lambda root: {"system": 1})
    for tolerate, does, refused in (
        ([], "tell", True),
        (["authorized-key"], "tell", False),
        ([], "remove", False),
    ):
        monkeypatch.setattr(whisperx_bake_target.hygiene, "findings", lambda does=does: finding(does))
        with patch_module_args({**DECLARED, "tolerate": tolerate}), pytest.raises(SystemExit):
            whisperx_bake_target.main()
        result = json.loads(capsys.readouterr().out)
        assert bool(result.get("failed")) is refused
        assert not refused or (result["rule"] == "bake.unclean" and "whisperx_bake_tolerate" in result["msg"])
