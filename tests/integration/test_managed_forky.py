"""Debian testing, which has Python 3.14 only, gets faster-whisper on a managed Python by site.yml."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.lab import standalone_python

ROOT = Path(__file__).resolve().parents[2]
NAME = f"whisperx-managed-{os.getpid()}"
# CTranslate2 4.6.0 has no wheel for Python 3.14; newer ones have, so they are asked for on a managed one.
OLD = {"whisperx_plan_packages": {"ctranslate2": "==4.6.0", "faster-whisper": ""}}
NEW = {"whisperx_plan_packages": {"ctranslate2": "", "faster-whisper": ""}}
NEW |= {"whisperx_plan_interpreters": ["managed"]}


def run(*words: str | Path, **options: Any) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done.stdout


class Forky:
    """A container with Debian testing, and runs of the project's playbooks on it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        share = Path(os.environ.get("LAB_SHARE") or Path.home() / ".cache" / "whisperx-fleet")
        row = standalone_python.pack(standalone_python.interpreters()[0], share / "pythons")
        self.version = str(row["version"])
        source = ROOT / "roles" / "whisperx_plan" / "files" / "catalogue"
        catalogue = standalone_python.catalogue([row], source, base / "catalogue")
        self.variables = {
            "whisperx_plan_catalogue": str(catalogue),
            "whisperx_plan_python_mirror": str(share / "pythons"),
            "whisperx_plan_lock_dir": str(base / "locks"),
            "whisperx_plan_cache_dir": str(base / "cache"),
            "whisperx_report_dir": str(base / "reports"),
            "whisperx_venv_cache": "/srv/whisperx/uv-cache",
            "whisperx_plan_output": str(base / "plan.json"),
        }
        host = {"ansible_connection": "lab", "ansible_host": NAME, "ansible_user": "root"}
        (base / "hosts.json").write_text(json.dumps({"all": {"hosts": {"forky": host}}}))
        ca = os.environ.get("LAB_CA") or os.environ.get("SSL_CERT_FILE")
        more = (
            ["--volume", f"{ca}:/etc/ssl/lab-ca.crt:ro", "--env", "SSL_CERT_FILE=/etc/ssl/lab-ca.crt"]
            if ca
            else []
        )
        options = ["--detach", "--name", NAME, "--network=host", "--volume", f"{share}:/srv/whisperx", *more]
        run("podman", "run", *options, "localhost/whisperx-lab:forky", "sleep", "infinity")

    def play(self, playbook: str, *words: str, **variables: Any) -> str:
        given = {**self.variables, **variables}
        ansible = Path(sys.executable).parent / "ansible-playbook"
        command = [ansible, playbook, "-i", self.base / "hosts.json", "-e", json.dumps(given), *words]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        environment["ANSIBLE_CONNECTION_PLUGINS"] = str(ROOT / "tools" / "lab" / "connection")
        return " ".join(run(*command, cwd=ROOT, env=environment).split())

    def here(self, *words: str) -> str:
        return run("podman", "exec", NAME, *words).strip()


@pytest.fixture(scope="module")
def forky(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forky]:
    """Return a bare host."""
    if os.getuid() != 0 or not all(shutil.which(tool) for tool in ("podman", "runc", "mmdebstrap")):
        pytest.skip("takes root, podman, runc and mmdebstrap")
    os.environ.setdefault("CONTAINERS_CONF", str(root / "tools" / "lab" / "containers.conf"))
    run(root / "tools" / "lab" / "build_images", "forky")
    try:
        yield Forky(tmp_path_factory.mktemp("managed"))
    finally:
        subprocess.run(["podman", "rm", "--force", "--time", "0", NAME], capture_output=True, check=False)


def test_it_is_installed_upgraded_rolled_back_and_audited(forky: Forky) -> None:
    predicted = forky.play("site.yml", "--check", **OLD)
    assert f"install managed Python {forky.version}" in predicted, predicted[-3000:]
    assert forky.here("sh", "-c", "ls -A /opt") == ""
    told = forky.play("site.yml", "--diff", **OLD)
    assert f"+python=={forky.version}" in told, told[-5000:]
    plan = json.loads((forky.base / "plan.json").read_text())["hosts"]["forky"]
    assert (plan["python_source"], plan["runtime"]) == ("managed", "venv")

    # The run transcribed with the micro model on the real kernels. Here a user without name and home:
    code = "import ctranslate2, faster_whisper, sys; print(ctranslate2.__version__, sys.version.split()[0])"
    launcher = "/opt/whisperx/current/launch/python"
    user = ["setpriv", "--reuid=1234", "--clear-groups", "env", "HOME=/", launcher, "-c", code]
    old = forky.here(*user).splitlines()[-1]
    assert old.split() == ["4.6.0", forky.version]
    again = forky.play("site.yml", **OLD)
    assert "changed=0" in again, again[-3000:]

    forky.play("site.yml", **NEW)
    new = forky.here(*user).splitlines()[-1]
    assert new.split()[0] > old.split()[0] and new.split()[1] == forky.version
    assert forky.here("sh", "-c", "ls /opt/whisperx/pythons | wc -l") == "2"  # one tree, its record
    forky.play("playbooks/rollback.yml")
    assert forky.here(*user).splitlines()[-1] == old
    audited = forky.play("playbooks/audit.yml", **OLD)
    assert "healthy" in audited, audited[-3000:]
