"""site.yml with every ansible-core that is supported, on the Pythons that this machine has for it."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from local_lab import counted, inventory

from tests.attack.strength import FULL

ROOT = Path(__file__).resolve().parents[2]
# The oldest and the newest; the other tests run with the locked one. `make attack` tries those between.
USUAL = (("3.12", "2.16"), ("3.13", "2.21"))
CORES = (*USUAL, ("3.12", "2.17"), ("3.12", "2.18"), ("3.12", "2.19"), ("3.13", "2.20")) if FULL else USUAL


@dataclass(frozen=True)
class Controller:
    """An environment with one ansible-core, and a place for what it makes."""

    base: Path

    def site(self, *arguments: str) -> str:
        """Run site.yml for this machine alone; return what it printed."""
        done = subprocess.run(
            [self.base / "venv/bin/ansible-playbook", "site.yml", "-i", inventory(self.base), *arguments],
            cwd=ROOT,
            env=os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout


def interpreter(version: str) -> Path:
    """Return a Python of this machine, of its own packages or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [Path(f"/usr/bin/python{version}"), *pyenv.glob(f"versions/{version}.*/bin/python3")]
    for path in found:
        if path.exists():
            return path
    pytest.skip(f"no Python {version} on this machine")


@pytest.fixture(params=CORES, ids=[f"core{core}-python{python}" for python, core in CORES])
def controller(request: pytest.FixtureRequest, uv: str, as_root: None, tmp_path: Path) -> Controller:
    python, core = request.param
    venv = tmp_path / "venv"
    subprocess.run([uv, "venv", "--quiet", "--python", interpreter(python), venv], check=True)
    # What the controller needs, but for the ansible-core that is tried.
    wanted = (ROOT / "requirements/controller.in").read_text().splitlines()
    others = [line for line in wanted if re.match(r"(?!ansible-core)\w", line)]
    install = [uv, "pip", "install", "--quiet", "--python", venv / "bin/python"]
    subprocess.run([*install, f"ansible-core~={core}.0", *others], check=True)
    return Controller(tmp_path)


def test_it_predicts_installs_and_stays(controller: Controller) -> None:
    assert counted(controller.site("--check")) == "1 host: 1 planned; 1 would change"
    assert not (controller.base / "root").exists()
    assert counted(controller.site()) == "1 host: 1 changed"
    launcher = controller.base / "root/current/launch/python"
    said = subprocess.run(
        [launcher, "-c", "import ctranslate2; print(ctranslate2.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", said.stdout)
    assert counted(controller.site()) == "1 host: 1 unchanged"
