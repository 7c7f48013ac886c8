"""site.yml with every ansible-core that is supported."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from core_lab import CORES, core_id, make_environment
from local_lab import counted, inventory

ROOT = Path(__file__).resolve().parents[2]


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


@pytest.fixture(params=CORES, ids=core_id)
def controller(request: pytest.FixtureRequest, uv: str, as_root: None, tmp_path: Path) -> Controller:
    # What the controller needs, but for the ansible-core that is tried.
    wanted = (ROOT / "requirements/controller.in").read_text().splitlines()
    others = [line for line in wanted if re.match(r"(?!ansible-core)\w", line)]
    make_environment(uv, tmp_path / "venv", request.param, *others)
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
