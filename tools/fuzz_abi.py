"""Feed hostile files to the readers of shared objects, guided by what they cover.

Needs atheris (libFuzzer for Python; not among the test requirements, for it has no wheel for every Python):

    python -m pip install atheris
    python -m tools.fuzz_abi CORPUS_DIRECTORY -max_total_time=300

The directory is filled with samples when it is empty. A reader may answer, or refuse with abi.malformed; any
other exception, and more than a second for one file, ends the run and leaves the file beside it, to be made a
test. The tests do the same with hypothesis, without the guidance and for a few seconds.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 1.0


def samples(directory: Path) -> None:
    """Write what the mutations begin with: written files of all classes, and compiled ones."""
    from tests.unit.whisperx_abi.elf_samples import CC, compile_library, write_library

    directory.mkdir(parents=True, exist_ok=True)
    versions = (
        ("libc.so.6", (("GLIBC_2.5", False), ("GLIBC_2.6", True))),
        ("libm.so.6", (("GLIBC_2.29", False),)),
    )
    for bits, order, machine in ((64, "little", 62), (32, "little", 3), (64, "big", 22), (32, "big", 20)):
        data = write_library(bits, order, machine, 7, versions)
        (directory / f"written-{machine}-{bits}").write_bytes(data)
    if CC is not None:
        script = directory / "map"
        script.write_text("ONE_1.0 { global: one; }; ONE_1.1 { global: two; local: *; } ONE_1.0;\n")
        source = "#include <math.h>\nint one(void) { return 1; }\ndouble two(double x) { return cos(x); }\n"
        for style in ("gnu", "sysv"):
            options = (
                "-s",
                f"-Wl,--hash-style={style}",
                f"-Wl,--version-script={script}",
                "-Wl,-rpath,$ORIGIN",
            )
            compile_library(directory, f"compiled-{style}", *options, source=source)
        script.unlink()


def feed(data: bytes, readers: list[Callable[..., object]]) -> None:
    """Let every reader have the file; raises what no reader may do."""
    from module_utils.whisperx_problem import Problem

    for reader in readers:
        begun = time.perf_counter()
        try:
            reader(lambda offset, size: data[offset : offset + size], len(data), "fuzzed")
        except Problem as problem:
            if problem.rule != "abi.malformed":
                raise
        if time.perf_counter() - begun > SECONDS:
            raise TimeoutError(f"{reader.__qualname__} took {time.perf_counter() - begun:.1f} s")


def main() -> None:
    """Run until libFuzzer is done."""
    sys.path.insert(0, str(ROOT))
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        sys.exit("atheris is missing: python -m pip install atheris")
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python -m tools.fuzz_abi CORPUS_DIRECTORY [libFuzzer options]")
    corpus = Path(sys.argv[1])
    if not corpus.is_dir() or not any(corpus.iterdir()):
        samples(corpus)
    with atheris.instrument_imports(include=["module_utils.whisperx_abi"]):
        from module_utils.whisperx_abi import elf, symbols
    readers: list[Callable[..., object]] = [
        elf.parse,
        symbols.parse,
        symbols.parse_brief,
        symbols.parse_versions,
    ]
    atheris.Setup([sys.argv[0], *sys.argv[1:]], lambda data: feed(data, readers))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
