#!/usr/bin/env python3
"""Print a fixture of this host: its facts, and the raw inputs that they were read from.

    python3 tools/capture_host.py [--root DIR] [--timeout SECONDS] > NAME.json

Run it from a checkout, on a host whose facts are wrong or of a kind that no fixture shows; root sees most.
It needs Python 3.8 and the standard library (and distro, which ansible-core brings), and changes nothing.

From a fixture to a test: look through the file (of the environment of process 1 only "container=" is taken,
of the package database only container engines, but paths and GPU identities are in it). Correct by hand
what is wrong under "facts". Put it into tests/fixtures/trees/ under the name that
tests/unit/whisperx_host/test_captured_hosts.py asks for, e.g. ``debian-13-glibc-2.41-x86_64-running.json``.
The test plants "tree" in an empty directory, replays "live", runs the real probe and compares with "facts".
What is not in "tree" does not exist.

"tree" maps a path to {"link": target}, {"dir": mode}, or {"mode": mode, and "text" or "zlib" (base64)}. Of
programs and libraries only the ELF header and the strings that the probe found are kept; of directories
with many entries only those that could be mistaken for something that matters.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import stat
import sys
import zlib
from typing import Any, Callable, Dict, List, Optional, Pattern, Sequence

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from module_utils.whisperx_common.tree import Tree
from module_utils.whisperx_host import live as live_answers
from module_utils.whisperx_host.probe import gather
from module_utils.whisperx_problem import Problem

__all__ = ["Recorder", "capture", "main"]

_MANY = 100
_TELLING = re.compile(
    r"^(python|pypy|ffmpeg|docker|podman|nerdctl|apptainer|ld-|ld64|libc[.-]|libpython|nvidia)"
    r"|^lib(cuda|cudnn|cublas|nvidia|avutil)"
)
_OS_FILES = ("/etc/os-release", "/usr/lib/os-release", "/etc/debian_version", "/etc/redhat-release")


def _environ(data: bytes) -> bytes:
    """Keep of an environment nothing but the name of the container."""
    return b"\0".join(entry for entry in data.split(b"\0") if entry.startswith(b"container="))


def _packages(data: bytes) -> bytes:
    """Keep of dpkg's or apk's records the stanzas of container engines."""
    wanted = re.compile(rb"^(?:Package: |P:)(?:docker|podman|nerdctl|apptainer|moby)", re.MULTILINE)
    return b"\n\n".join(stanza for stanza in data.split(b"\n\n") if wanted.search(stanza)) + b"\n"


def _first_block(data: bytes) -> bytes:
    """Keep the first processor."""
    return data.split(b"\n\n")[0] + b"\n"


def _nvidia_section(data: bytes) -> bytes:
    """Keep NVIDIA's section of pci.ids."""
    match = re.search(rb"\n10de  .*?\n(?=[0-9a-fC])", data, re.DOTALL)
    return match.group(0) if match else b""


def _everything(data: bytes) -> bytes:
    """Keep all of it."""
    return data


_FILTERS: Dict[str, Callable[[bytes], bytes]] = {
    "/proc/1/environ": _environ,
    "/var/lib/dpkg/status": _packages,
    "/lib/apk/db/installed": _packages,
    "/proc/cpuinfo": _first_block,
    "/usr/share/misc/pci.ids": _nvidia_section,
    "/usr/share/hwdata/pci.ids": _nvidia_section,
}


class Recorder(Tree):
    """A tree that remembers what was read from it, as entries of a fixture."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.entries: Dict[str, Dict[str, Any]] = {}
        self._found: Dict[str, List[bytes]] = {}
        self._heads: Dict[str, bytes] = {}

    def _note(self, path: str) -> str:
        """Record every link, directory and file on the way to ``path``; return the real path."""
        todo = [part for part in reversed(path.split("/")) if part and part != "."]
        here = ""
        while todo:
            part = todo.pop()
            if part == "..":
                here = here.rpartition("/")[0]
                continue
            step = here + "/" + part
            where = os.path.join(super().outside(here or "/"), part)
            try:
                mode = os.lstat(where).st_mode
            except OSError:
                return step
            if stat.S_ISLNK(mode) and len(self.entries) < 100000:
                target = os.readlink(where)
                self.entries[step] = {"link": target}
                if target.startswith("/"):
                    here = ""
                todo.extend(part for part in reversed(target.split("/")) if part and part != ".")
                continue
            kind = "dir" if stat.S_ISDIR(mode) else "mode"
            self.entries.setdefault(step, {kind: f"{stat.S_IMODE(mode):o}"})
            here = step
        return here

    def exists(self, path: str) -> bool:
        self._note(path)
        return super().exists(path)

    def mode(self, path: str) -> Optional[int]:
        self._note(path)
        return super().mode(path)

    def link(self, path: str) -> Optional[str]:
        target = super().link(path)
        if target is not None:
            self.entries[self._note(os.path.dirname(path)) + "/" + os.path.basename(path)] = {"link": target}
        return target

    def names(self, path: str) -> List[str]:
        names = super().names(path)
        kept = names if len(names) <= _MANY else [name for name in names if _TELLING.search(name)]
        for name in [*kept, "."] if names else []:
            self._note(path + "/" + name)
        return names

    def head(self, path: str, size: int, private: bool = False) -> Optional[bytes]:
        data = super().head(path, size, private)
        real = self._note(path)
        if data is not None and len(data) >= len(self._heads.get(real, b"")):
            self._heads[real] = _FILTERS.get(path, _everything)(data)
        return data

    def search(self, path: str, pattern: Pattern[bytes], most: int = 1 << 28) -> Optional[bytes]:
        found = super().search(path, re.compile(b"(" + pattern.pattern + b")"), most)
        if found is None:
            return None
        self._found.setdefault(self._note(path), []).append(found)
        match = pattern.search(found)
        return match.group(1) if match else None

    def tree(self) -> Dict[str, Dict[str, Any]]:
        """Return the entries with the contents that were read."""
        for path, data in self._heads.items():
            found = self._found.get(path, [])
            content = b"\0".join([data.rstrip(b"\0") if found else data, *found])
            self.entries[path].update(_packed(content))
        return {path: self.entries[path] for path in sorted(self.entries)}


def _packed(content: bytes) -> Dict[str, str]:
    """Return content as text where it is text, else compressed."""
    try:
        text = content.decode("utf-8")
        if text.isprintable() or re.match(r"^[\x20-\x7e\t\n]*$", text):
            return {"text": text}
    except UnicodeDecodeError:
        pass
    return {"zlib": base64.b64encode(zlib.compress(content, 9)).decode("ascii")}


def distribution() -> Callable[..., Any]:
    """Return the class of the package distro: Ansible's copy, or the package itself."""
    try:
        from ansible.module_utils.distro import LinuxDistribution
    except ImportError:
        try:
            from distro import LinuxDistribution  # type: ignore[import-not-found,no-redef,unused-ignore]
        except ImportError:
            raise Problem(
                "capture.distro",
                "neither ansible-core nor the package distro is there",
                sys.executable,
                "one of them, to read the identity of the distribution",
                "Install the distribution's package python3-distro or ansible-core.",
            ) from None
    return LinuxDistribution  # type: ignore[no-any-return,unused-ignore]


def _plain(value: Any) -> Any:
    """Turn the records of an answer into JSON data."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def capture(root: str, timeout: float, distribution: Callable[..., Any]) -> Dict[str, Any]:
    """Probe the system below ``root`` and return the fixture."""
    tree = Recorder(root)
    answers = live_answers.here(timeout) if tree.root == "/" else live_answers.nothing()
    replies: Dict[str, Any] = {"nvml": None, "commands": {}}

    def nvml(libraries: Sequence[str]) -> Any:
        answer = answers.nvml(libraries) if answers.nvml else None
        replies["nvml"] = _plain(answer)
        return answer

    def run(command: Sequence[str]) -> Optional[str]:
        output = answers.run(command) if answers.run else None
        replies["commands"][" ".join(command)] = output
        return output

    listening = live_answers.Live(
        confstr=answers.confstr,
        uname=answers.uname,
        running=answers.running,
        nvml=nvml if answers.nvml else None,
        run=run if answers.run else None,
        home=answers.home,
    )
    facts = gather(tree, listening, distribution).to_dict()
    for path in _OS_FILES:
        tree.text(path)
    spoken = {"confstr": answers.confstr, "uname": answers.uname, "running": answers.running}
    live = {"runs": tree.root == "/", "home": answers.home, **spoken, **replies}
    return {"schema": 1, "facts": facts, "live": live, "tree": tree.tree()}


def main(arguments: Optional[List[str]] = None) -> int:
    """Print the fixture; exit status 1 with one sentence on standard error when the host cannot be read."""
    parser = argparse.ArgumentParser(description="Print a fixture of this host.")
    parser.add_argument("--root", default="/", help="root directory of the system to capture")
    parser.add_argument("--timeout", type=float, default=20.0, help="seconds that NVML may take")
    given = parser.parse_args(arguments)
    try:
        fixture = capture(given.root, given.timeout, distribution())
    except Problem as problem:
        print(problem.sentence(), file=sys.stderr)
        return 1
    json.dump(fixture, sys.stdout, indent=1, sort_keys=False)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
