"""Measure what the project promises, as ratios within one run.

    tools/lab/with python bench/run.py [--only plan facts bake ...] [--repeat 5]

Each figure is a function that returns its rows; the table prints medians and what is behind them. The hosts
are containers of tools/lab on this machine; `plan`, `start`, `image` and `bake` need none, `ssh` starts its
own. `install`, `pip`, `bake` and `image` download the whole WhisperX set, all but the last repeatedly;
`image` takes 25 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable

from measure import ROOT, Row, pairs, run, tasks, timed, variables
from ssh import ssh

__all__ = ["main"]

SINGLE = f"whisperx-lab-{os.environ.get('LAB_ID', '')}-bench-single"
# What the figure `install` installs: a smaller set where there is no hour for the whole.
PACKAGE = os.environ.get("BENCH_PACKAGE", "whisperx")
INVENTORY = ["-i", "molecule/shared/lab.yml", "-i", "bench/hosts.yml"]


def playbook(path: str, *arguments: str) -> list[str]:
    return ["ansible-playbook", *INVENTORY, path, *arguments]


def ping(pattern: str) -> list[str]:
    return ["ansible", *INVENTORY, pattern, "-m", "ansible.builtin.ping"]


def inside(*command: str) -> list[str]:
    return ["podman", "exec", SINGLE, *command]


def single(*arguments: str) -> list[str]:
    return playbook("site.yml", "--limit", "single", *arguments)


# -- The figures ---------------------------------------------------------------------------------------------


def fleet(repeat: int) -> list[Row]:
    """A converged run over ten hosts against ping on the same hosts and forks."""
    site = playbook("site.yml", "--limit", "fleet")
    run(site)
    if "changed=0" not in run(site).stdout:
        raise RuntimeError("the second run over the fleet changed something")
    ours, theirs = pairs(repeat, lambda: timed(site), lambda: timed(ping("fleet")))
    return [Row("converged run over 10 hosts", ours, "ping of the same hosts", theirs, "<= 2.0")]


def models(repeat: int) -> list[Row]:
    """A converged run over ten hosts with three placed models against one without, on the same hosts."""
    weights = run([sys.executable, "-m", "tests.models.weights", "tiny.en"]).stdout.strip()
    three = [{"whisper": name, "path": weights} for name in ("one", "two", "three")]
    with_models, without = beside("models", whisperx_models=three), beside("bare")
    for site in (with_models, without):
        run(site)
    for site in (with_models, without):
        if "10 hosts: 10 unchanged" not in run(site).stdout:
            raise RuntimeError("a converged run over the fleet changed something")
    ours, theirs = pairs(max(repeat, 5), lambda: timed(with_models), lambda: timed(without))
    return [Row("converged run with three models on each host", ours, "without models", theirs, "<= 1.05")]


def beside(name: str, **more: object) -> list[str]:
    """Return a run over the fleet for an environment of its own, with a store of models of its own."""
    places = {
        "whisperx_venv_root": f"/opt/{name}",
        "whisperx_venv_bin_dir": "",
        "whisperx_venv_facts_dir": "",
        "whisperx_models_dir": f"/srv/{name}",
        "whisperx_plan_lock_dir": f"{os.environ['LAB_SHARE']}/bench-locks-{name}",
        "whisperx_wheelhouse_mode": "connection",
    }
    return playbook("site.yml", "--limit", "fleet", *variables(**places, **more))


def facts(repeat: int) -> list[Row]:
    """The facts module against ping, on one host and one module run each."""
    ours, theirs = pairs(
        max(repeat, 10),
        lambda: timed(["ansible", *INVENTORY, "single", "-m", "whisperx_host_facts"]),
        lambda: timed(ping("single")),
    )
    return [Row("facts of one host", ours, "ping of the same host", theirs, "<= 1.3")]


def rollback(repeat: int) -> list[Row]:
    """Time of playbooks/rollback.yml, and what of it is not Ansible's own start."""
    packages = [{"ctranslate2": "==4.6.0"}, {"ctranslate2": ""}]
    # Half of what bare uv's warm sync of whole WhisperX takes, without verification, which is told apart.
    bounds = {"none": "<= 0.85 s", "import": "none"}
    whole: dict[str, list[float]] = {level: [] for level in bounds}
    beyond: dict[str, list[float]] = {level: [] for level in bounds}
    for _ in range(repeat):
        for wanted in packages:
            run(single(*variables(whisperx_plan_packages=wanted)))
        for level in bounds:
            bare = timed(ping("single"))
            level_set = variables(whisperx_venv_rollback_verify=level)
            took = timed(playbook("playbooks/rollback.yml", "--limit", "single", *level_set))
            whole[level].append(took)
            beyond[level].append(max(0.0, took - bare))
    return [
        row
        for level, bound in bounds.items()
        for row in (
            Row(f"rollback, verify level {level}, the whole command", whole[level], bound="none"),
            Row("  beyond a ping of the host", beyond[level], bound=bound),
        )
    ]


def plan(repeat: int) -> list[Row]:
    """One described host in a run of Ansible; 10,000 in 50 classes, and what a host more costs beyond."""
    described = ["ansible-playbook", "-i", "bench/described.yml", "playbooks/plan.yml"]
    one_host = [tasks(described, "Resolve plans") for _ in range(repeat)]
    sizes = (10_000, 20_000, 40_000)
    found = [[planned(size) for size in sizes] for _ in range(repeat)]
    extra = [
        [
            (large["cpu_seconds"] - small["cpu_seconds"]) / hosts * 1e6
            for small, large, hosts in ((one, two, 10_000), (two, four, 20_000))
        ]
        for one, two, four in found
    ]
    return [
        Row("deciding for one host, the whole task", one_host, bound="<= 0.5 s"),
        Row("10,000 hosts in 50 classes", [one["seconds"] for one, _, _ in found], bound="<= 2 s"),
        Row("  of it processor time", [one["cpu_seconds"] for one, _, _ in found], bound="none"),
        Row("  peak memory", [one["peak_mib"] for one, _, _ in found], bound="<= 300 MiB", unit="MiB"),
        Row("  one host more, beyond 10,000", [first for first, _ in extra], bound="<= 20", unit="us"),
        Row("  one host more, beyond 20,000", [second for _, second in extra], bound="<= 20", unit="us"),
    ]


def planned(hosts: int) -> dict[str, float]:
    printed = run([sys.executable, "bench/plan.py", "--hosts", str(hosts)]).stdout
    figures: dict[str, float] = json.loads(printed)
    if figures["classes"] != 50:
        raise RuntimeError(f"the fleet has {figures['classes']} classes, not 50")
    return figures


def install(repeat: int) -> list[Row]:
    """A set from an empty and from a warm cache against bare uv with the same lock in the same host.

    Ours is the whole task: module start, gate, sync and switch; the verification apart. Facts, decision and
    lock come before it and have their own figures. Bare uv puts nothing on disk, so a sync is added to it.
    """
    whisperx = variables(whisperx_plan_packages={PACKAGE: ""}, whisperx_venv_verify_level="import")
    run(single(*whisperx))
    lock = prepare_bare_uv()
    cold = pairs(repeat, lambda: ours(whisperx, empty=True), lambda: bare_uv(lock, empty=True))
    warm = pairs(max(repeat, 3), lambda: ours(whisperx, empty=False), lambda: bare_uv(lock, empty=False))
    beyond = [mine - uv for mine, uv in zip(*warm, strict=True)]
    return [
        Row(
            f"{PACKAGE}, empty cache, verify apart",
            cold[0],
            "uv pip sync of the same lock, sync -f",
            cold[1],
            "<= 1.1",
        ),
        Row(
            f"{PACKAGE}, warm cache, verify apart",
            warm[0],
            "uv pip sync of the same lock, sync -f",
            warm[1],
            "<= 1.5",
        ),
        Row("  the difference", beyond, bound="none"),
    ]


def ours(arguments: list[str], empty: bool) -> float:
    """Return the seconds of the task that builds a release, less those of its verification."""
    run(inside("rm", "-rf", "/opt/whisperx/releases", "/opt/whisperx/current", "/opt/whisperx/previous"))
    if empty:
        run(inside("rm", "-rf", "/opt/whisperx/cache"))
    seconds = tasks(single(*arguments), "Build, verify and activate the environment, or remove it")
    record = json.loads(run(inside("cat", "/opt/whisperx/current/release.json")).stdout)
    return seconds - float(record["verify"]["seconds"])


def prepare_bare_uv() -> str:
    """Put uv and the lock of the installed release into the container; return the lock's path there."""
    uv = shutil.which("uv")
    if uv is None:
        raise RuntimeError("uv is not in this environment: make bench makes it")
    run(["podman", "cp", uv, f"{SINGLE}:/usr/local/bin/uv"])
    run(inside("cp", "-L", "/opt/whisperx/current/requirements.txt", "/opt/lock.txt"))
    return "/opt/lock.txt"


def bare_uv(lock: str, empty: bool) -> float:
    run(inside("rm", "-rf", "/opt/by-uv", *(["/opt/uv-cache"] if empty else [])))
    cache = ["--cache-dir", "/opt/uv-cache"]
    start = time.monotonic()
    run(inside("uv", "venv", "--quiet", *cache, "/opt/by-uv"))
    run(
        inside(
            "uv",
            "pip",
            "sync",
            "--quiet",
            *cache,
            "--python",
            "/opt/by-uv/bin/python",
            "--require-hashes",
            lock,
        )
    )
    run(inside("sync", "-f", "/opt/by-uv"))
    return time.monotonic() - start


def pip(repeat: int) -> list[Row]:
    """The same set with a virtual environment and ansible.builtin.pip, cold and with pip's own cache."""
    whisperx = variables(whisperx_plan_packages={"whisperx": ""}, whisperx_venv_verify_level="import")
    run(single(*whisperx))
    lock = prepare_bare_uv()
    run(inside("apt-get", "update", "--quiet"))
    run(inside("apt-get", "install", "--quiet", "--yes", "python3-venv", "python3-pip"))
    cold = pairs(repeat, lambda: by_pip(lock, empty=True), lambda: ours(whisperx, empty=True))
    warm = pairs(repeat, lambda: by_pip(lock, empty=False), lambda: ours(whisperx, empty=False))
    return [
        Row("venv and pip tasks, empty cache", cold[0], "this, verify apart", cold[1], ">= 4"),
        Row("venv and pip tasks, pip's own cache", warm[0], "this, verify apart", warm[1], ">= 20"),
    ]


def by_pip(lock: str, empty: bool) -> float:
    run(inside("rm", "-rf", "/opt/by-pip", *(["/root/.cache/pip"] if empty else [])))
    command = playbook("bench/pip_role.yml", *variables(bench_requirements=lock))
    return tasks(command, "Make the environment", "Install the pins")


def start(repeat: int) -> list[Row]:
    """The command of a release in a container against the engine's bare run of the same image."""
    printed = run([sys.executable, "bench/container_start.py", "--json", "--repeat", str(max(repeat, 15))])
    seconds = json.loads(printed.stdout)
    return [Row("the command in a container", seconds["ours"], "bare podman run", seconds["bare"], "<= 1.1")]


def image(repeat: int) -> list[Row]:
    """Bytes of a CTranslate2-only upgrade against the whole image; measured once, for bytes do not vary."""
    run(["tools/lab/build_images", "bookworm"])
    told = json.loads(run([sys.executable, "bench/container.py"]).stdout)
    upgrade, whole = ([told[key] / 1e6] for key in ("upgrade_bytes", "image_bytes"))
    return [Row("CTranslate2-only upgrade of an image", upgrade, "the image", whole, "<= 0.05", "MB")]


def bake(repeat: int) -> list[Row]:
    """A root baked, against the same lock installed by site.yml and by uv alone; what a boot takes."""
    run(["tools/lab/build_images", "trixie"])
    script = [sys.executable, "bench/bake.py", "--json", "--repeat", str(repeat)]
    found: dict[str, list[float]] = json.loads(run(script).stdout)
    return [
        Row("WhisperX baked into a root", found["bake"], "site.yml, the same lock", found["site"], "<= 1.5"),
        Row("  uv pip sync of it alone", found["uv"], bound="none"),
        Row("first boot, without a kernel", found["first boot"], bound="none"),
        Row("  of it the proof", found["proof"], bound="none"),
        Row("next boot, nothing changed", found["next boot"], bound="none"),
    ]


FIGURES: dict[str, Callable[[int], list[Row]]] = {
    "plan": plan,
    "start": start,
    "image": image,
    "facts": facts,
    "rollback": rollback,
    "fleet": fleet,
    "models": models,
    "ssh": ssh,
    "install": install,
    "pip": pip,
    "bake": bake,
}

# These bring what they need themselves.
HOSTLESS = ("plan", "start", "image", "ssh", "bake")


def measured(names: list[str], repeat: int) -> list[Row]:
    """Return the rows of the figures; their test hosts are there only while they are measured."""
    rows: list[Row] = []
    for name in (name for name in names if name in HOSTLESS):
        print(f"measuring {name}", flush=True)
        rows += FIGURES[name](repeat)
    others = [name for name in names if name not in HOSTLESS]
    if not others:
        return rows
    run(["tools/lab/build_images", "trixie"])
    wanted = ["--limit", "lab" if {"fleet", "models"} & set(others) else "single"]
    try:
        run(playbook("molecule/shared/destroy.yml"))
        run(playbook("molecule/shared/create.yml", *wanted))
        for name in others:
            print(f"measuring {name}", flush=True)
            rows += FIGURES[name](repeat)
    finally:
        run(playbook("molecule/shared/destroy.yml"))
    return rows


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Measure what the project promises.")
    parser.add_argument(
        "--only", nargs="+", choices=FIGURES, default=list(FIGURES), help="only these figures"
    )
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each figure")
    options = parser.parse_args(arguments)
    if "LAB_SHARE" not in os.environ:
        parser.error("needs the lab's settings: make bench, or tools/lab/with python bench/run.py")
    os.environ.update(ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), MOLECULE_SCENARIO_NAME="bench")
    # A user's shell has none of this, which makes each run of Ansible compile the toolkit anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    rows = measured(options.only, options.repeat)
    print(f"\n{'':<58} {'median':>10}   all, on {os.cpu_count()} cores")
    for row in rows:
        print("\n".join(row.lines()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
