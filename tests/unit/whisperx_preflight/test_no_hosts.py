"""A run on no hosts fails: every playbook ends with what was found of the inventory and what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import ansible.plugins.lookup
import pytest
from ansible.parsing.dataloader import DataLoader

from module_utils.whisperx_preflight.targets import Source, refuse_empty, refuse_unread
from module_utils.whisperx_problem import Problem

ROOT = Path(__file__).resolve().parents[3]
ansible.plugins.lookup.__path__.append(str(ROOT / "lookup_plugins"))
from ansible.plugins.lookup import whisperx_hosts  # noqa: E402

PLAYBOOKS = sorted(str(path.relative_to(ROOT)) for path in (*ROOT.glob("playbooks/*.yml"), ROOT / "site.yml"))
GROUPS = {"all": ["web1", "web2"], "ungrouped": [], "gpu": ["web1", "web2"], "spare": []}


def looked_up(pattern: Any, *sources: str, groups: Any = GROUPS, **variables: Any) -> list[str]:
    lookup = whisperx_hosts.LookupModule(loader=DataLoader())
    return lookup.run([pattern], {"groups": groups, "ansible_inventory_sources": sources, **variables})


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_no_playbook_succeeds_without_a_host(playbook: str, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "ansible-playbook"), playbook, "--list-hosts"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    run = subprocess.run(
        [*command, "-i", str(tmp_path / "hosts.yml"), "--limit", "web1"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert f"{tmp_path}/hosts.yml does not exist" in run.stderr and "Correct the path" in run.stderr


def test_every_play_names_its_hosts_so() -> None:
    for path in ROOT.glob("playbooks/*.yml"):
        lines = [line for line in path.read_text().splitlines() if line.startswith("  hosts:")]
        assert lines
        assert all("lookup('whisperx_hosts'" in line or "whisperx_wave_" in line for line in lines)


@pytest.mark.parametrize(
    ("pattern", "limit", "groups", "said"),
    [
        ("all", None, {"all": []}, "has no hosts (-i hosts.yml)"),
        ("all", "web1", {"all": [], "gpu": []}, "only empty groups: gpu"),
        ("spare", None, GROUPS, "The group spare has no hosts"),
        (
            "gpus",
            None,
            GROUPS,
            "whisperx_hosts: gpus); wanted: at least one host to work on. Did you mean gpu?",
        ),
        ("all", "wbe1", GROUPS, "(--limit wbe1); wanted: at least one host to work on. Did you mean web1?"),
        ("web1", "web2", GROUPS, "whisperx_hosts: web1, --limit web2); wanted: at least one"),
        ("zebra", None, GROUPS, "There are gpu, spare, web1, web2"),
    ],
)
def test_why_no_host_is_meant_is_said(
    pattern: str, limit: str | None, groups: dict[str, list[str]], said: str
) -> None:
    with pytest.raises(Problem) as raised:
        refuse_empty(["hosts.yml"], pattern, limit, groups)
    assert said in raised.value.sentence()
    assert raised.value.rule == "preflight.no-hosts" and raised.value.remedy


@pytest.mark.parametrize(
    ("pattern", "variables"),
    [
        ("all", {}),
        ("gpu", {"ansible_limit": "web2"}),
        ("web1,web2", {}),
        (["web1", "gpu"], {}),
        ("nobody", {"whisperx_hosts_required": "false"}),
        ("localhost", {}),  # the implicit one, as a playbook of one's own may name it
    ],
)
def test_hosts_that_are_there_pass(pattern: Any, variables: dict[str, Any], tmp_path: Path) -> None:
    expected = pattern if isinstance(pattern, str) else ",".join(pattern)
    assert looked_up(pattern, "web1,web2", **variables) == [expected]


@pytest.mark.parametrize("limit", ["web2:!web2", "@{}/names"])
def test_a_limit_counts_as_ansible_counts_it(limit: str, tmp_path: Path) -> None:
    (tmp_path / "names").write_text("web2\n")
    with pytest.raises(SystemExit) as ended:
        looked_up("web1", "web1,web2", ansible_limit=limit.format(tmp_path))
    assert ended.value.code == 1


BAD = {
    "broken.yml": "all:\n  hosts:\n   a:\n  b: [\n",
    "list.yml": "- all\n",
    "broken.ini": "[gpu\nweb1\n",
    "broken.json": '{"all": ',
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("inside", [True, False])
def test_a_source_that_cannot_be_parsed_is_refused_beside_a_good_one(
    name: str, inside: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.yml").write_text("all: {hosts: {web1: , web2: }}\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text("[: no inventory")
    (tmp_path / "hosts.yml").write_text("plugin: amazon.aws.aws_ec2\n")
    (tmp_path / "README.md").write_text("none either")
    (tmp_path / name).write_text(BAD[name])
    sources = [str(tmp_path)] if inside else [str(tmp_path / "good.yml"), str(tmp_path / name)]
    with pytest.raises(SystemExit):
        looked_up("all", *sources)
    assert f"{name} cannot be parsed" in capsys.readouterr().err.replace("\n", " ")
    (tmp_path / name).unlink()
    if inside:
        assert looked_up("all", *sources) == ["all"]


def test_a_program_is_asked_once_and_not_again(tmp_path: Path) -> None:
    program = tmp_path / "cloud.py"
    program.write_text("not even a program")
    program.chmod(0o755)
    assert looked_up("all", str(program), "web1,web2") == ["all"]


def test_a_source_that_is_not_there_is_refused_beside_a_good_one(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"localhost does not exist.*a comma in it"):
        refuse_unread([Source("web1,"), Source("localhost", there=False)])
