"""Build the image of a GPU host twice, with two releases of CTranslate2 and nothing else different.

    tools/lab/with python bench/container.py [--root ROOT.tar] [--cache DIR] [--packages '{"whisperx": ""}']

Prints as JSON: bytes of the image, bytes of the layers that the upgrade changed, seconds. Needs podman, a
root file system with Python (by default the lab's Debian 12) and a package index. The first archive is
removed before the second is built: 20 GB of disk do for whole WhisperX with CUDA.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ansible.module_utils.distro import LinuxDistribution  # noqa: E402

from module_utils.whisperx_catalogue.catalogue import load  # noqa: E402
from module_utils.whisperx_env.model import want  # noqa: E402
from module_utils.whisperx_image.build import build  # noqa: E402
from module_utils.whisperx_image.model import Job, Settings, base_of  # noqa: E402
from module_utils.whisperx_image.root import root_facts  # noqa: E402
from module_utils.whisperx_lock.lock import make_all  # noqa: E402
from module_utils.whisperx_lock.sources import make_sources  # noqa: E402
from module_utils.whisperx_lock.workshop import open_workshop  # noqa: E402
from module_utils.whisperx_plan.decide import decide  # noqa: E402
from module_utils.whisperx_plan.model import Request  # noqa: E402

HOST: dict[str, Any] = {
    "os": {"id": "alpine", "version": "3.23"},
    "libc": {"family": "musl", "version": "1.2"},
    "machine": "x86_64",
    "cpu": {"flags": ["sse4_1", "avx", "avx2"]},
    "gpus": [{"name": "NVIDIA L4", "compute_capability": "8.9"}],
    "nvidia_driver": {"version": "570.124.06", "cuda": "12.8", "state": "running"},
    "container_engines": [{"name": "podman", "version": "5.4.2", "cdi": ["nvidia.com/gpu"]}],
}
RELEASES = ("4.8.4", "4.8.5")


def lab_root(folder: Path) -> Path:
    """Return the lab's Debian 12 root as a tar."""
    path, name = folder / "bookworm.tar", f"whisperx-bench-{os.getpid()}"
    subprocess.run(
        ["podman", "create", "--name", name, "localhost/whisperx-lab:bookworm", "true"], check=True
    )
    try:
        subprocess.run(["podman", "export", "--output", str(path), name], check=True)
    finally:
        subprocess.run(["podman", "rm", name], check=True, stdout=subprocess.DEVNULL)
    return path


def built(folder: Path, base: Path, cache: str, packages: dict[str, str]) -> dict[str, Any]:
    """Plan, lock and build one image; return its record, the archive removed."""
    facts = root_facts(str(base), LinuxDistribution)
    request = Request.make(packages, container_base=base.name, container_facts=facts)
    plan = decide({"h": HOST}, request, load(ROOT / "roles/whisperx_plan/files/catalogue")).hosts["h"]
    if plan["verdict"] != "plan":
        raise SystemExit(plan["reasons"][0]["sentence"])
    locks, problems = make_all({plan["class"]: plan}, {}, "locked", open_workshop(make_sources(), folder))
    for problem in problems.values():
        raise problem
    lock = locks[plan["class"]]
    files = [{"file": "uv", "sha256": lock.uv.sha256, "path": lock.uv.path}]
    files += [{"file": entry.file, "sha256": entry.sha256, "path": entry.path} for entry in lock.files]
    settings = Settings(str(folder), cache=cache)
    job = Job(want(plan, lock.text), base_of(plan, str(base)), tuple(files), settings)
    started = time.monotonic()
    record = build(job, job.base.digest())
    Path(record["archive"]).unlink()
    return {**record, "seconds": round(time.monotonic() - started, 1)}


def main() -> None:
    """Build both and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path)
    parser.add_argument("--cache", default="", help="downloads shared with other environments")
    parser.add_argument("--packages", type=json.loads, default={"whisperx": ""})
    parser.add_argument("--directory", help="where to build, by default a temporary directory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        folder = Path(name)
        base = options.root or lab_root(folder)
        first, second = (
            built(folder, base, options.cache, {**options.packages, "ctranslate2": f"=={release}"})
            for release in RELEASES
        )
    there = {layer["digest"] for layer in first["layers"]}
    moved = [layer for layer in second["layers"] if layer["digest"] not in there]
    whole = sum(layer["bytes"] for layer in second["layers"])
    changed = sum(layer["bytes"] for layer in moved)
    figures = {
        "image_bytes": whole,
        "layers": [[layer["what"], layer["bytes"]] for layer in second["layers"]],
        "upgrade_layers": [layer["what"] for layer in moved],
        "upgrade_bytes": changed,
        "upgrade_share": round(changed / whole, 4),
        "seconds": [first["seconds"], second["seconds"]],
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
