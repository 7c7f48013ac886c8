"""What keeps state on a host writes through the shared helpers: durably, and through no planted link."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2] / "module_utils"
PACKAGES = ("release", "env", "container", "guard", "firstboot", "models_host")
# Calls that leave a name without its contents when the power fails, or follow what somebody planted.
CARELESS = {
    "os.makedirs",
    "os.mkdir",
    "os.rename",
    "os.renames",
    "os.replace",
    "os.symlink",
    "os.chmod",
    "shutil.rmtree",
    "shutil.copy",
    "shutil.copyfile",
    "shutil.copytree",
    "shutil.move",
}
# Each with its reason.
ALLOWED = {
    # Moves the link that is there when a full disk takes no other.
    ("whisperx_release/perform.py", "os.replace"),
    # What arrives is compared with its digest at every use, and synced with the release.
    ("whisperx_env/fetch.py", "os.replace"),
    ("whisperx_env/fetch.py", "os.chmod"),
    ("whisperx_env/supplies.py", "os.replace"),
    # Opens podman's own directories, in which root alone can write, to readers.
    ("whisperx_container/store.py", "os.chmod"),
}


def calls(path: Path) -> Iterator[str]:
    """Yield every call of a module's function in a source as "module.function", and writing opens."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            yield f"{node.func.value.id}.{node.func.attr}"
        elif isinstance(node.func, ast.Name) and node.func.id == "open" and len(node.args) > 1:
            mode, file = node.args[1], node.args[0]
            by_descriptor = isinstance(file, ast.Call)  # of os.open, with O_EXCL and O_NOFOLLOW
            if isinstance(mode, ast.Constant) and set("wax+") & set(str(mode.value)) and not by_descriptor:
                yield f"open {mode.value}"


@pytest.mark.parametrize("package", PACKAGES)
def test_state_is_written_through_the_helpers(package: str) -> None:
    sources = sorted((TOP / f"whisperx_{package}").rglob("*.py"))
    assert sources
    found = {
        (str(path.relative_to(TOP)), call)
        for path in sources
        for call in calls(path)
        if call in CARELESS or call.startswith("open ")
    }
    assert found - ALLOWED == set()


def test_what_is_allowed_is_still_there() -> None:
    assert {entry for entry in ALLOWED if entry[1] not in set(calls(TOP / entry[0]))} == set()
