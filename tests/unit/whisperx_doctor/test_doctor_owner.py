"""Root asks about an environment of a user: it runs as that user, wherever this toolkit's own files lie."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
OWNER = 23456
PYTHON = "/usr/bin/python3"
ABOUT_ITSELF = "import os\nassert (os.getuid(), os.getgroups()) == (23456, []), os.getuid()\n"
pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or not os.path.exists(PYTHON), reason="needs root and a Python for every user"
)


@pytest.fixture
def place() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="whisperx-owner-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def environment(path: Path, source: str) -> Path:
    """Make a venv of the system's Python that belongs to a user, in a home that is closed to others."""
    command = [PYTHON, "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"]
    series = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    site = path / "lib" / series / "site-packages"
    for name in ("numpy", "numpy-2.0.dist-info"):
        (site / name).mkdir(parents=True)
    (site / "numpy/__init__.py").write_text(source)
    (path / "bin").mkdir()
    (path / "bin/python").symlink_to(PYTHON)
    (path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    for item in (path.parent, path, *path.rglob("*")):
        os.chown(item, OWNER, OWNER, follow_symlinks=False)
    path.parent.chmod(0o700)
    return path


def closed(place: Path, packed: bool) -> Path:
    """Put the program where only root can read it: a zip as Ansible sends it, or a checkout below a closed
    home; return what goes on the module search path."""
    home = place / "closed"
    home.mkdir(mode=0o700)
    names = [
        path
        for path in (ROOT / "module_utils").rglob("*.py")
        if path.relative_to(ROOT / "module_utils").parts[0].startswith(("__init__", "whisperx_"))
    ]
    if packed:
        with zipfile.ZipFile(home / "payload.zip", "w") as archive:
            for path in names:
                archive.write(path, path.relative_to(ROOT))
            archive.writestr("module_utils/__init__.py", "")
        (home / "payload.zip").chmod(0o600)
        return home / "payload.zip"
    for path in names:
        (home / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, home / path.relative_to(ROOT))
    return home


@pytest.mark.parametrize("packed", [True, False], ids=["zip", "checkout"])
@pytest.mark.parametrize("fit", [True, False])
def test_it_runs_as_the_owner(place: Path, packed: bool, fit: bool) -> None:
    venv = environment(place / "home/venv", ABOUT_ITSELF + ("" if fit else "import gone\n"))
    start = "import sys; from module_utils.whisperx_doctor.__main__ import main; sys.exit(main())"
    program = closed(place, packed)
    knowledge = str(ROOT / "roles/whisperx_doctor/files/knowledge.json")
    words = [str(venv), "--level", "import", "--json", "--knowledge", knowledge]
    done = subprocess.run(
        [PYTHON, "-c", start, *words],
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(program),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": "/root",
        },
        cwd=place / "closed",
        capture_output=True,
        text=True,
    )
    assert done.returncode == (0 if fit else 1), (done.stdout[-2000:], done.stderr[-2000:])
    (only,) = json.loads(done.stdout)["environments"]
    assert only["trouble"] == ""
    assert [row["id"] for row in only["failures"]] == ([] if fit else ["failure.module-missing"])
    assert [check["name"] for check in only["checks"]] == ["import numpy"]
