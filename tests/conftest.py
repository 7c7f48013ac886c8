"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# The same examples in every run, so that a red run is the change's fault; HYPOTHESIS_PROFILE=default draws
# new ones. A busy machine is slow, which is no defect. In short 40 of them, as tests/attack/strength.py does.
EXAMPLES = 100 if os.environ.get("WHISPERX_FLEET_ATTACK") else 40
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=EXAMPLES)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
