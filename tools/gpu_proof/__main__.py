"""Try on a real NVIDIA GPU what the tests only simulate. Ten minutes at most; prints one page.

    make gpu-proof ARGS="--wheels DIR"      DIR: wheels to install from, without a network

Compares the host facts with nvidia-smi and NVML, the PTX rule with what the driver really compiles, and
installs CTranslate2 from the carried wheels twice: without the libraries of CUDA 12, where the doctor shall
name libcublas.so.12, and with them, where the kernels shall run on the GPU. Changes nothing outside a
temporary directory, and no setting of the GPU.

Exit codes: 0 all as predicted, 1 something is not, 2 a problem, 3 no NVIDIA GPU here, nothing was tried.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from module_utils.whisperx_catalogue.catalogue import load  # noqa: E402
from module_utils.whisperx_catalogue.rows import Rows  # noqa: E402
from module_utils.whisperx_common.versions import numbers  # noqa: E402
from module_utils.whisperx_plan.gpu.drivers import isa_of_cuda  # noqa: E402
from module_utils.whisperx_problem import Problem  # noqa: E402
from tools import capture_host  # noqa: E402
from tools.gpu_proof import card  # noqa: E402
from tools.gpu_proof.card import Seen  # noqa: E402

__all__ = ["Line", "compare", "main", "ptx_lines"]

NO_GPU = 3
SECONDS = 600
_CUBLAS = "libcublas.so.12"
# What a line of the page is: as predicted, not as predicted, or not tried.
RIGHT, WRONG, LEFT = "ok", "WRONG", "not tried"
Line = tuple[str, str]


def main(arguments: list[str] | None = None) -> int:
    """Run the proof; returns its exit code."""
    options = _parser().parse_args(arguments)
    started = time.monotonic()
    told, direct = card.smi(), card.nvml()
    if not any(seen is not None and seen.gpus for seen in (told, direct)):
        print("No NVIDIA GPU answers here (neither nvidia-smi nor NVML): nothing was tried.")
        return NO_GPU
    try:
        facts = capture_host.capture("/", 20.0, capture_host.distribution())["facts"]
        rows = load(str(ROOT / "roles/whisperx_plan/files/catalogue")).rows
    except Problem as problem:
        print(problem.sentence(), file=sys.stderr)
        return 2
    lines = [*compare(facts, "nvidia-smi", told), *compare(facts, "NVML", direct)]
    lines += ptx_lines(facts, rows, card.accepted_ptx([_dotted(isa) for isa, _cuda in rows.ptx]))
    with tempfile.TemporaryDirectory(prefix="whisperx-gpu-proof-") as directory:
        left = SECONDS - (time.monotonic() - started)
        lines += list(_installed(options.wheels, Path(directory), time.monotonic() + left))
    _print(facts, lines, time.monotonic() - started)
    return 1 if any(state == WRONG for state, _text in lines) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make gpu-proof", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--wheels", type=Path, help="directory of wheels: ctranslate2, faster-whisper, nvidia-*"
    )
    return parser


# -- facts ---------------------------------------------------------------------------------------------------


def compare(facts: Mapping[str, Any], source: str, seen: Seen | None) -> list[Line]:
    """Compare the host facts with what one source says of driver and GPUs."""
    if seen is None:
        return [(LEFT, f"{source} does not answer")]
    driver = facts.get("nvidia_driver") or {}
    gpus = [gpu for gpu in facts.get("gpus") or [] if str(gpu.get("pci_id") or "10de").startswith("10de")]
    lines = [
        _line(source, "driver version", driver.get("version"), seen.driver),
        _line(source, "CUDA of the driver", driver.get("cuda"), seen.cuda),
        _line(source, "number of GPUs", len(gpus), str(len(seen.gpus))),
    ]
    known = {str(gpu.get("uuid")): gpu for gpu in gpus}
    for index, gpu in enumerate(seen.gpus):
        fact = known.get(gpu.get("uuid", ""), {})
        for key in sorted(set(gpu) - {"memory_mib"}):
            lines.append(_line(source, f"GPU {index} {key}", fact.get(key), gpu[key]))
        # Tools count what the driver keeps for itself differently.
        same = abs(int(fact.get("memory_mib") or 0) - int(gpu.get("memory_mib") or 0)) <= 1024
        text = f"GPU {index} memory_mib: facts {fact.get('memory_mib')}, {source} {gpu.get('memory_mib')}"
        lines.append((RIGHT if same else WRONG, text))
    return lines


def _line(source: str, what: str, fact: object, said: str) -> Line:
    if not said:
        return (LEFT, f"{what}: {source} does not tell")
    state = RIGHT if str(fact) == said else WRONG
    return (state, f"{what}: facts {fact}, {source} {said}")


# -- PTX -----------------------------------------------------------------------------------------------------


def ptx_lines(facts: Mapping[str, Any], rows: Rows, accepted: Mapping[str, int] | None) -> list[Line]:
    """Compare the rule (a driver compiles PTX up to that of its CUDA) with what this driver compiled."""
    cuda = str((facts.get("nvidia_driver") or {}).get("cuda") or "")
    newest = isa_of_cuda(numbers(cuda), rows) if cuda else None
    if accepted is None or newest is None:
        return [(LEFT, "PTX: libcuda gives no context, or the driver's CUDA is not known")]
    lines = []
    for isa, status in accepted.items():
        predicted = numbers(isa) <= newest
        # Any other error than 222 says nothing of the version.
        if status not in (0, 222):
            lines.append((LEFT, f"PTX {isa}: the driver answers {status}"))
            continue
        said = "compiled" if status == 0 else "refused (222)"
        state = RIGHT if predicted == (status == 0) else WRONG
        lines.append((state, f"PTX {isa}: predicted {'compiled' if predicted else 'refused'}, {said}"))
    return lines


# -- an environment ------------------------------------------------------------------------------------------


def _installed(wheels: Path | None, directory: Path, until: float) -> Iterator[Line]:
    """Install from the carried wheels without and with CUDA's libraries, and ask the doctor of both."""
    if wheels is None or not wheels.is_dir():
        yield (LEFT, "an installation: no directory of wheels (--wheels)")
        return
    names = {path.name.partition("-")[0].lower().replace("_", "-") for path in wheels.glob("*.whl")}
    cuda = sorted(names & {"nvidia-cublas-cu12", "nvidia-cudnn-cu12"})
    wanted = sorted(names & {"ctranslate2", "faster-whisper"})
    if "ctranslate2" not in names:
        yield (LEFT, f"an installation: no wheel of ctranslate2 in {wheels}")
        return
    for title, more, sought in (("without CUDA 12", [], _CUBLAS), ("with CUDA 12", cuda, "")):
        if title.startswith("with ") and not cuda:
            yield (LEFT, f"{title}: no wheel of nvidia-cublas-cu12 in {wheels}")
            continue
        place = directory / title.replace(" ", "-")
        problem = _venv(place, wheels, [*wanted, *more], until)
        if problem:
            yield (LEFT, f"{title}: {problem}")
            continue
        variables = _loader_path(place) if more else {}
        yield _doctor_line(title, _doctor(place, variables, until), sought)


def _venv(place: Path, wheels: Path, names: list[str], until: float) -> str:
    """Make an environment from the wheels alone; return what went wrong, "" for nothing."""
    steps = (
        [sys.executable, "-m", "venv", str(place)],
        [
            str(place / "bin/python"),
            "-m",
            "pip",
            "install",
            "-q",
            "--no-index",
            "--find-links",
            str(wheels),
            *names,
        ],
    )
    for command in steps:
        try:
            done = subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                timeout=max(1.0, until - time.monotonic()),
            )
        except (OSError, subprocess.SubprocessError) as problem:
            return str(problem)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["it failed without a word"])[-1]
    return ""


def _loader_path(place: Path) -> dict[str, str]:
    folders = sorted(str(path) for path in place.glob("lib/python3*/site-packages/nvidia/*/lib"))
    return {"LD_LIBRARY_PATH": ":".join(folders)}


def _doctor(place: Path, variables: Mapping[str, str], until: float) -> Mapping[str, Any]:
    """The doctor's diagnosis of an environment, its kernels on the GPU; {} where it said nothing in time."""
    command = [str(ROOT / "tools/doctor"), str(place), "--json", "--device", "cuda", "--level", "kernels"]
    command += [word for name, value in variables.items() for word in ("--set", f"{name}={value}")]
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=max(1.0, until - time.monotonic()),
            env={**os.environ, "PYTHON": sys.executable},
        )
        found: Mapping[str, Any] = json.loads(done.stdout)["environments"][0]
        return found
    except (OSError, ValueError, KeyError, IndexError, subprocess.SubprocessError):
        return {}


def _doctor_line(title: str, diagnosis: Mapping[str, Any], sought: str) -> Line:
    """Whether the doctor said what was predicted: the missing library by its name, else that it works."""
    if not diagnosis:
        return (LEFT, f"doctor, {title}: no diagnosis in time")
    sentences = [f"{row['sentence']} [{row['id']}]" for row in diagnosis["failures"]]
    told = (
        "; ".join(sentences)
        or "; ".join(item["text"] for item in diagnosis["unexplained"])
        or "nothing wrong"
    )
    named = any(sought in sentence for sentence in sentences)
    right = named if sought else diagnosis["verdict"] == "fit"
    return (RIGHT if right else WRONG, f"doctor, {title}: {diagnosis['verdict']}: {told}")


# -- the page ------------------------------------------------------------------------------------------------


def _print(facts: Mapping[str, Any], lines: list[Line], seconds: float) -> None:
    driver, gpus = facts.get("nvidia_driver") or {}, facts.get("gpus") or []
    names = ", ".join(f"{gpu['name']} ({gpu.get('compute_capability')})" for gpu in gpus)
    print(f"# Proof on a GPU, {datetime.datetime.now(datetime.UTC).date().isoformat()}\n")
    print(f"{names}; driver {driver.get('version')}, CUDA {driver.get('cuda')}; took {seconds:.0f} s\n")
    for state in (WRONG, RIGHT, LEFT):
        found = [text for name, text in lines if name == state]
        print(f"{state}: {len(found)}")
        for text in found:
            print(f"  - {text}")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


if __name__ == "__main__":
    sys.exit(main())
