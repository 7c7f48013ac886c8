"""ansible-test on the collection of a checkout.

It makes environments with a pip that it downloads from a host of its own. Its cache is filled from the
configured package index instead.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["sanity", "seed", "unpack"]

_PIP = """\
import runpy
import sys

sys.path.insert(0, "{wheel}")
sys.argv[1:] = ["install", *(word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel"))]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def unpack(archive: Path, base: Path) -> Path:
    """Unpack the collection where ansible-test looks for one, known to git; return that folder."""
    target = base / "ansible_collections/whisperx/fleet"
    target.mkdir(parents=True)
    with tarfile.open(archive) as files:
        files.extractall(target, filter="data")
    for words in (["init", "--quiet"], ["add", "--all", "--force"]):
        subprocess.run(["git", *words], cwd=target, check=True)
    return target


def seed(programs: Path, home: Path) -> None:
    """Put the pip that the ansible-test beside other ``programs`` wants into its cache below ``home``."""
    sources = sorted(programs.parent.glob("lib/python*/site-packages/ansible_test/_internal"))
    if not sources:
        raise SystemExit("tools/galaxy/sanity.py: no ansible-test; wanted: an ansible-core that has it.")
    source = (sources[0] / "python_requirements.py").read_text("utf-8")
    cache = home / ".ansible/test/cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in re.findall(r"pip='([\d.]+)'", source):
        options = ["--quiet", "--no-deps", "--dest", str(cache), f"pip=={version}"]
        subprocess.run([sys.executable, "-m", "pip", "download", *options], check=True)
        (wheel,) = cache.glob(f"pip-{version}-*.whl")
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(_PIP.format(wheel=wheel), "utf-8")


def sanity(
    programs: Path, folder: Path, home: Path, options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the ansible-test beside other ``programs`` in an unpacked collection; return what it says."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    env |= {"HOME": str(home), "PATH": f"{programs}:{env['PATH']}"}
    # ansible-test looks for its Python by name.
    command = [str(programs / "python"), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    python = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    command = [str(programs / "ansible-test"), "sanity", "--python", python, "--color", "no", *options]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
