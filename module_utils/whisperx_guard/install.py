"""Put the guard on a host, or take it away: see which files and holds differ; act unless in check mode."""

from __future__ import annotations

import glob
import json
import os
from dataclasses import dataclass, field, replace
from typing import Dict, List, Optional, Sequence, Tuple

from ..whisperx_common import trust
from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import (
    discard,
    is_leftover,
    leftovers,
    read_json,
    read_text,
    write_text,
)
from ..whisperx_problem import Problem
from . import hold, hold_dnf, sources
from .dnf_conf import hindrance
from .main import CONFIG, STOP
from .managed import managed
from .model import Config, Row, rows

__all__ = ["Outcome", "Places", "forget", "install", "remove"]

_EXECUTABLE = ("hook",)


@dataclass(frozen=True)
class Places:
    """Where the guard's files go. ``base`` is "/" but in tests; ``directory`` is what the hooks name."""

    directory: str = "/usr/local/lib/whisperx-guard"
    apt_conf: str = "/etc/apt/apt.conf.d/60whisperx-guard"
    base: str = "/"

    def path(self, place: str) -> str:
        """Return the path of a place below the base."""
        return os.path.join(self.base, place.lstrip("/"))

    @property
    def config(self) -> str:
        """The configuration; a directory that has one is ours."""
        return self.path(os.path.join(self.directory, CONFIG))

    def rank(self, path: str) -> Tuple[int, str]:
        """Return the order of writing: what marks the directory as ours, the program, what leads to it."""
        inside = path.startswith(self.path(self.directory) + os.sep)
        return (0 if path == self.config else 1 if inside else 2, path)

    def has_apt(self) -> bool:
        """Whether the host installs packages with apt."""
        return os.path.isdir(self.path("/etc/apt/apt.conf.d"))

    def dnf_plugins(self) -> List[str]:
        """Return the plugin file of every dnf 4 on the host: beside the package dnf of its Python."""
        found = glob.glob(self.path("/usr/lib/python3*/site-packages/dnf"))
        found += glob.glob(self.path("/usr/lib/python3*/dist-packages/dnf"))
        plugin = os.path.join("dnf-plugins", "whisperx_guard.py")
        return [os.path.join(os.path.dirname(path), plugin) for path in sorted(found)]


@dataclass
class Outcome:
    """What was done, or in check mode would be. ``files`` before and after, None for an absent one."""

    actions: List[str] = field(default_factory=list)
    files: Dict[str, Tuple[Optional[str], Optional[str]]] = field(default_factory=dict)
    held: Dict[str, List[str]] = field(default_factory=dict)
    managers: List[str] = field(default_factory=list)


def install(places: Places, asked: Config, kinds: Sequence[str], check: bool) -> Outcome:
    """Make the guard what is asked, and hold the packages of ``kinds`` ("libc", "driver").

    Raises Problem: "guard.foreign-directory", "guard.untrusted-directory", "guard.no-package-manager",
    "guard.packages", "guard.hold".
    """
    known = rows(asked.packages)
    _check_trusted(places)
    _check_ours(places)
    managers = _managers(places)
    before = _config(places)
    held = _holds(places, known, kinds, before)
    outcome = Outcome(held=_together(held), managers=managers)
    wanted = _files(places, replace(asked, held=outcome.held))
    for path in sorted(set(wanted) | set(_present(places))):
        _compare(outcome, path, wanted.get(path))
    told = ["Put the guard in place"] if before is None else ["Renewed the guard"]
    outcome.actions += told if outcome.files else []
    outcome.actions += [action for item in held for action in item.actions]
    if not check:
        # A hold is written down before it is made and until it is released, so a run that is killed between
        # the two never leaves one that nobody knows to be ours.
        _tell(places, held, "install")
        for path in sorted(outcome.files, key=places.rank):
            _write(path, wanted.get(path))
        _tell(places, held, "hold")
    return outcome


def remove(places: Places, check: bool) -> Outcome:
    """Take the guard and its holds away, and nothing else.

    Raises Problem "guard.foreign-directory", "guard.untrusted-directory".
    """
    _check_trusted(places)
    _check_ours(places)
    before = _config(places)
    held = _holds(places, (), (), before)
    outcome = Outcome()
    for path in _present(places):
        _compare(outcome, path, None)
    outcome.actions += ["Removed the guard"] if outcome.files else []
    outcome.actions += [action for item in held for action in item.actions]
    if not check:
        _tell(places, held, "install")
        for path in sorted(outcome.files, key=places.rank, reverse=True):
            _write(path, None)
        discard(places.path(places.directory))
        for plugin in places.dnf_plugins():
            _sweep(os.path.dirname(plugin))
    return outcome


def forget(places: Places, root: str, check: bool) -> List[str]:
    """Guard the environment below ``root`` no longer: it is being removed. Return what was done as sentences.

    Without another environment to guard the guard itself goes, with its holds. Raises Problem as ``remove``.
    """
    if not os.path.lexists(places.config):  # written first and removed last: nothing of ours is there
        return []
    config = _config(places)
    left = tuple(other for other in (config.roots if config else ()) if other != root and managed([other]))
    if config is None or not left:
        return remove(places, check).actions
    if root not in config.roots:
        return []
    _check_trusted(places)
    if not check:
        text = json.dumps(replace(config, roots=left).record(), indent=1, sort_keys=True) + "\n"
        _write(places.config, text)
    return ["Took {} from the guard".format(root)]


def _holds(
    places: Places, known: Sequence[Row], kinds: Sequence[str], before: Optional[Config]
) -> Tuple[hold.Holds, hold.Holds]:
    """Return what to hold and release, of dpkg and of dnf."""
    ours = before.held if before else {}
    found = hold.decide(known, kinds, ours, places.path(hold.STATUS))
    if not places.dnf_plugins():
        return found, hold.Holds({}, {}, ())
    return found, hold_dnf.decide(known, kinds, ours, places.path(hold_dnf.SETTINGS))


def _together(held: Sequence[hold.Holds]) -> Dict[str, List[str]]:
    kinds = sorted({kind for item in held for kind in item.after})
    return {kind: [name for item in held for name in item.after.get(kind, ())] for kind in kinds}


def _tell(places: Places, held: Tuple[hold.Holds, hold.Holds], word: str) -> None:
    hold.apply(held[0], word)
    hold_dnf.apply(held[1], word, places.path(hold_dnf.SETTINGS))


def _sweep(plugins: str) -> None:
    """Remove what dnf's Python compiled of our plugin, and the directories that this leaves empty."""
    caches = os.path.join(plugins, "__pycache__")
    for path in glob.glob(os.path.join(caches, "whisperx_guard.*.pyc")):
        os.unlink(path)
    for directory in (caches, plugins):
        if os.path.isdir(directory) and not os.listdir(directory):
            os.rmdir(directory)


def _config(places: Places) -> Optional[Config]:
    value = read_json(places.config)
    return None if value is None else Config.read(value)


def _check_trusted(places: Places) -> None:
    """Raise Problem where somebody but root can change what the package managers will run as root."""
    written = [places.path(places.directory), *places.dnf_plugins()]
    written += [places.path(places.apt_conf)] if places.has_apt() else []
    trust.check(dict.fromkeys(written, ""), "guard.untrusted-directory")


def _check_ours(places: Places) -> None:
    """Raise Problem where the guard's directory was made by somebody else."""
    directory = places.path(places.directory)
    # A damaged configuration is still ours; a run that was killed in its first instant left a part of it.
    unmarked = not os.path.exists(places.config) and os.path.isdir(directory)
    if unmarked and not all(is_leftover(name, CONFIG) for name in os.listdir(directory)):
        raise Problem(
            "guard.foreign-directory",
            "a directory with other contents",
            directory,
            "an absent or empty directory, or one made by this toolkit",
            "Move it.",
        )


def _managers(places: Places) -> List[str]:
    # With both on the host, the dnf that people call is 5, and guarding only 4 would be a promise half kept.
    newer = os.path.exists(places.path("/usr/bin/dnf5"))
    found = ["apt"] if places.has_apt() else []
    if newer and not found:
        raise _unguarded(places, "dnf 5, which calls no plugin of dnf 4")
    plugins = places.dnf_plugins()
    hindered = hindrance(plugins, places.base) if plugins else ""
    if hindered:
        raise _unguarded(
            places, "dnf 4, which calls no plugin of ours: " + hindered, "Change that setting, or leave"
        )
    found += ["dnf"] if plugins else []
    if found:
        return found
    raise _unguarded(places, "neither apt nor dnf 4")


def _unguarded(places: Places, found: str, remedy: str = "Leave") -> Problem:
    return Problem(
        "guard.no-package-manager",
        found,
        places.base,
        "a package manager that calls hooks before it replaces packages",
        remedy + " the host out of playbooks/guard.yml; playbooks/audit.yml reports what would break.",
    )


def _files(places: Places, config: Config) -> Dict[str, str]:
    """Return every file of the guard with its text."""
    words = {"directory": places.directory, "stop": STOP}
    texts = {
        os.path.join(places.directory, name): text
        for name, text in {
            "guard.py": sources.ENTRY,
            "hook": sources.HOOK.format(**words),
            CONFIG: json.dumps(config.record(), indent=1, sort_keys=True) + "\n",
            **sources.program(),
        }.items()
    }
    found = {places.path(path): text for path, text in texts.items()}
    if places.has_apt():
        found[places.path(places.apt_conf)] = sources.APT_CONF.format(**words)
    found.update({path: sources.DNF_PLUGIN.format(**words) for path in places.dnf_plugins()})
    return found


def _present(places: Places) -> List[str]:
    """Return the files of the guard that are there, whichever release of the toolkit put them there."""
    hooks = [places.path(places.apt_conf), *places.dnf_plugins()]
    # A run that was killed may have left the beginning of one.
    found = [path for hook in hooks for path in [*leftovers(hook), hook] if os.path.lexists(path)]
    for folder, _folders, names in os.walk(places.path(places.directory)):
        found += [os.path.join(folder, name) for name in names if not folder.endswith("__pycache__")]
    return found


def _compare(outcome: Outcome, path: str, wanted: Optional[str]) -> None:
    """Note a file that is not as it has to be."""
    found = read_text(path)
    executable = os.path.basename(path) in _EXECUTABLE
    if found != wanted or (wanted is not None and executable and not os.access(path, os.X_OK)):
        outcome.files[path] = (found, wanted)


def _write(path: str, text: Optional[str]) -> None:
    if text is None:
        discard(path)
        return
    # The dnf plugin's directory belongs to dnf, but an installation without any plugin has none.
    make_directories(os.path.dirname(path))
    write_text(path, text, 0o755 if os.path.basename(path) in _EXECUTABLE else 0o644)
