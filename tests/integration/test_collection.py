"""The collection as a stranger has it: installed somewhere, run from a foreign directory and ansible.cfg."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from local_lab import inventory

from tools.collection import ROOT
from tools.galaxy.artifact import build
from tools.galaxy.stage import stage

BIN = Path(sys.executable).parent
# Paths are searched, and results printed, otherwise than by the project's own settings.
SETTINGS = """\
[defaults]
collections_path = {base}/collections
roles_path = {base}/roles
stdout_callback = ansible.builtin.minimal
inject_facts_as_vars = true
"""
HOST = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "ansible_become": False,
    "whisperx_host_source": "assume",
    "whisperx_host_assume": {
        "machine": "x86_64",
        "os": {"id": "debian", "version": "13", "family": "debian"},
        "libc": {"family": "glibc", "version": "2.41"},
        "cpu": {"flags": ["sse4_1", "avx", "avx2"]},
        "pythons": [{"path": "/usr/bin/python3.13", "version": "3.13.5"}],
    },
}
# Nothing is installed, and everything before it happens.
IMPOSSIBLE = {"whisperx_plan_packages": {"ctranslate2": "==0.0.1"}}


class Stranger:
    """A directory with an inventory and settings of its own, and the collection installed."""

    def __init__(self, base: Path, source: str) -> None:
        self.base = base
        self.work = base / "work"
        (base / "inventory").mkdir(parents=True)
        self.work.mkdir()
        (self.work / "ansible.cfg").write_text(SETTINGS.format(base=base))
        self.inventory = base / "inventory/hosts.json"
        self.inventory.write_text(json.dumps({"all": {"hosts": {"one": HOST}}}))
        self.run("ansible-galaxy", "collection", "install", source, "-p", f"{base}/collections")
        self.installed = base / "collections/ansible_collections/whisperx/fleet"

    def run(self, program: str, *words: str, code: int = 0) -> str:
        """Run a program of Ansible; return what it prints, on one line."""
        own = {"ANSIBLE_NOCOLOR": "1", "PATH": f"{BIN}:{os.environ['PATH']}"}
        # Python's own bytecode, which it would put beside what it compiles, is told apart from what we write.
        own["PYTHONPYCACHEPREFIX"] = str(self.base / "bytecode")
        env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")} | own
        done = subprocess.run(
            [str(BIN / program), *words], cwd=self.work, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return " ".join((done.stdout + done.stderr).split())

    def play(self, *tasks: dict[str, object], code: int = 0) -> str:
        """Run a playbook of the stranger's own."""
        play = {"hosts": "all", "gather_facts": False, "tasks": tasks}
        (self.work / "own.yml").write_text(json.dumps([play]))
        return self.run("ansible-playbook", "own.yml", "-i", str(self.inventory), code=code)

    def verify(self) -> None:
        """Assert that every file of the collection is as it was installed, and that there is no other."""
        self.run("ansible-galaxy", "collection", "verify", "--offline", "whisperx.fleet")
        listing = json.loads((self.installed / "FILES.json").read_text())["files"]
        there = {path.relative_to(self.installed).as_posix() for path in self.installed.rglob("*")}
        assert there - {"FILES.json", "MANIFEST.json"} == {item["name"] for item in listing} - {"."}


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    """One for all tests, after which the collection is as it was."""
    base = tmp_path_factory.mktemp("stranger")
    stage(ROOT, base / "staged")
    made = Stranger(base, str(build(base / "staged", base / "build")))
    yield made
    made.verify()


def test_pages_and_modules_by_their_names(stranger: Stranger) -> None:
    pages = stranger.run("ansible-doc", "--list", "whisperx.fleet", "--type", "module")
    assert len(set(re.findall(r"whisperx\.fleet\.whisperx_\w+", pages))) == len(
        list((ROOT / "library").glob("*.py"))
    )
    page = stranger.run("ansible-doc", "whisperx.fleet.whisperx_plan")
    assert "whisperx.fleet.whisperx_host_facts" in page and "EXAMPLES" in page
    found = stranger.play(
        {"name": "Gather", "whisperx.fleet.whisperx_host_facts": {"environment": {"root": "/nonexistent"}}},
        {"name": "Report", "ansible.builtin.debug": {"var": "ansible_facts.whisperx_host.libc"}},
    )
    assert '"family": "glibc"' in found


def test_a_verb_from_a_foreign_directory(stranger: Stranger) -> None:
    told = stranger.run("ansible-playbook", "whisperx.fleet.plan", "-i", str(stranger.inventory))
    assert "whisperx 3." in told and "ctranslate2 4." in told
    # With any callback each line of the result is one of the output.
    assert '"host verdict device' in told and "\\n" not in told.partition('"host verdict')[2]


def test_runs_write_beside_the_inventory_and_never_into_the_collection(stranger: Stranger) -> None:
    """An impossible request, so that nothing is installed; the report is written all the same."""
    asked = ("-e", json.dumps(IMPOSSIBLE))
    told = stranger.run(
        "ansible-playbook", "whisperx.fleet.site", "-i", str(stranger.inventory), *asked, code=2
    )
    assert f"report: {stranger.base}/inventory/reports/site.html" in told
    several = ("-i", str(stranger.inventory), "-i", "one,")
    told = stranger.run("ansible-playbook", "whisperx.fleet.site", *several, *asked, code=2)
    assert f"report: {stranger.work}/reports/site.html" in told


def test_it_installs_and_the_doctor_finds_it_fit(stranger: Stranger, as_root: None, tmp_path: Path) -> None:
    hosts = str(inventory(tmp_path))
    for verb, said in (
        ("site", "1 host: 1 changed"),
        ("site", "1 host: 1 unchanged"),
        ("doctor", "FIT: it works"),
    ):
        assert said in stranger.run("ansible-playbook", f"whisperx.fleet.{verb}", "-i", hosts)
    assert (tmp_path / "root/current/launch/python").exists()


def test_a_playbook_of_ones_own_imports_a_verb_for_some_hosts(stranger: Stranger) -> None:
    imported = {"ansible.builtin.import_playbook": "whisperx.fleet.plan", "vars": {"whisperx_hosts": "one"}}
    (stranger.work / "importing.yml").write_text(json.dumps([{"name": "Plan", **imported}]))
    hosts = stranger.base / "two.json"
    hosts.write_text(json.dumps({"all": {"hosts": {"one": HOST, "two": HOST}}}))
    told = stranger.run("ansible-playbook", "importing.yml", "-i", str(hosts))
    assert '"one plan cpu' in told and '"two plan' not in told


def test_one_role_in_a_play_of_ones_own(stranger: Stranger) -> None:
    role = {
        "name": "Install",
        "ansible.builtin.include_role": {"name": "whisperx.fleet.whisperx"},
        "vars": IMPOSSIBLE,
    }
    told = stranger.play(role, code=2)
    assert "one is refused, nothing was touched" in told and "1 host: 1 refused" in told
    assert f"report: {stranger.base}/inventory/reports/whisperx.html" in told


def test_a_role_alone_says_what_comes_before(stranger: Stranger) -> None:
    told = stranger.play(
        {"name": "x", "ansible.builtin.import_role": {"name": "whisperx.fleet.whisperx_venv"}}, code=2
    )
    assert "wanted: role whisperx_plan, and its tasks_from lock, earlier in the play" in told


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a repository with the tree as git has it, without the steps of `make collection`."""
    folder = tmp_path_factory.mktemp("repository") / "whisperx-fleet"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink() or (ROOT / name).is_file():
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    commit = ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "--message=All"]
    for words in (["init", "--quiet", "--initial-branch=main"], ["add", "--all", "--force"], commit):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return f"git+{folder.as_uri()}"


def test_the_repository_installs_as_a_collection(repository: str, tmp_path: Path) -> None:
    stranger = Stranger(tmp_path, f"{repository},main")
    assert [path.name for path in (stranger.installed / "tests").iterdir()] == ["config.yml"]
    told = stranger.run("ansible-playbook", "whisperx.fleet.plan", "-i", str(stranger.inventory))
    assert "whisperx 3." in told
    stranger.verify()


@pytest.mark.parametrize("listed", [False, True], ids=["address", "requirements"])
def test_installed_as_a_role_it_names_the_collection(
    stranger: Stranger, repository: str, tmp_path: Path, listed: bool
) -> None:
    """Only its task can say so: ansible-galaxy installs any repository with a meta/main.yml as a role."""
    wanted = [f"{repository},main"]
    if listed:
        listing = {"roles": [{"src": repository, "version": "main"}]}
        (tmp_path / "requirements.yml").write_text(yaml.safe_dump(listing))
        wanted = ["-r", str(tmp_path / "requirements.yml")]
    stranger.run("ansible-galaxy", "role", "install", *wanted)
    told = stranger.play({"name": "x", "ansible.builtin.import_role": {"name": "whisperx-fleet"}}, code=2)
    assert "is a collection, and was installed as a role" in told
    assert "ansible-galaxy collection install git+" in told and "whisperx.fleet.whisperx." in told
    # The first of its steps works.
    assert "`ansible-galaxy role remove whisperx-fleet`" in told
    stranger.run("ansible-galaxy", "role", "remove", "whisperx-fleet")
