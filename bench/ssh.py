"""What a converged fleet costs over real SSH: against ping, in commands on each host, for a host more.

The hosts are 20 containers of tools/lab with an sshd each; they run on this machine and share its processors.
For 40 hosts each has a second name, with a connection of its own: a converged run only looks.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from importlib.util import find_spec
from pathlib import Path

from measure import Row, pairs, run, timed

__all__ = ["ssh"]

INVENTORY = ["molecule/shared/lab.yml", "molecule/shared/ssh.yml", "bench/ssh_hosts.yml"]
ROOTS = "/srv/whisperx/bench-ssh-"
SIZES = {"five": 5, "twenty": 20, "forty": 40}


def command(*words: str) -> list[str]:
    """Return a command of Ansible with the inventory."""
    return [words[0], *(f"--inventory={path}" for path in INVENTORY), *words[1:]]


def site(group: str) -> list[str]:
    return command("ansible-playbook", "site.yml", "--limit", group)


def ping(group: str) -> list[str]:
    return command("ansible", group, "-m", "ansible.builtin.ping")


def containers(group: str) -> list[str]:
    """Return the names of the containers of a group."""
    told = json.loads(run(command("ansible-inventory", "--list", "--limit", group)).stdout)
    prefix = f"whisperx-lab-{os.environ['LAB_ID']}-bench-ssh-"
    return [prefix + host for host in sorted(told["_meta"]["hostvars"])]


def sessions(container: str) -> int:
    """Return how many commands sshd ran so far for who logged in; a module is one."""
    told = run(["podman", "logs", container])
    return (told.stdout + told.stderr).count("Starting session: command")


def commands_of(words: list[str], group: str) -> list[float]:
    """Run the words; return how many commands that took on each host of the group."""
    hosts = containers(group)
    before = [sessions(host) for host in hosts]
    run(words)
    return [float(sessions(host) - old) for host, old in zip(hosts, before, strict=True)]


def second_names(folder: Path) -> str:
    """Give every host a second name in ssh's configuration; return the inventory with the group `forty`."""
    told = (folder / "known_hosts").read_text()
    common = {"ansible_user": "fleet", "ansible_become": True}
    common |= {"ansible_ssh_common_args": f"-F {folder}/ssh_config"}
    hosts = {}
    with (folder / "ssh_config").open("a") as config:
        for number, address in enumerate(re.findall(r"(?m)^\[(\S+)\]", told), 1):
            name = f"again{number:02}"
            hosts[name] = {**common, "whisperx_venv_root": f"{ROOTS}ssh{number:02}"}
            config.write(f"Host {name}\n  HostName {address}\n  HostKeyAlias [{address}]:2222\n")
    path = folder / "again.json"
    children = {"twenty": {}, "again": {"hosts": hosts}}
    path.write_text(json.dumps({"forty": {"children": children}}))
    return str(path)


def ssh(repeat: int) -> list[Row]:
    """Return the rows; the hosts are there only while they are measured."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MOLECULE_EPHEMERAL_DIRECTORY"] = folder
        try:
            run(command("ansible-playbook", "molecule/shared/destroy.yml"))
            run(command("ansible-playbook", "molecule/shared/create_ssh.yml"))
            run(command("ansible-playbook", "molecule/shared/prepare_ssh.yml"))
            run(site("twenty"))
            INVENTORY.append(second_names(Path(folder)))
            return measured(repeat)
        finally:
            del INVENTORY[3:]
            run(command("ansible-playbook", "molecule/shared/destroy.yml"))


def measured(repeat: int) -> list[Row]:
    if re.search(r"changed=[1-9]", run(site("forty")).stdout):
        raise RuntimeError("the second run over the fleet changed something")
    ours, theirs = pairs(repeat, lambda: timed(site("twenty")), lambda: timed(ping("twenty")))
    spent = [{group: timed(site(group)) for group in SIZES} for _ in range(repeat)]

    def more(few: str, many: str) -> list[float]:
        hosts = SIZES[many] - SIZES[few]
        return [(one[many] - one[few]) / hosts * 1000 for one in spent]

    # ping is one module; what else it takes, such as the search for an interpreter, a run takes too.
    commands = commands_of(site("twenty"), "twenty")
    modules = [
        every - one + 1 for every, one in zip(commands, commands_of(ping("twenty"), "twenty"), strict=True)
    ]
    rows = [
        Row("converged run over 20 SSH hosts", ours, "ping of the same hosts", theirs, "<= 2.2"),
        Row("  modules run on each host", modules, bound="<= 3", unit=""),
        Row("  commands over SSH on each host", commands, bound="none", unit=""),
        Row("  one host more, 5 to 20", more("five", "twenty"), bound="constant", unit="ms"),
        Row("  one host more, 20 to 40", more("twenty", "forty"), bound="constant", unit="ms"),
    ]
    return rows + with_mitogen(repeat)


def with_mitogen(repeat: int) -> list[Row]:
    """Return the row of Mitogen's strategy, none where it is not installed."""
    if find_spec("ansible_mitogen") is None:
        print("no figure with Mitogen: it is not installed in this environment", flush=True)
        return []
    mitogen = ["env", "ANSIBLE_STRATEGY=whisperx_mitogen"]
    run([*mitogen, *site("twenty")])
    with_it, without = pairs(
        repeat, lambda: timed([*mitogen, *site("twenty")]), lambda: timed(site("twenty"))
    )
    return [Row("  the same with Mitogen", with_it, "without", without, "none")]
