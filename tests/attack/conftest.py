"""Attacks from outside: `make attack` runs them in full, `make test` a short form, a minute in all."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Hosts and laboratories of the other tests.
HOMES = ("host", "env", "common", "image", "wheelhouse")
for folder in ("integration", *(f"unit/whisperx_{name}" for name in HOMES)):
    sys.path.append(str(ROOT / "tests" / folder))
