"""The build host's container engine: the only place that spells its commands.

podman and docker take the same words for all that a build needs. Source: podman(1), docker(1).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from ..whisperx_problem import Problem

__all__ = ["ENGINES", "Engine", "find"]

ENGINES = ("podman", "docker")
_TAIL = 1500
LABEL = "whisperx-fleet.build"


def find(name: str) -> Engine:
    """Return the engine of that name, for "auto" the first that is installed.

    Raises Problem "image.engine".
    """
    wanted = ENGINES if name == "auto" else (name,)
    for candidate in wanted:
        path = shutil.which(candidate)
        if path:
            return Engine(candidate, path)
    raise Problem(
        "image.engine",
        "no {} on the machine that builds".format(" and no ".join(wanted)),
        "whisperx_image_engine",
        "a container engine to build the image with",
        "Install the package podman there.",
    )


class Engine:
    """One engine. Every method raises Problem "image.build" with the engine's own words when it fails."""

    def __init__(self, name: str, path: str) -> None:
        self.name, self.path = name, path

    def import_root(self, tar: str, image: str) -> None:
        """Make an image of a root file system."""
        self._run("import", tar, image)

    def pull(self, image: str) -> None:
        """Fetch an image from its registry, where it is not here already.

        Raises Problem "image.base".
        """
        if self._call(["image", "inspect", image]).returncode == 0:
            return
        done = self._call(["pull", "--quiet", image])
        if done.returncode:
            raise Problem(
                "image.base",
                f"the base could not be pulled: {_tail(done.stderr)}",
                image,
                "an image that the registry gives to this machine",
                "Check name and registry, or name a root file system in whisperx_plan_container_root.",
            )

    def inspect(self, image: str) -> dict[str, Any]:
        """Return what the engine knows of an image."""
        found = json.loads(self._run("image", "inspect", image))
        return dict(found[0])

    def start(self, name: str, image: str, owner: str, options: Sequence[str]) -> None:
        """Start a container that does nothing until it is removed. ``owner`` is the value of its label."""
        self._run(
            "run",
            "--detach",
            # It has nothing to finish: whoever removes it need not wait.
            "--stop-signal",
            "SIGKILL",
            "--name",
            name,
            "--label",
            f"{LABEL}={owner}",
            "--entrypoint",
            "",
            *options,
            image,
            "sleep",
            "infinity",
        )

    def create(self, name: str, image: str, owner: str) -> None:
        """Make a container that never runs, to read its file system."""
        self._run("create", "--name", name, "--label", f"{LABEL}={owner}", image, "true")

    def execute(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a container and return how it ended; 124 as exit code when it took too long."""
        words = ["exec"]
        for key in sorted(environment):
            words += ["--env", key]
        return self._call([*words, name, *command], {**os.environ, **environment}, timeout)

    def export(self, name: str, path: str) -> None:
        """Write a container's file system as a tar, without what is mounted in it."""
        self._run("export", "--output", path, name)

    def has_remote(self, remote: str) -> bool:
        """Tell whether a registry has that tag; what cannot be found out counts as no."""
        if self.name == "docker":
            return self._call(["manifest", "inspect", remote]).returncode == 0
        name, _separator, tag = remote.rpartition(":")
        done = self._call(["search", "--list-tags", "--limit", "1000000", "--format", "json", name])
        try:
            return any(tag in row["Tags"] for row in json.loads(done.stdout))
        except (ValueError, TypeError, KeyError):
            return False

    def push(self, archive: str, image: str, remote: str) -> None:
        """Put the image of an archive into a registry; nothing of it stays in the engine.

        The engine's own settings and logins hold. Raises Problem "image.push".
        """
        had = [self._call(["image", "inspect", name]).returncode == 0 for name in (image, remote)]
        self._run("load", "--input", archive)
        try:
            self._run("tag", image, remote)
            done = self._call(["push", "--quiet", remote])
        finally:
            for name, there in zip((remote, image), reversed(had), strict=True):
                if not there:
                    self._call(["rmi", name])
        if done.returncode:
            raise Problem(
                "image.push",
                f"the registry did not take the image: {_tail(done.stderr or done.stdout)}",
                remote,
                "a registry in which this user may write",
                f"Log in with {self.name} login, or set whisperx_image_push to false and push it by hand.",
            )

    def remove(self, owner: str, images: Sequence[str]) -> None:
        """Remove every container with that label, and images of these names; fine if there are none."""
        found = self._call(["ps", "--all", "--quiet", "--filter", f"label={LABEL}={owner}"]).stdout.split()
        if found:
            self._call(["rm", "--force", *found])
        for image in images:
            if self._call(["image", "inspect", image]).returncode == 0:
                self._call(["rmi", "--force", image])

    def _run(self, *words: str) -> str:
        done = self._call(list(words))
        if done.returncode:
            raise Problem(
                "image.build",
                f"{self.name} {words[0]} failed: {_tail(done.stderr)}",
                self.path,
                "an engine that can make containers for this user",
                "Fix that; as an ordinary user podman needs uidmap and a range in /etc/subuid.",
            )
        return done.stdout

    def _call(
        self, words: list[str], environment: Any = None, timeout: Any = None
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
                [self.path, *words],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            said = f"not done after {late.timeout:g} s"
            return subprocess.CompletedProcess(words, 124, "", said)


def _tail(said: str) -> str:
    words = " ".join(said.split())
    return words if len(words) <= _TAIL else "… " + words[-_TAIL:]
