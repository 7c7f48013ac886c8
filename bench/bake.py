"""Measure baking against a plain installation of the same lock, and what a boot takes for its verdict.

    tools/lab/with python bench/bake.py [--package whisperx] [--repeat 3] [--json]

Each fills a fresh Debian 13 root on this machine, with nothing in any cache, from the same lock: one by
playbooks/bake.yml and one by site.yml, with everything they do, one by uv alone. As root.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
IN_ROOT = ROOT / "roles" / "whisperx_bake" / "files" / "in_root"
BOUND = 1.5
FIRSTBOOT = ["python3", "-I", "/usr/lib/whisperx-firstboot/firstboot.py"]


def run(command: list[str]) -> str:
    """Run; return what it printed, raise with all of it when it failed."""
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def timed(command: list[str]) -> float:
    start = time.monotonic()
    run(command)
    return time.monotonic() - start


def fresh(root: Path) -> None:
    """Make ``root`` a new Debian 13."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    name = f"whisperx-lab-{os.environ.get('LAB_ID', '')}-bench-bake"
    run(["podman", "create", "--name", name, "localhost/whisperx-lab:trixie"])
    try:
        run(["podman", "export", "--output", f"{root}.tar", name])
        run(["tar", "-x", "-f", f"{root}.tar", "-C", str(root)])
    finally:
        run(["podman", "rm", "--force", name])
        Path(f"{root}.tar").unlink(missing_ok=True)
    (root / "etc" / "resolv.conf").write_text("")


def bake(base: Path, root: Path, package: str) -> list[str]:
    """Return the command that bakes ``package`` into the root; what is locked already stays so."""
    host = {
        "ansible_connection": "community.general.chroot",
        "ansible_host": str(root),
        "ansible_python_interpreter": "/usr/bin/python3",
        "whisperx_plan_packages": {package: ""},
        "whisperx_plan_lock_dir": str(base / "locks"),
        "whisperx_host_assume": {"cpu": {"flags": ["sse4_1", "avx", "avx2"]}, "gpus": []},
    }
    (base / "hosts.json").write_text(json.dumps({"all": {"hosts": {"image": host}}}))
    return ["ansible-playbook", "playbooks/bake.yml", "-i", str(base / "hosts.json")]


def site(base: Path, root: Path, package: str) -> list[str]:
    """Return the command that installs the same as on any host."""
    command = bake(base, root, package)
    return [
        command[0],
        "site.yml",
        *command[2:],
        "--extra-vars",
        json.dumps({"ansible_chroot_exe": str(IN_ROOT)}),
    ]


def by_uv(base: Path, root: Path) -> list[str]:
    """Return the command that installs the bake's lock into the root with uv alone."""
    lock = next((base / "locks").glob("*.txt"))
    shutil.copy(lock, root / "root" / "lock.txt")
    shutil.copy(shutil.which("uv") or "uv", root / "usr" / "local" / "bin" / "uv")
    backend = re.search(r"(?m)^# torch-backend: (\S+)", lock.read_text())
    extra = f"--torch-backend {backend.group(1)}" if backend else ""
    script = (
        "export UV_CACHE_DIR=/opt/cache UV_SYSTEM_CERTS=1; uv venv -q /opt/plain && "
        f"uv pip sync -q --require-hashes --no-build {extra} --python /opt/plain/bin/python /root/lock.txt"
    )
    return [str(IN_ROOT), str(root), "sh", "-c", script]


def measured(package: str, repeat: int) -> dict[str, list[float]]:
    """Return the seconds of each; a round does all, so that a busy moment of the machine meets all."""
    names = ("bake", "site", "uv", "first boot", "proof", "next boot")
    figures: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="whisperx-bench-") as name:
        base, root = Path(name), Path(name) / "root"
        fresh(root)
        # The lock is made here, and is not part of what is measured.
        run([*bake(base, root, package), "--check"])
        for _ in range(repeat):
            fresh(root)
            figures["bake"].append(timed(bake(base, root, package)))
            figures["first boot"].append(timed([str(IN_ROOT), str(root), *FIRSTBOOT]))
            verdict = json.loads((root / "var" / "lib" / "whisperx" / "verdict.json").read_text())
            figures["proof"].append(float(verdict["seconds"]["verify"]))
            figures["next boot"].append(timed([str(IN_ROOT), str(root), *FIRSTBOOT]))
            fresh(root)
            figures["site"].append(timed(site(base, root, package)))
            fresh(root)
            figures["uv"].append(timed(by_uv(base, root)))
    return figures


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description="Measure baking against a plain installation of the same lock."
    )
    parser.add_argument("--package", default="whisperx", help="what is baked")
    parser.add_argument("--repeat", type=int, default=3, help="how often each is done")
    parser.add_argument("--json", action="store_true", help="print the seconds as JSON, no more")
    options = parser.parse_args(arguments)
    figures = measured(options.package, options.repeat)
    if options.json:
        print(json.dumps(figures))
        return 0
    for title, seconds in figures.items():
        print(f"{title:<12} {statistics.median(seconds):8.2f} s  {' '.join(f'{one:.2f}' for one in seconds)}")
    ratio = statistics.median(figures["bake"]) / statistics.median(figures["site"])
    print(f"bake / site  {ratio:8.2f}    bound {BOUND}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
