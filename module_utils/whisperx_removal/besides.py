"""What other verbs put on a host for an environment: it goes with that environment."""

from __future__ import annotations

from typing import List

from ..whisperx_firstboot import withdraw
from ..whisperx_firstboot.records import Places as FirstBoot
from ..whisperx_guard import install as guard

__all__ = ["remove"]


def remove(root: str, check: bool, base: str = "/") -> List[str]:
    """Remove the guard and the first-boot service, where they serve no other root; return what was done.

    With ``check`` only say it. ``base`` is another directory in tests. Raises OSError, Problem
    "guard.untrusted-directory", "firstboot.untrusted-directory".
    """
    done = guard.forget(guard.Places(base=base), root, check)
    return done + withdraw.remove(FirstBoot(base), root, check)
