"""Services for a module that only looks: on a host that has none, the rest of the package stays unloaded.

What Ansible sends is compiled anew on every host in every run, and takes longer there than all that it does.
"""

from __future__ import annotations

import json
from typing import Any, Set

from ..whisperx_common.files import names_in
from ..whisperx_release.followers import Followers, Late
from ..whisperx_release.model import SERVICES, Layout

__all__ = ["compared", "secret_values", "services"]


def services(asked: Any) -> Followers:
    """Return the services asked for, with None those that the host notes. They only decide."""

    def concerns(layout: Layout) -> bool:
        return bool(asked) or any(name.endswith(".json") for name in names_in(layout.path(SERVICES)))

    def load() -> Followers:
        from .follow import Services
        from .model import services_of

        return Services(None if asked is None else services_of(asked))

    return Late(concerns, load)


def compared(asked: Any) -> str:
    """Return whisperx_services as a text that is the same for the same services, without their secrets.

    Raises Problem "service.malformed".
    """
    if not asked:
        return "" if asked is None else "{}"
    from .model import public, services_of
    from .records import raw

    return json.dumps({one.name: public(raw(one)) for one in services_of(asked)}, sort_keys=True)


def secret_values(asked: Any) -> Set[str]:
    """Return what `model.secret_values` returns."""
    if not asked:
        return set()
    from .model import secret_values as of_some

    return of_some(asked)
