"""python -m tools.mutation [--number 200] [--seed 1] [--jobs 2] [--only plan env ...]"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from .attempt import copied, failing, noticed
from .changes import Mutant, draw

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    """Draw, try, count; exit 0 whatever was noticed, 1 if tests fail already. "o" on stderr: noticed."""
    parser = argparse.ArgumentParser(
        description="Change the program at random and see whether its tests notice."
    )
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", nargs="+", default=[], metavar="PACKAGE", help="without whisperx_")
    options = parser.parse_args(arguments)
    chosen, ends = draw(ROOT, options.number, options.seed, options.only), Counter[tuple[str, str]]()
    with tempfile.TemporaryDirectory(prefix="whisperx-mutants-") as folder:
        # Some tests act as other users, who have to come to what they make below.
        Path(folder).chmod(0o711)
        roots: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.jobs):
            roots.put(copied(ROOT, Path(folder) / str(number) / "tree"))

        wrong = failing(Path(folder) / "0/tree", [mutant.path for mutant in chosen])
        if wrong:
            print(f"the own tests of {', '.join(wrong)} fail without any change", file=sys.stderr)
            return 1

        def attempt(mutant: Mutant) -> tuple[Mutant, str]:
            root = roots.get()
            try:
                return mutant, noticed(root, mutant)
            finally:
                roots.put(root)

        with ThreadPoolExecutor(options.jobs) as pool:
            for mutant, end in pool.map(attempt, chosen):
                ends[mutant.package, end] += 1
                print(end[:1] or ".", end="", file=sys.stderr, flush=True)
                if not end:
                    print(mutant.describe((ROOT / mutant.path).read_text(encoding="utf-8")), flush=True)
    print(f"{'package':24} changes  noticed by own tests, by others  missed")
    for package in sorted({name for name, _ in ends}):
        own, other, missed = (ends[package, end] for end in ("own", "other", ""))
        print(f"{package:24} {own + other + missed:7} {own:21} {other:10} {missed:7}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
