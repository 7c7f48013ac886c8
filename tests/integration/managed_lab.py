"""A site whose catalogue and mirror have a Python of this machine; its hosts are containers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.lab import standalone_python

__all__ = ["Host", "Site", "run"]

ROOT = Path(__file__).resolve().parents[2]
SHARE = Path(os.environ.get("LAB_SHARE") or Path.home() / ".cache" / "whisperx-fleet")
_PROGRAM = "import ctranslate2, sys; print(ctranslate2.__version__, sys.version.split()[0])"


def run(*words: str | Path, fails: bool = False, **options: Any) -> str:
    """Run a command that has to succeed, or to fail; return its standard output."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    assert (done.returncode != 0) is fails, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done.stdout


class Host:
    """A container of the lab. ``shared`` ones see the lab's cache, and the network of this machine."""

    def __init__(self, suite: str, shared: bool = True, connection: str = "lab") -> None:
        self.name = f"whisperx-managed-{os.getpid()}-{suite}-{'here' if shared else 'apart'}"
        self.variables = {"ansible_connection": connection, "ansible_host": self.name, "ansible_user": "root"}
        run(ROOT / "tools" / "lab" / "build_images", suite)
        options = ["--network=none"]
        if shared:
            options = ["--network=host", "--volume", f"{SHARE}:/srv/whisperx"]
            self.variables["whisperx_venv_cache"] = "/srv/whisperx/uv-cache"
        ca = os.environ.get("LAB_CA") or os.environ.get("SSL_CERT_FILE")
        if ca:
            options += [
                "--volume",
                f"{ca}:/etc/ssl/lab-ca.crt:ro",
                "--env",
                "SSL_CERT_FILE=/etc/ssl/lab-ca.crt",
            ]
        image = f"localhost/whisperx-lab:{suite}"
        run("podman", "run", "--detach", "--name", self.name, *options, image, "sleep", "infinity")

    def here(self, *words: str, fails: bool = False) -> str:
        """Run a command on it; return its standard output, without the last line feed."""
        return run("podman", "exec", self.name, *words, fails=fails).strip()

    def apt(self, *words: str, fails: bool = False, **environment: str) -> str:
        """Run apt-get there, answering yes; return what it wrote in one line."""
        settings = {"DEBIAN_FRONTEND": "noninteractive", **environment}
        given = [f"{name}={value}" for name, value in settings.items()]
        command = ["sh", "-c", 'exec "$@" 2>&1', "sh", "env", *given, "apt-get", "--yes", "-qq", *words]
        return " ".join(self.here(*command, fails=fails).split())

    def versions(self) -> list[str]:
        """Return the versions of CTranslate2 and Python that a user without name and home gets."""
        launcher = "/opt/whisperx/current/launch/python"
        user = ["setpriv", "--reuid=1234", "--clear-groups", "env", "HOME=/", launcher, "-c", _PROGRAM]
        return self.here(*user).splitlines()[-1].split()

    def remove(self) -> None:
        """Remove it."""
        subprocess.run(
            ["podman", "rm", "--force", "--time", "0", self.name], capture_output=True, check=False
        )


class Site:
    """A controller below a directory."""

    def __init__(self, base: Path) -> None:
        self.base = base
        row = standalone_python.pack(standalone_python.interpreters()[0], SHARE / "pythons")
        self.version, self.file = str(row["version"]), str(row["file"])
        self.variables = {
            "whisperx_plan_catalogue": str(standalone_python.catalogue([row], base / "catalogue")),
            "whisperx_plan_python_mirror": str(SHARE / "pythons"),
            "whisperx_plan_lock_dir": str(base / "locks"),
            "whisperx_plan_cache_dir": str(base / "cache"),
            "whisperx_report_dir": str(base / "reports"),
            "whisperx_plan_output": str(base / "plan.json"),
        }

    def play(
        self,
        playbook: str,
        host: Host,
        *words: str,
        offline: bool = False,
        fails: bool = False,
        **variables: Any,
    ) -> str:
        """Run a playbook on a host, with ``offline`` where no network is; return what it said in one line."""
        inventory = self.base / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": {"host": host.variables}}}))
        given = {**self.variables, **variables}
        ansible = Path(sys.executable).parent / "ansible-playbook"
        command = [ansible, ROOT / playbook, "-i", inventory, "-e", json.dumps(given), *words]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        environment["ANSIBLE_CONNECTION_PLUGINS"] = str(ROOT / "tools" / "lab" / "connection")
        if offline:
            command = ["unshare", "--net", *command]
            # Nothing that this machine has downloaded before may help.
            environment |= {name: str(self.base / "empty") for name in ("XDG_CACHE_HOME", "UV_CACHE_DIR")}
        return " ".join(run(*command, cwd=ROOT, env=environment, fails=fails).split())

    @property
    def plan(self) -> dict[str, Any]:
        """The plan of the host in the run before."""
        plan: dict[str, Any] = json.loads((self.base / "plan.json").read_text())["hosts"]["host"]
        return plan
