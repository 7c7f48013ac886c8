"""Container engines, and the CDI specifications that hand them GPUs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from ..whisperx_common.tree import Tree
from .live import Live
from .model import Engine

__all__ = ["Cdi", "parse_apk", "parse_cdi", "parse_dpkg", "read_engines", "stale_paths"]

_DIRECTORIES = ("/usr/bin", "/usr/local/bin", "/bin", "/snap/bin")
# engine -> the packages that carry its command
_PACKAGES = {
    "docker": ("docker-ce-cli", "docker-ce", "docker.io", "docker-cli", "docker", "moby-engine"),
    "podman": ("podman",),
    "nerdctl": ("nerdctl",),
    "apptainer": ("apptainer",),
}
_UPSTREAM = re.compile(r"^(?:\d+:)?(\d+(?:\.\d+)+)")
_PRINTED = re.compile(r"\b(\d+\.\d+(?:\.\d+)?)")
# Docker's own builds record: -X \"github.com/docker/cli/cli/version.Version=28.2.2\"
_DOCKER_FLAG = re.compile(rb"docker/cli/cli/version\.Version=(\d{1,3}(?:\.\d{1,4}){1,2})")
_CDI_DIRECTORIES = ("/etc/cdi", "/var/run/cdi")
_KIND = re.compile(r"""^kind:\s*["']?([^\s"'#]+)""", re.MULTILINE)
_HOST_PATH = re.compile(r"""^[ \t-]*hostPath:\s*["']?([^\s"'#]+)""", re.MULTILINE)
_VERSIONED = re.compile(r"\.so\.\d{3,4}(?:\.\d+){1,2}$")


@dataclass(frozen=True)
class Cdi:
    """A CDI specification: its kind ("nvidia.com/gpu") and the host paths it mounts."""

    kind: str
    host_paths: Tuple[str, ...]


def parse_dpkg(data: bytes, packages: Tuple[str, ...]) -> Optional[str]:
    """Return the upstream version of the first installed one of ``packages`` in ``/var/lib/dpkg/status``.

    Package: podman
    Status: install ok installed
    ...
    Version: 5.4.2+ds1-2+b1
    """
    for package in packages:
        name = f"Package: {package}\n".encode()
        start = 0 if data.startswith(name) else data.find(b"\n" + name)
        if start < 0:
            continue
        end = data.find(b"\n\n", start)
        stanza = data[start : end if end >= 0 else len(data)].decode("utf-8", "replace")
        match = re.search(r"^Version: (.+)$", stanza, re.MULTILINE)
        upstream = _UPSTREAM.match(match.group(1)) if match else None
        if upstream and re.search(r"^Status: \S+ \S+ installed$", stanza, re.MULTILINE):
            return upstream.group(1)
    return None


def parse_apk(data: bytes, packages: Tuple[str, ...]) -> Optional[str]:
    """Return the version of the first of ``packages`` in Alpine's ``/lib/apk/db/installed``.

    P:podman
    V:5.2.5-r1
    """
    for stanza in data.decode("utf-8", "replace").split("\n\n"):
        fields = dict(line.split(":", 1) for line in stanza.splitlines() if ":" in line)
        if fields.get("P") in packages:
            upstream = _UPSTREAM.match(fields.get("V", ""))
            return upstream.group(1) if upstream else None
    return None


def parse_cdi(text: str) -> Optional[Cdi]:
    """Read a CDI specification, JSON or the YAML that nvidia-ctk writes; None when it names no kind.

    cdiVersion: 0.5.0
    kind: nvidia.com/gpu
    containerEdits:
      mounts:
      - containerPath: /usr/lib/x86_64-linux-gnu/libcuda.so.570.124.06
        hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.570.124.06
    """
    if text.lstrip().startswith("{"):
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            return None
        kind = record.get("kind")
        return Cdi(kind, tuple(_host_paths(record))) if isinstance(kind, str) and kind else None
    match = _KIND.search(text)
    return Cdi(match.group(1), tuple(_HOST_PATH.findall(text))) if match else None


def _host_paths(value: object) -> List[str]:
    """Return every "hostPath" string in a JSON value."""
    if isinstance(value, list):
        return [path for item in value for path in _host_paths(item)]
    if not isinstance(value, dict):
        return []
    found = [value["hostPath"]] if isinstance(value.get("hostPath"), str) else []
    return found + [path for item in value.values() for path in _host_paths(item)]


def stale_paths(tree: Tree, cdi: Cdi) -> List[str]:
    """Return the libraries of a driver version (``libcuda.so.535.183.01``) mounted in vain."""
    return [path for path in cdi.host_paths if _VERSIONED.search(path) and not tree.exists(path)]


def read_engines(
    tree: Tree, live: Live, sources: Dict[str, str]
) -> Tuple[Tuple[Engine, ...], Tuple[str, ...]]:
    """Return the engines and the sentences about broken CDI specifications.

    An engine is its command; a ``docker`` that is podman's shell script is podman. Its version: 1. dpkg's,
    apk's or pacman's records; 2. for Docker the linker flags in the binary; 3. one child ``--version`` on a
    running host. Kinds from ``/etc/cdi``, ``/var/run/cdi``.
    """
    kinds, problems = _read_cdi(tree)
    found = []
    for name in sorted(_PACKAGES):
        path = next((p for p in (f"{d}/{name}" for d in _DIRECTORIES) if _is_engine(tree, p, name)), None)
        if path:
            version, source = _version(tree, live, name, path)
            sources["container_engines." + name] = source
            found.append(Engine(name, version, kinds))
    if not found:
        sources["container_engines"] = "no {} in {}".format(
            ", ".join(sorted(_PACKAGES)), ", ".join(_DIRECTORIES)
        )
    return tuple(found), problems


def _is_engine(tree: Tree, path: str, name: str) -> bool:
    """Tell whether ``path`` is an executable program, not a script or a link to another engine."""
    if not (tree.mode(path) or 0) & 0o111 or tree.head(path, 4, private=True) != b"\x7fELF":
        return False
    return tree.real(path).rsplit("/", 1)[-1] in (name, "snap", name + "-cli")


def _version(tree: Tree, live: Live, name: str, path: str) -> Tuple[Optional[str], str]:
    """Return (version, where it was found); None when nothing tells."""
    packages = _PACKAGES[name]
    if path.startswith(("/usr/bin", "/bin")):
        for file, parser in (("/var/lib/dpkg/status", parse_dpkg), ("/lib/apk/db/installed", parse_apk)):
            data = tree.head(file, 64 << 20, private=True)
            version = parser(data, packages) if data else None
            if version:
                return version, file
        for entry in tree.names("/var/lib/pacman/local"):
            if entry.rsplit("-", 2)[0] in packages:
                return entry.rsplit("-", 2)[1], "/var/lib/pacman/local"
    recorded = tree.search(path, _DOCKER_FLAG) if name == "docker" else None
    if recorded:
        return recorded.decode("ascii"), f"linker flags recorded in {path}"
    printed = live.run([path, "--version"]) if live.run else None
    match = _PRINTED.search(printed or "")
    return (match.group(1), f"{path} --version") if match else (None, path)


def _read_cdi(tree: Tree) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """Return (kinds, problems) of all specifications."""
    kinds: List[str] = []
    problems: List[str] = []
    for directory in _CDI_DIRECTORIES:
        for name in tree.names(directory):
            if not name.endswith((".json", ".yaml", ".yml")):
                continue
            path = f"{directory}/{name}"
            cdi = parse_cdi(tree.text(path, private=True) or "")
            if cdi is None:
                problems.append(f"{path} is no CDI specification; remove it or generate it again")
                continue
            kinds.append(cdi.kind)
            stale = stale_paths(tree, cdi)
            if stale:
                problems.append(
                    f"{path} is stale: it mounts {stale[0]}, which does not exist; "
                    f"run nvidia-ctk cdi generate --output={path}"
                )
    return tuple(sorted(set(kinds))), tuple(problems)
