"""The process that does the checks, inside the environment's own Python.

It may die or hang at any moment, for that is what it is there to find out: see reporter.py and supervise.py.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import Any, Dict

from . import imports, kernels, network, pipeline, transcript
from .records import LEVELS, Request
from .reporter import Reporter

__all__ = ["run_child"]

PR_SET_PDEATHSIG = 1


def run_child(arguments: Dict[str, Any]) -> int:
    """Do the checks that supervise.py wrote into ``arguments``; return the exit code.

    CTranslate2 goes first and alone, and its kernels run before anything else is imported: torch maps cuBLAS
    and cuDNN into the process, and what CTranslate2 finds with torch's help says nothing about what it finds
    without.
    """
    _prepare()
    reporter = Reporter(arguments["events"], arguments["settled"], float(arguments["patience"]))
    reporter.say("hello", python=sys.version.split()[0])
    network.refuse()
    request = Request.read(arguments["request"])
    reach = LEVELS.index(request.level)
    scratch = arguments["scratch"]

    reporter.level("import")
    wanted = imports.foundations_first(request.imports)
    imports.check(reporter, [item for item in wanted if item.module == "ctranslate2"])
    if reach >= LEVELS.index("kernels"):
        reporter.level("kernels")
        kernels.check_ctranslate2(reporter, request.device, scratch)
        reporter.level("import")
    imports.check(reporter, [item for item in wanted if item.module != "ctranslate2"])
    if reach >= LEVELS.index("kernels"):
        reporter.level("kernels")
        kernels.check_torch(reporter, request.device)
    if reach >= LEVELS.index("pipeline"):
        reporter.level("pipeline")
        pipeline.check(reporter, request.device, scratch)
        transcript.check(reporter, request.device, scratch, request.level == "speech")
    if network.refused():
        reporter.note("network", "tried to reach " + ", ".join(network.refused()))
    reporter.done()
    return 0


def _prepare() -> None:
    """Die with the parent, and leave no core file behind."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    parent = os.getppid()
    try:
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (ImportError, OSError, AttributeError):
        return  # a convenience: the supervisor kills the group wherever it lives to do so
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
