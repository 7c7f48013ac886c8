"""Attacks from outside: `make attack` runs them in full, `make test` a short form, a minute in all."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Hosts and laboratories of the other tests.
for folder in ("integration", "unit/whisperx_host", "unit/whisperx_env", "unit/whisperx_common"):
    sys.path.append(str(ROOT / "tests" / folder))
