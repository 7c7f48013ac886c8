"""Patients for tests: as healthy as can be, or just as sick as a sign of a failure row asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from module_utils.whisperx_doctor.records import Environment, Patient, Symptom

__all__ = ["HOST", "patient", "suited", "symptom"]

HOST: dict[str, Any] = {
    "libc": {"family": "glibc", "version": "2.39"},
    "machine": "x86_64",
    "container": None,
    "nvidia_driver": {"state": "absent"},
    "gpus": [],
    "sources": {"libc": "confstr"},
}


def symptom(text: str = "", **other: Any) -> Symptom:
    """Return a failed check, or what ``other`` makes of it."""
    return Symptom(**{"kind": "check", "name": "import ctranslate2", "text": text, **other})


def patient(
    *symptoms: Symptom, packages: Mapping[str, str] | None = None, python: str = "3.12.3", **other: Any
) -> Patient:
    """Return a patient on a plain host."""
    given = {"facts": HOST, "device": "cpu", "ran": "failed" if symptoms else "ok", **other}
    environment = Environment("/env", "venv", ("/env/bin/python",), version=python)
    return Patient(environment, packages or {}, symptoms=symptoms, **given)


def suited(sign: Mapping[str, Any], words: str) -> Patient:
    """Return a patient that says ``words`` and is what else ``sign`` asks for."""
    kind = sign.get("kind", "check")
    shown = symptom(
        words,
        kind=kind,
        name=_check(sign),
        signal=sign.get("signal", ""),
        minor=kind == "log",
    )
    packages = {name: _version(wanted) for name, wanted in sign.get("packages", {}).items()}
    return patient(
        shown,
        packages={name: version for name, version in packages.items() if version},
        python=_version(sign.get("python", "==3.12.3")),
        facts=_facts(sign.get("facts", {})),
        device=sign.get("device", "cpu"),
        ran=sign.get("ran", "failed"),
    )


def _check(sign: Mapping[str, Any]) -> str:
    return "import torchaudio" if "torch" in sign.get("check", "") else "import ctranslate2"


def _version(wanted: Any) -> str:
    """Return a version that ``wanted`` admits, "" for none."""
    if isinstance(wanted, list):
        return _version(wanted[0])
    if wanted == "absent":
        return ""
    if wanted.startswith("+"):
        return "2.8.0" + (wanted if wanted != "+" else "")
    if wanted.startswith("!+") or wanted == "present":
        return "2.8.0"
    first = wanted.split(",")[0]
    number = first.lstrip("<>=!").replace(".*", ".1")
    if not first.startswith("<") or first.startswith("<="):
        return number
    head, last = number.rpartition(".")[::2]
    return f"{head}.{int(last) - 1}" if int(last) else f"{int(head.split('.')[0]) - 1}.9"


def _facts(wanted: Mapping[str, str]) -> dict[str, Any]:
    """Return the facts of a plain host, with what ``wanted`` asks of them."""
    facts = {name: dict(value) if isinstance(value, dict) else value for name, value in HOST.items()}
    for name, value in wanted.items():
        top, _, below = name.partition(".")
        real: Any = _version(value) if value[0] in "<>=" else value.split("|")[0]
        if value in ("present", "absent"):
            absent = "absent" if name == "nvidia_driver.state" else None
            real = "x" if value == "present" else absent
        if below:
            facts[top] = {**(facts.get(top) or {}), below: real}
        else:
            facts[top] = [{"name": real}] if top == "gpus" else real
    return facts
