"""Every WhisperX release gets a plan for this machine, and what the plan gives is installed and run.

    python -m tools.truth.releases [RELEASE ...] [--cache DIR] [--write]

For each release (default: all since 3.3 that were not withdrawn): decide, lock with uv, build the environment
as whisperx_env does, prove it with the whole pipeline on the CPU, remove it. Exit codes: 0 each was proved,
1 one was not, 2 the suite could not run. --write puts the rows into docs/truth.md; rows of other
releases stay there.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ansible.module_utils.distro import LinuxDistribution  # noqa: E402
from packaging.version import Version  # noqa: E402

from module_utils.whisperx_catalogue.catalogue import Catalogue, load  # noqa: E402
from module_utils.whisperx_common.tree import Tree  # noqa: E402
from module_utils.whisperx_env import apply  # noqa: E402
from module_utils.whisperx_env.model import Carried, Options, want  # noqa: E402
from module_utils.whisperx_env.prove import prove  # noqa: E402
from module_utils.whisperx_host import live  # noqa: E402
from module_utils.whisperx_host.probe import gather  # noqa: E402
from module_utils.whisperx_lock.lock import LockResult, make  # noqa: E402
from module_utils.whisperx_lock.sources import Sources  # noqa: E402
from module_utils.whisperx_lock.workshop import Workshop, open_workshop  # noqa: E402
from module_utils.whisperx_plan.decide import decide  # noqa: E402
from module_utils.whisperx_plan.model import Request  # noqa: E402
from module_utils.whisperx_problem import Problem  # noqa: E402
from module_utils.whisperx_release.hooks import Hooks  # noqa: E402
from module_utils.whisperx_release.model import Layout  # noqa: E402
from tools.truth import report  # noqa: E402
from tools.truth.options import add_common  # noqa: E402

__all__ = ["HEAD", "Proof", "main", "merged", "releases_of"]

FIRST = Version("3.3")
HEAD = (
    "| WhisperX | Python | ctranslate2 | faster-whisper | torch | pyannote.audio | result | seconds | day |",
    "|" + "---|" * 9,
)
_SHOWN = ("ctranslate2", "faster-whisper", "torch", "pyannote-audio")
_PROBE = 20.0  # seconds that reading this machine may take


@dataclass(frozen=True)
class Proof:
    """What became of one release. ``problem``: why it was not proved, "" when it was."""

    release: str
    python: str
    versions: Mapping[str, str]
    problem: str
    seconds: float

    def row(self) -> str:
        """Return the row of the table."""
        shown = [self.versions.get(name, "-") for name in _SHOWN]
        said = " ".join(self.problem.replace("|", "\\|").split()) or "works"
        day = datetime.date.today().isoformat()
        return "| " + " | ".join([self.release, self.python, *shown, said, f"{self.seconds:.0f}", day]) + " |"


def releases_of(catalogue: Catalogue) -> list[str]:
    """Return the releases that are to work: those since 3.3, no pre-release, none that was withdrawn."""
    return [
        release.text
        for release in catalogue.packages["whisperx"].releases
        if release.version >= FIRST and not release.version.is_prerelease and not release.yanked
    ]


def merged(old: Sequence[str], new: Mapping[str, str]) -> list[str]:
    """Return the rows of a table by release, those of ``new`` in place of older ones."""
    rows = {line.split("|")[1].strip(): line for line in old if line.startswith("| ") and "---" not in line}
    rows.pop("WhisperX", None)
    rows.update(new)
    return [rows[release] for release in sorted(rows, key=Version)]


def prove_release(
    release: str, facts: Mapping[str, Any], catalogue: Catalogue, shop: Workshop, place: Path, cache: Path
) -> Proof:
    """Decide, lock, build, prove and remove one release below ``place``."""
    started = time.monotonic()
    request = Request.make({"whisperx": f"=={release}"}, runtime="venv", device="cpu")
    decision = decide({"here": facts}, request, catalogue)
    plan = decision.hosts["here"]
    if plan["verdict"] != "plan":
        said = plan["reasons"][0]["sentence"] if plan["reasons"] else "no reason given"
        return Proof(release, "-", {}, f"refused: {said}", time.monotonic() - started)
    versions: Mapping[str, str] = plan["pins"]
    problem = ""
    root = place / "root"
    try:
        result = make(plan["class"], plan, {}, "upgrade", shop)
        versions = result.lock.versions
        layout = Layout(str(root), "", "", str(cache))
        apply.present(layout, want(plan, result.text), _options(result), Hooks(prove), False)
    except Problem as trouble:
        problem = trouble.sentence().replace(f"{place}/", "")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return Proof(release, plan["python"], versions, problem, time.monotonic() - started)


def _options(result: LockResult) -> Options:
    carried = [Carried(entry.sha256, entry.file, entry.path) for entry in result.files]
    carried.append(Carried(result.uv.sha256, "uv", result.uv.path))
    return Options(verify_level="pipeline", carried=tuple(carried))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite; return its exit code."""
    options = _parser().parse_args(arguments)
    catalogue = load(options.catalogue)
    cache = Path(options.cache).expanduser().absolute()
    cache.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="whisperx-truth-", dir=cache.parent))
    failed = 0
    os.environ["UV_CACHE_DIR"] = str(cache)
    try:
        facts = gather(Tree("/"), live.here(_PROBE), LinuxDistribution).to_dict()
        shop = open_workshop(Sources(), place / "locks", options.uv, str(cache.parent / "made"))
        for release in options.release or releases_of(catalogue):
            proof = prove_release(release, facts, catalogue, shop, place, cache)
            print(proof.row(), flush=True)
            failed += bool(proof.problem)
            if options.write:
                _write(proof)
    except Problem as problem:
        print(problem.sentence(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return 1 if failed else 0


def _write(proof: Proof) -> None:
    old = report.section("releases")
    report.put("releases", [*HEAD, *merged(old, {proof.release: proof.row()})])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.truth.releases", description="Prove WhisperX releases."
    )
    parser.add_argument("release", nargs="*", help="only these")
    add_common(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
