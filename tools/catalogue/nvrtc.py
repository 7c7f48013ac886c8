"""Measure a CUDA toolkit by its compiler library: the PTX version that it writes, and what it compiles for.

    python -m tools.catalogue.nvrtc 13.5.37 12.9.86

NVIDIA's nvidia-cuda-nvrtc wheel of that version is fetched by pip and its library called, without a GPU or a
driver. Prints rows for drivers.yml (ptx) and gpus.yml (compilers). It runs NVIDIA's code, so nothing calls it
by itself.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from module_utils.whisperx_problem import Problem

__all__ = ["Compiler", "main", "measure"]

_SOURCE = b'extern "C" __global__ void kernel(int *value) { value[0] = 1; }\n'
_ISA = re.compile(rb"^\.version (\d+\.\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Compiler:
    """What one release does: the PTX version of its output, and the compute capabilities it compiles for."""

    version: str
    isa: str
    capabilities: tuple[str, ...]


def main(versions: list[str] | None = None) -> int:
    """Print the rows of these releases; 2 when one could not be measured."""
    for version in versions if versions is not None else sys.argv[1:]:
        try:
            # Each in a process of its own: one program takes one libnvrtc.
            with tempfile.TemporaryDirectory() as directory:
                found = measure(fetch(version, Path(directory)), version)
        except (Problem, OSError) as problem:
            print(problem.sentence() if isinstance(problem, Problem) else problem, file=sys.stderr)
            return 2
        cuda = ".".join(version.split(".")[:2])
        print(f'  - {{isa: "{found.isa}", cuda: "{cuda}", source: nvrtc, confidence: measured}}')
        first, last = found.capabilities[0], found.capabilities[-1]
        print(
            f'  - {{cuda: "{cuda}", first: "{first}", last: "{last}", source: nvrtc, confidence: measured}}'
        )
    return 0


def fetch(version: str, directory: Path) -> Path:
    """Let pip fetch the wheel and unpack it; return the library. Raises Problem."""
    name = "nvidia-cuda-nvrtc" + ("-cu12" if version.startswith("12.") else "")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--dest", str(directory), f"{name}=={version}"],
        check=False,
        capture_output=True,
        text=True,
    )
    wheels = list(directory.glob("*.whl"))
    if done.returncode or not wheels:
        told = (done.stderr.strip().splitlines() or ["no wheel"])[-1]
        raise Problem(
            "catalogue.download", told, f"{name} {version}", "a release on the index", "Correct the version."
        )
    with zipfile.ZipFile(wheels[0]) as archive:
        archive.extractall(directory)
    return next(path for path in sorted(directory.rglob("libnvrtc.so.*")) if "alt" not in path.name)


def measure(library: Path, version: str) -> Compiler:
    """Ask the library at this path. Raises Problem when it does not compile, OSError when it is none."""
    for part in library.parent.glob("libnvrtc-builtins.so*"):
        if "alt" not in part.name:
            ctypes.CDLL(str(part), ctypes.RTLD_GLOBAL)
    nvrtc = ctypes.CDLL(str(library))
    count, size = ctypes.c_int(), ctypes.c_size_t()
    program = ctypes.c_void_p()
    nvrtc.nvrtcGetNumSupportedArchs(ctypes.byref(count))
    numbers = (ctypes.c_int * count.value)()
    nvrtc.nvrtcGetSupportedArchs(numbers)
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), _SOURCE, b"kernel.cu", 0, None, None)
    options = (ctypes.c_char_p * 1)(f"--gpu-architecture=compute_{numbers[-1]}".encode())
    status = nvrtc.nvrtcCompileProgram(program, 1, options)
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(max(1, size.value))
    nvrtc.nvrtcGetPTX(program, text)
    match = _ISA.search(text.raw)
    if status or match is None:
        raise Problem(
            "catalogue.nvrtc",
            f"it answers {status}",
            str(library),
            "PTX of a small kernel",
            "Try another one.",
        )
    return Compiler(version, match.group(1).decode(), tuple(f"{item // 10}.{item % 10}" for item in numbers))


if __name__ == "__main__":
    sys.exit(main())
