"""Runs inside a host that systemd booted: the engine of releases with services, on images in a real engine.

    python3 service_container_host.py '{"engine": "podman", "deed": "2.0", "services": {...}, "check": false}'

The images are a busybox and a server of theirs; versions that end in .9 say nothing. SIMULATED: the proof,
and the role, whose part (naming and removing images) is done here. Everything else is real: units,
containers, launch scripts, links, the journal.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from module_utils.whisperx_container.engine import Engine  # noqa: E402
from module_utils.whisperx_container.model import CURRENT, REPOSITORY, Options, Result, want  # noqa: E402
from module_utils.whisperx_env.run import followers_of  # noqa: E402
from module_utils.whisperx_problem import Problem  # noqa: E402
from module_utils.whisperx_release.hooks import Hooks  # noqa: E402
from module_utils.whisperx_release.model import Layout  # noqa: E402
from tests.unit.whisperx_release import release_hosts  # noqa: E402

TINY = """#!/bin/sh
echo {version} >>"$HOME/starts"
case {version} in *.9) exec sleep 9999 ;; esac
exec nc -ll -p "$1" -e /bin/answer
"""
ANSWER = '#!/bin/sh\necho "{version} $TINY_SECRET"\n'
# The check: what the release calls python asks the server.
PYTHON = '#!/bin/sh\nnc -w 2 127.0.0.1 "$1" </dev/null | grep -q "$TINY_SECRET"\n'
APPLETS = ("sh", "env", "nc", "sleep", "grep", "kill", "id", "true")


def image(version: str) -> bytes:
    """Return the root of an image."""
    files = {
        "opt/whisperx/current/launch/tiny": TINY.format(version=version),
        "opt/whisperx/current/launch/python": PYTHON,
        "bin/answer": ANSWER.format(version=version),
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.add("/bin/busybox", "bin/busybox")
        for name in APPLETS:
            link = tarfile.TarInfo("bin/" + name)
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name in ("tmp", "var/tmp", "proc", "dev", "sys", "etc"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for name, text in files.items():
            file = tarfile.TarInfo(name)
            file.size, file.mode = len(text.encode()), 0o755
            tar.addfile(file, io.BytesIO(text.encode()))
    return stream.getvalue()


class ContainedHost(release_hosts.ContainerHost):
    """The host itself, with the engine's own storage."""

    def __init__(self, engine: str, services: Any) -> None:
        super().__init__(Path("/srv/services-lab"))
        self.layout = Layout("/opt/whisperx", "/usr/local/bin", "/etc/ansible/facts.d")
        self.engine = Engine(engine, f"/usr/bin/{engine}", "", "")
        self.options = Options(verify_level="import")
        self.followers = followers_of(services)

    @property
    def hooks(self) -> Hooks:
        """Hooks with the services."""
        emit = self.events.append
        return Hooks(self.prove, emit, self.now, settle=lambda paths: None, followers=self.followers)

    def wanted(self, version: str) -> Any:
        labels = {"whisperx-fleet.versions": json.dumps({"tiny": version}), "whisperx-fleet.lock": "l"}
        plan = release_hosts.PLAN | {"runtime": "container", "container": {"engine": self.engine.name}}
        return want(plan, {"release": f"tiny-{version}", "labels": labels, "bytes": 1000}, "")

    def load(self, version: str) -> None:
        """Put an image where the role would have loaded it."""
        if f"tiny-{version}" in {found.release for found in self.engine.images()}:
            return
        labels = {"schema": "1", "release": f"tiny-{version}"}
        changes = [f"--change=LABEL whisperx-fleet.{key}={value}" for key, value in labels.items()]
        command = [self.engine.path, "import", *changes, "-", f"{REPOSITORY}:tiny-{version}"]
        subprocess.run(command, input=image(version), check=True, capture_output=True)

    def finish(self, result: Any) -> None:
        """Name and remove images as the role does."""
        assert isinstance(result, Result) and not result.load
        if result.tag:
            subprocess.run([self.engine.path, "tag", result.image, CURRENT], check=True)
        for name in result.surplus:
            subprocess.run([self.engine.path, "rmi", name], check=True, capture_output=True)


def main() -> None:
    """Do one deed; print what came of it."""
    given = json.loads(sys.argv[1])
    check = given.get("check", False)
    try:
        host = ContainedHost(given["engine"], given.get("services"))
        if given["deed"][0].isdigit():
            host.load(given["deed"])
        outcome = host.do(given["deed"], check)
        found = {"actions": outcome.actions, "notes": outcome.notes, "services": outcome.services}
        if not check and given["deed"] != "absent":
            host.finish(outcome)
    except Problem as problem:
        found = problem.record()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
