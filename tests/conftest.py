"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

from tests.attack.strength import amount

# The same examples in every run, so that a red run is the change's fault; HYPOTHESIS_PROFILE=default draws
# new ones. A busy machine is slow, which is no defect.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=amount(40, 100))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
