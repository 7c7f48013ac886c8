"""Images for the tests: a plan, its lock, and a job that would build them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from module_utils.whisperx_common import lockfile
from module_utils.whisperx_env.model import want
from module_utils.whisperx_image.model import Base, Job, Settings

__all__ = ["LAYERS", "job"]

LAYERS = [{"what": "NVIDIA libraries", "packages": ["nvidia-*"]}, {"what": "WhisperX", "packages": ["tiny"]}]


def lock_of(version: str) -> str:
    """Return a lock of one package."""
    package = lockfile.LockedPackage(
        "tiny", version, "0" * 64, f"tiny-{version}-py3-none-any.whl", 9, "index"
    )
    header = {"whisperx-fleet-lock": "1", "class": "container-lab", "request": '{"tiny":""}', "uv": "0"}
    header |= {"platform": "linux", "python": "3.13", "device": "cpu"}
    return lockfile.render(lockfile.Lock(header, (package,)))


def job(directory: Path, version: str = "1.0", base: Base | None = None, **container: Any) -> Job:
    """Return the job of an image; ``container`` changes what the plan says about it."""
    plan = {
        "verdict": "plan",
        "class": "container-lab",
        "runtime": "container",
        "request": {"tiny": ""},
        "machine": "x86_64",
        "python": "3.13",
        "python_path": "/usr/bin/python3.13",
        "device": "cpu",
        "catalogue": "c1",
        "container": {"base": "example.org/base:1", "layers": LAYERS, "commands": [], **container},
    }
    wanted = want(plan, lock_of(version))
    return Job(wanted, base or Base(reference="example.org/base:1"), (), Settings(str(directory)))
