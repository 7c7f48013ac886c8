"""The proof on a GPU, with stand-ins for NVIDIA's libraries: what it compares, and what it did not try."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_catalogue.catalogue import load
from tests.unit.whisperx_abi.elf_samples import CC
from tools.gpu_proof import card
from tools.gpu_proof.__main__ import LEFT, NO_GPU, RIGHT, WRONG, _doctor_line, compare, main, ptx_lines

ROOT = Path(__file__).resolve().parents[3]
needs_cc = pytest.mark.skipif(CC is None, reason="no C compiler on this machine")
H200 = "NVIDIA H200|GPU-1|9.0|143771|00000000:01:00.0|0x233510de|-1|0|0"
FACTS: dict[str, Any] = {
    "nvidia_driver": {"version": "570.124.06", "cuda": "12.8"},
    "gpus": [
        {
            "name": "NVIDIA H200",
            "uuid": "GPU-1",
            "compute_capability": "9.0",
            "memory_mib": 143771,
            "pci_id": "10de:2335",
        },
        {"name": "AMD Radeon VII", "uuid": None, "pci_id": "1002:66af"},
    ],
}
PAGE = "| NVIDIA-SMI 570.124.06   Driver Version: 570.124.06   CUDA Version: 12.8 |\n"
ROW = "NVIDIA H200, GPU-1, 9.0, 143771, 570.124.06, 0x233510DE\n"


@pytest.fixture
def library(tmp_path: Path) -> Callable[[str], str]:
    """Compile a stand-in; return its path."""

    def compiled(name: str) -> str:
        target = tmp_path / f"lib{name}.so"
        source = ROOT / "tests/stand_ins" / f"{name}.c"
        subprocess.run([str(CC), "-shared", "-fPIC", "-o", target, source], check=True)
        return str(target)

    return compiled


def test_nvidia_smi_of_both_wordings() -> None:
    seen = card.parse_query(ROW, PAGE)
    assert (seen.driver, seen.cuda) == ("570.124.06", "12.8")
    assert seen.gpus[0] == {
        "name": "NVIDIA H200", "uuid": "GPU-1", "compute_capability": "9.0", "memory_mib": "143771",
        "pci_id": "10de:2335",
    }  # fmt: skip
    newer = "| NVIDIA-SMI 615.71.09    KMD Version: 615.71.09     CUDA UMD Version: 13.4     |"
    assert card.parse_query("", newer).cuda == "13.4"
    assert card.parse_query("No devices were found\n", "") == card.Seen()


def test_the_command_is_really_called(tmp_path: Path) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text(f'#!/bin/sh\nif [ "$1" ]; then printf "{ROW}"; else printf "{PAGE}"; fi\n')
    command.chmod(0o755)
    seen = card.smi(str(command))
    assert seen == card.parse_query(ROW, PAGE)
    assert card.smi(str(tmp_path / "none")) is None
    command.write_text("#!/bin/sh\nexit 9\n")
    assert card.smi(str(command)) is None


@needs_cc
def test_nvml_is_asked_by_its_own_calls(
    library: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_DRIVER", "570.124.06")
    monkeypatch.setenv("STAND_IN_CUDA", "12080")
    monkeypatch.setenv("STAND_IN_DEVICES", H200)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from tools.gpu_proof import card\n"
        "s = card.nvml(sys.argv[2])\n"
        "print(s.driver, s.cuda, s.gpus[0]['uuid'], s.gpus[0]['compute_capability'], s.gpus[0]['memory_mib'])"
    )
    command = [sys.executable, "-c", code, str(ROOT), library("nvml")]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert told == ["570.124.06", "12.8", "GPU-1", "9.0", "143771"]
    assert card.nvml("libnothing-like-it.so.1") is None


def test_what_differs_from_the_facts_is_told() -> None:
    seen = card.parse_query(ROW, PAGE)
    assert {state for state, _text in compare(FACTS, "nvidia-smi", seen)} == {RIGHT}
    other = card.parse_query(ROW.replace("9.0", "10.0"), PAGE.replace("12.8", "13.0"))
    wrong = [text for state, text in compare(FACTS, "nvidia-smi", other) if state == WRONG]
    assert wrong == [
        "CUDA of the driver: facts 12.8, nvidia-smi 13.0",
        "GPU 0 compute_capability: facts 9.0, nvidia-smi 10.0",
    ]
    two = card.Seen("570.124.06", "", (*seen.gpus, {"name": "x", "uuid": "GPU-2", "memory_mib": "9"}))
    told = compare(FACTS, "NVML", two)
    assert (LEFT, "CUDA of the driver: NVML does not tell") in told
    assert (WRONG, "number of GPUs: facts 1, NVML 2") in told
    assert compare(FACTS, "NVML", None) == [(LEFT, "NVML does not answer")]


@needs_cc
@pytest.mark.parametrize(
    ("newest", "wrong"), [("87", []), ("84", ["8.5", "8.6", "8.7"]), ("90", ["8.8", "9.0"])]
)
def test_the_ptx_rule_against_what_the_driver_compiles(
    library: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, newest: str, wrong: list[str]
) -> None:
    monkeypatch.setenv("STAND_IN_PTX", newest)
    rows = load(str(ROOT / "roles/whisperx_plan/files/catalogue")).rows
    versions = [".".join(map(str, isa)) for isa, _cuda in rows.ptx]
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from tools.gpu_proof import card; "
        "print(json.dumps(card.accepted_ptx(sys.argv[3:], sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(ROOT), library("cuda"), *versions]
    accepted = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    lines = ptx_lines(FACTS, rows, accepted)
    assert len(lines) == len(versions)
    assert [text.split(":")[0] for state, text in lines if state == WRONG] == [f"PTX {isa}" for isa in wrong]


@needs_cc
def test_a_driver_that_gives_no_context_tries_nothing(
    library: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_CUDA_INIT", "100")
    rows = load(str(ROOT / "roles/whisperx_plan/files/catalogue")).rows
    assert card.accepted_ptx(["8.0"], library("cuda")) is None
    assert [state for state, _text in ptx_lines(FACTS, rows, None)] == [LEFT]
    assert ptx_lines(FACTS, rows, {"8.0": 209})[0][0] == LEFT


def test_the_sentence_for_the_missing_library_is_looked_for() -> None:
    row = {"sentence": "CTranslate2 opens libcublas.so.12, which nothing here has", "id": "failure.cublas"}
    unfit = {"verdict": "unfit", "failures": [row], "unexplained": []}
    assert _doctor_line("without", unfit, "libcublas.so.12")[0] == RIGHT
    assert _doctor_line("without", {**unfit, "failures": []}, "libcublas.so.12")[0] == WRONG
    assert _doctor_line("with", unfit, "")[0] == WRONG
    assert _doctor_line("with", {**unfit, "verdict": "fit", "failures": []}, "")[0] == RIGHT
    assert _doctor_line("with", {}, "")[0] == LEFT


def test_without_a_gpu_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(card, "smi", lambda: None)
    monkeypatch.setattr(card, "nvml", lambda: card.Seen("570.124.06", "12.8"))
    assert main([]) == NO_GPU == 3
    assert "nothing was tried" in capsys.readouterr().out
