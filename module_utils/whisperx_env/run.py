"""Do what the options of the module ask."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Sequence, Tuple

from ..whisperx_common.index_options import index_values
from ..whisperx_common.progress import Progress
from ..whisperx_problem import Problem
from ..whisperx_release import disk
from ..whisperx_release.followers import Followers, Several
from ..whisperx_release.hooks import Hooks
from ..whisperx_release.model import Outcome
from ..whisperx_service.follow import Services
from ..whisperx_service.model import services_of
from . import apply
from .model import Carried, Options, Sources, Wanted, placed, want
from .options import PATHS, layout_of

__all__ = ["followers_of", "run", "unexpected"]


def run(given: Mapping[str, Any], check: bool, more: Sequence[Followers] = ()) -> Outcome:
    """Do what the options ask, or with ``check`` only say it. Raises Problem.

    ``more`` are what follows the active release beside its services.
    """
    layout = layout_of(given)
    disk.check_paths(layout, given, PATHS)
    options = Options(
        keep=given["keep"],
        activate=given["activate"],
        verify_level=given["verify_level"],
        timeout=given["timeout"],
        verify_timeout=given["verify_timeout"],
        hashes=given["hashes"],
        rollback_verify=given["rollback_verify"],
        sources=Sources(
            offline=given["offline"],
            **index_values(given),
        ),
        carried=carried(given),
        wheelhouse=given["wheelhouse_url"],
    )
    progress = Progress("" if check else given["progress"])
    asked = given["services"] if given["state"] == "present" else None
    hooks = Hooks(prove, progress=progress, followers=followers_of(asked, more))
    try:
        if given["state"] == "absent":
            return apply.absent(layout, options, hooks, check)
        if given["state"] == "rolled_back":
            return apply.rolled_back(layout, given["release"], options, hooks, check)
        plan = placed(given["plan"], given["models_dir"])
        wanted = want(plan, given["lock"], given["commands"])
        return apply.present(layout, wanted, options, hooks, check)
    finally:
        progress.end()


def followers_of(services: Any, more: Sequence[Followers] = ()) -> Followers:
    """Return the services asked for, or with None those that the host notes, and ``more``.

    Raises Problem "service.malformed".
    """
    return Several([Services(None if services is None else services_of(services)), *more])


def unexpected(error: OSError) -> Problem:
    """Return what the system said as a Problem. Every step may be stopped at, so what was in use still is."""
    return Problem(
        "env.system",
        error.strerror or str(error),
        str(error.filename or ""),
        "a file system that does what it is asked",
        "Fix that, then run again; nothing incomplete is active.",
    )


def prove(path: str, wanted: Wanted, options: Options) -> Dict[str, Any]:
    """Verify a release; loaded only then, because most runs find nothing to verify."""
    from . import prove as proof

    return proof.prove(path, wanted, options)


def carried(given: Mapping[str, Any]) -> Tuple[Carried, ...]:
    """Return the files that travel with the run."""
    items = [Carried(item["sha256"], item["file"], item["path"]) for item in given["files"]]
    if given["uv"]:
        items.append(Carried(given["uv"]["sha256"], "uv", given["uv"]["path"]))
    return tuple(items)
