"""The files of the collection, in the layout that Galaxy fixes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from .names import CONTROLLER, Names, controller_text, playbook_text, plugin_text, tasks_text

__all__ = ["names_of", "stage"]

# Folder of the checkout to folder of the collection.
_PLUGINS = {
    "library": "plugins/modules",
    "module_utils": "plugins/module_utils",
    "action_plugins": "plugins/action",
    "callback_plugins": "plugins/callback",
    "lookup_plugins": "plugins/lookup",
    "strategy_plugins": "plugins/strategy",
}
_FOLDERS = {
    **_PLUGINS,
    f"module_utils/{CONTROLLER}": f"plugins/plugin_utils/{CONTROLLER}",
    **{name: name for name in ("roles", "playbooks", "docs", "meta", "changelogs", "inventory/example")},
}
_FILES = (
    "galaxy.yml",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "requirements.yml",
    "tests/config.yml",
)
# The hint for those who install the repository as a role; fragments of releases to come.
# A package of its own place is not in that of the others.
_LEFT_OUT = ("meta/main.yml", "changelogs/fragments", f"module_utils/{CONTROLLER}")


def names_of(root: Path) -> Names:
    """Return the names of what a checkout has for its collection. Raises OSError, KeyError."""
    galaxy = yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))
    return Names(
        f"{galaxy['namespace']}.{galaxy['name']}.",
        frozenset(path.stem for path in (root / "library").glob("*.py")),
        frozenset(path.name for path in (root / "roles").iterdir() if path.is_dir()),
        frozenset(path.stem for path in (root / "playbooks").glob("*.yml")),
        frozenset(path.stem for path in (root / "lookup_plugins").glob("*.py")),
    )


def stage(root: Path, target: Path) -> None:
    """Write the collection of the checkout ``root`` to ``target``, which must not exist.

    Names become those that resolve from anywhere; all else is copied. Raises OSError, yaml.YAMLError.
    """
    names = names_of(root)
    target.mkdir(parents=True)
    for name in _FILES:
        if (root / name).exists():
            (target / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(root / name, target / name)
    for folder, place in _FOLDERS.items():
        for path in sorted(_files(root / folder)):
            inside = path.relative_to(root / folder)
            if not _is_left_out(path.relative_to(root).as_posix(), folder):
                _write(path, target / place / inside, _change(place, inside), names)


def _is_left_out(name: str, folder: str) -> bool:
    """Return whether a file of one of the folders is not part of the collection, or comes with another."""
    return any(f"{name}/".startswith(f"{each}/") for each in _LEFT_OUT if each != folder)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, without what tools and editors leave there. Follows no links."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        yield from (
            Path(parent, name)
            for name in files
            if not name.startswith(".") and not name.endswith((".pyc", "~"))
        )


def _change(place: str, inside: Path) -> Callable[[str, Names], str] | None:
    """Return what makes a file's text that of the collection, None for one that stays as it is."""
    if place.startswith("plugins/plugin_utils/"):
        return controller_text
    if place == "plugins/module_utils" and inside.name == "__init__.py":
        return _emptied
    if place.startswith("plugins/"):
        return plugin_text if inside.suffix == ".py" else None
    if inside.suffix != ".yml" or "files" in inside.parts:
        return None
    if place == "playbooks" or "tasks" in inside.parts:
        return tasks_text
    return playbook_text if place == "roles" else None


def _emptied(text: str, names: Names) -> str:
    """Return nothing for a package's docstring: ansible-test up to 2.17 wants such files empty."""
    return ""


def _write(source: Path, target: Path, change: Callable[[str, Names], str] | None, names: Names) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if change is None:
        shutil.copyfile(source, target)
    else:
        target.write_text(change(source.read_text(encoding="utf-8"), names), encoding="utf-8")
    # Whatever the umask of the checkout, the archive has but these two.
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
