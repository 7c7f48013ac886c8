"""A managed environment as a runtime of the engine: builds, verifies, records, goes back."""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping, Optional, Set

from ..whisperx_common.files import write_json
from ..whisperx_release import host, state
from ..whisperx_release.hooks import Hooks
from ..whisperx_release.model import SCHEMA, Layout, Release
from ..whisperx_release.runtime import Deed, Run
from . import integrity
from .deciding import Deciding
from .model import Options, Wanted

__all__ = ["Venv"]


class Venv(Deciding):
    """``wanted`` is None when nothing is to be built (rollback, removal).

    Most is loaded late: a converged host never needs it.
    """

    def __init__(
        self, layout: Layout, options: Options, hooks: Hooks, wanted: Optional[Wanted] = None
    ) -> None:
        super().__init__(layout, options, hooks, wanted)
        # What the releases were made of before any of them went.
        self._locked: Set[str] = set()

    def begin(self, run: Run) -> None:
        """Take in what travelled with the run, and what the site's wheelhouse has for the build."""
        from . import deeds

        self._locked = deeds.bring(self.wanted, self.options, run)

    def deeds(self) -> Mapping[str, Deed]:
        """Return what the steps of a build do."""
        if self._wanted is None:
            return {}
        from . import deeds

        return deeds.of(self._wanted, self.options, self._locked, self._tree)

    def prove(self, path: str) -> Dict[str, Any]:
        """Verify an environment by running it. Raises Problem."""
        return self.hooks.prove(path, self.wanted, self.options)

    def host(self, path: str) -> Dict[str, Any]:
        """Return this host, with the version of the environment's interpreter."""
        return host.record(path)

    def record(self, run: Run, name: str) -> Dict[str, Any]:
        """Return the record a release has; for its first, note what it is made of."""
        found = state.release(self.layout, name)
        if found.record is not None:
            return found.record
        noted = integrity.manifest(found.path, self.wanted.site_packages(found.path))
        write_json(os.path.join(found.path, integrity.MANIFEST), noted)
        return self._first_record(run, name)

    def check_return(self, release: Release) -> None:
        """Raise Problem "env.previous-damaged" or "env.previous-unfit"."""
        from .fit import check_fit

        check_fit(release)

    def prove_again(self, release: Release) -> Dict[str, Any]:
        """Verify an environment before it is gone back to. Raises Problem "env.previous-damaged"."""
        from .prove import prove_again

        return prove_again(release, self.options, self.layout.cache)

    def _first_record(self, run: Run, name: str) -> Dict[str, Any]:
        from . import gate

        wanted, plan = self.wanted, self.wanted.plan
        return {
            "schema": SCHEMA,
            "id": name,
            "wanted": wanted.digest,
            "created": self.hooks.now(),
            "class": plan.get("class"),
            "lock_digest": wanted.lock_digest,
            "requested": wanted.requested,
            "python": plan.get("python"),
            "python_path": self._tree.program if self._tree else plan.get("python_path"),
            **({"python_archive": self._tree.archive.record()} if self._tree else {}),
            "device": wanted.device,
            "torch_build": wanted.lock.header["torch-build"] or None,
            "versions": wanted.lock.versions,
            "environment": wanted.environment,
            "scripts": list(wanted.scripts),
            "system_packages": [str(name) for name in plan.get("system_packages") or []],
            "needs": gate.needs(wanted),
            "replaces": run.before.current or None,
        }
