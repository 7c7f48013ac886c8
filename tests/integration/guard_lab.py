"""A Debian host in a container with a managed release that a newer glibc would not load, and the guard on it.

The release is a stand-in of one shared object, linked here with an executable stack; apt, dpkg, dnf, rpm and
the hooks are real.
"""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Box", "rows"]

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = str(ROOT / "tools" / "lab" / "containers.conf")

_SETUP = """
import json, os, shutil, sys
record = json.loads(sys.argv[1])
top = "/opt/whisperx/releases/" + record["id"]
packages = top + "/lib/python3.11/site-packages/tiny"
os.makedirs(packages); os.makedirs(top + "/bin")
shutil.copy("/lab/stack.so", packages)
os.symlink("/usr/bin/python3.11", top + "/bin/python")
json.dump({"made_by": "whisperx-fleet"}, open("/opt/whisperx/.whisperx-fleet", "w"))
json.dump(record, open(top + "/release.json", "w"))
os.symlink("releases/" + record["id"], "/opt/whisperx/current")
"""
_INSTALL = """
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, "/checkout")
from module_utils.whisperx_guard import install
from module_utils.whisperx_guard.model import Config
asked = json.loads(sys.argv[1])
if asked["state"] == "absent":
    outcome = install.remove(install.Places(), asked["check"])
else:
    config = Config(asked["mode"], ("/opt/whisperx",), tuple(asked["packages"]), {})
    outcome = install.install(install.Places(), config, asked["hold"], asked["check"])
print(json.dumps({"actions": outcome.actions, "held": outcome.held, "files": sorted(outcome.files)}))
"""
_RECORD = {
    "id": "tiny-1",
    "schema": 1,
    "python": "3.11",
    "device": "cuda",
    "host": {"glibc": "2.36", "driver": "570.124.06"},
    "needs": {"execstack_refused_from": "2.41", "driver": {"minimum": "550", "maximum": "580"}},
}


def rows() -> list[dict[str, Any]]:
    """Return the role's rows, as its task hands them to the module."""
    text = (ROOT / "roles/whisperx_guard/files/packages.yml").read_text(encoding="utf-8")
    kept = ("match", "what", "version", "loss")
    return [{key: row[key] for key in kept if key in row} for row in yaml.safe_load(text)["packages"]]


class Box:
    """One container. Its image is that of the molecule scenarios."""

    def __init__(self, work: Path) -> None:
        """Start it, with the stand-in release in use."""
        self.name = f"whisperx-guard-{uuid.uuid4().hex[:8]}"
        source = work / "stack.c"
        source.write_text("int f(void) { return 1; }\n", encoding="ascii")
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-z", "execstack", "-o", work / "stack.so", source], check=True
        )
        subprocess.run([ROOT / "tools/lab/build_images", "bookworm"], check=True, capture_output=True)
        mounts = ["--volume", f"{ROOT}:/checkout:ro", "--volume", f"{work}:/lab:ro"]
        image = "localhost/whisperx-lab:bookworm"
        self._podman(
            "run", "--detach", "--network", "host", "--name", self.name, *mounts, image, "sleep", "3600"
        )
        self.run("python3", "-c", _SETUP, json.dumps(_RECORD))

    def remove(self) -> None:
        """Stop it and throw it away."""
        self._podman("rm", "--force", "--time", "0", self.name)

    def run(self, *command: str, code: int | None = 0, **environment: str) -> str:
        """Run a command; return what it wrote. ``code`` is the exit status it has to have, None for any."""
        options = [f"--env={name}={value}" for name, value in environment.items()]
        done = self._podman("exec", *options, self.name, *command, check=False)
        assert code is None or done.returncode == code, done.stdout
        return done.stdout

    def shell(self, text: str, code: int | None = 0) -> str:
        """Run a line of shell."""
        return self.run("sh", "-c", text, code=code)

    def guard(self, **asked: Any) -> dict[str, Any]:
        """Put the guard in place or take it away; return what was done."""
        options = {
            "state": "present",
            "mode": "block",
            "packages": rows(),
            "hold": [],
            "check": False,
        } | asked
        return json.loads(self.run("python3", "-c", _INSTALL, json.dumps(options)))

    def apt(self, *arguments: str, code: int | None = 0, **environment: str) -> str:
        """Run apt-get, answering yes."""
        words = {"DEBIAN_FRONTEND": "noninteractive"} | environment
        return self.run("apt-get", "--yes", "-qq", *arguments, code=code, **words)

    @staticmethod
    def _podman(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["podman", *arguments],
            env=os.environ | {"CONTAINERS_CONF": SETTINGS},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=check,
        )
