"""The planner runs with what ansible-core brings, old and new."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_resolvelib_of_older_cores_will_do() -> None:
    """ansible-core 2.16 to 2.18 want one before 1.1: its classes take no types, one has another place."""
    program = """
import resolvelib, resolvelib.structs
del resolvelib.structs.RequirementInformation
for name in ("AbstractProvider", "BaseReporter", "Resolver"):
    known = getattr(resolvelib, name)
    setattr(resolvelib, name, type(name, (), {k: v for k, v in vars(known).items() if k[:2] != "__"}))
from module_utils.whisperx_plan.solve import resolver
assert resolver._Provider.__mro__[1].__name__ == "AbstractProvider"
"""
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).resolve().parents[3], check=True)
