"""The program of an image has some packages of this toolkit, and stands by itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from module_utils import whisperx_problem
from module_utils.whisperx_firstboot import sources


def test_it_imports_nothing_that_is_not_brought(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet"
    for package in sources._PACKAGES:
        shutil.copytree(package.__path__[0], fleet / package.__name__.rpartition(".")[2])
    (fleet / "__init__.py").touch()
    shutil.copy(str(whisperx_problem.__file__), fleet)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import fleet.whisperx_firstboot.main"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
