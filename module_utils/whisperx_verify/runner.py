"""Starts the probe on a target, from Ansible's Python."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any, Dict, Optional, Sequence

from .records import Request
from .sources import write_probe
from .supervise import DEFAULT_TIMEOUT, supervise

__all__ = ["DEFAULT_TIMEOUT", "run"]

# What a check takes over from the process it is started by; all else is the launcher's to set, so that the
# answer does not depend on whose session asked.
KEPT_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_CACHE_PATH",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
)
PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def run(
    python: str,
    directory: Optional[str],
    level: str,
    device: str,
    imports: Sequence[Dict[str, Any]],
    timeout: float = DEFAULT_TIMEOUT,
    scratch: Optional[str] = None,
    read_only: bool = False,
) -> Dict[str, Any]:
    """Prove the environment behind ``python`` and return the report.

    ``python``: path of the environment's launcher (``launch/python``), which sets the environment variables
    it needs. ``directory``: where the probe files are put and stay for later use; None keeps nothing.
    ``level``: import, kernels or pipeline, each including those before it. ``device``: cpu or cuda.
    ``imports``: the plan's list of package, module, optional. ``timeout``: seconds each level may take; a
    hang doubles it once. ``scratch``: directory for temporary files, the system's own by default; all of
    them are removed. ``read_only``: write no byte code.

    The report: ok, level, device, seconds, checks (name, ok, seconds, detail, error, signal, optional),
    findings and warnings (sentences), output (end of what the failed process printed). ValueError for a
    request that makes no sense, OSError when files cannot be written; everything that is wrong with the
    environment is in the report.
    """
    request = Request.read({"level": level, "device": device, "imports": list(imports)})
    temporary = tempfile.mkdtemp(prefix="whisperx-verify-", dir=scratch)
    try:
        probe = directory or os.path.join(temporary, "probe")
        write_probe(probe, request)
        return supervise(request, [python], probe, temporary, timeout, _environment(read_only))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _environment(read_only: bool) -> Dict[str, str]:
    """Return the environment the launcher is started with."""
    paths = [path for path in os.environ.get("PATH", "").split(os.pathsep) if path.startswith("/")]
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    environment["PATH"] = os.pathsep.join(paths + [path for path in PATH if path not in paths])
    environment["LC_ALL"] = "C.UTF-8"
    if read_only:
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return environment
