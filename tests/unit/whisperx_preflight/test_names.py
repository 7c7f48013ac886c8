"""Names of variables that nobody defines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_preflight.names import defined, refuse_strangers, refuse_unknown, specifications
from module_utils.whisperx_problem import Problem

ROLES = Path(__file__).resolve().parents[3] / "roles"
KNOWN = sorted(defined(ROLES))


def test_every_default_of_every_role_is_known() -> None:
    for path in ROLES.glob("*/defaults/main.yml"):
        assert set(yaml.safe_load(path.read_text()) or {}) <= set(KNOWN)
    assert {"whisperx_hosts", "whisperx_host"} <= set(KNOWN)


def test_every_known_variable_of_a_role_has_a_specification() -> None:
    assert set(KNOWN) - set(specifications(ROLES)) == {
        "whisperx_hosts",
        "whisperx_hosts_required",
        "whisperx_host",
    }


@given(st.sampled_from(KNOWN), st.integers(0, 40), st.sampled_from("abz_"))
def test_a_name_with_a_letter_too_many_is_refused_by_name(name: str, place: int, letter: str) -> None:
    place = max(len("whisperx_"), min(place, len(name)))
    wrong = name[:place] + letter + name[place:]
    if wrong in KNOWN:
        return
    with pytest.raises(Problem) as raised:
        refuse_unknown(dict.fromkeys([wrong, *KNOWN, "ansible_user", "__whisperx_plan"], ""), KNOWN)
    assert raised.value.rule == "preflight.unknown-variable"
    assert f"({wrong})" in raised.value.found and "Did you mean whisperx_" in raised.value.remedy


def test_names_of_others_and_known_ones_pass() -> None:
    others = [
        "ansible_host",
        "__whisperx_plan",
        "whisper",
        "whisper_models",
        "whisper_plan",
        "wx_plan_device",
    ]
    refuse_unknown(dict.fromkeys([*KNOWN, *others], ""), KNOWN)


@pytest.mark.parametrize("name", ["whisper_plan_device", "WHISPERX_plan_device", "wisperx_plan_device"])
def test_a_first_word_that_is_nearly_ours_is_taken_for_it(name: str) -> None:
    with pytest.raises(Problem, match=f"whisperx_plan_device instead of {name}"):
        refuse_unknown({name: ""}, KNOWN)


def test_where_an_unknown_name_is_set_is_said() -> None:
    with pytest.raises(Problem, match=r"whisperx_plan_devise in group_vars/all.yml, line 3"):
        refuse_unknown({"whisperx_plan_devise": "group_vars/all.yml, line 3"}, KNOWN)


def test_a_canary_is_a_host_or_a_group() -> None:
    groups = {"all": ["gpu-01", "gpu-02"], "gpus": ["gpu-01"]}
    refuse_strangers({"whisperx_rollout_canaries": ["gpu-01", "gpus", "all"]}, groups)
    with pytest.raises(Problem, match=r"hosts or groups \(gpu-1, zebra\) \(hosts.yml\).*Did you mean gpu-01"):
        refuse_strangers({"hosts.yml": ["gpus", "gpu-1", "zebra"]}, groups)


# Each place in which Ansible finds a variable, and what is said of it.
PLACES = {
    "group_vars/all.yml": "whisperx_plan_devise: cpu\n",
    "host_vars/w1.yml": "whisperx_plan_devise: cpu\n",
    "hosts.yml": "all: {hosts: {w1: {whisperx_plan_devise: cpu}}}\n",
    "hosts.ini": "[gpu]\nw1 whisperx_plan_devise=cpu\n",
    "-e": "",
}


@pytest.mark.parametrize(
    ("verb", "place"),
    [
        ("verify", "group_vars/all.yml"),
        ("doctor", "host_vars/w1.yml"),
        ("audit", "hosts.yml"),
        ("guard", "hosts.ini"),
        ("rollback", "-e"),
    ],
)
def test_every_verb_says_what_is_unknown_and_where_it_is_set(verb: str, place: str, tmp_path: Path) -> None:
    files = {"hosts.yml": "all: {hosts: {w1: }}\n", place: PLACES[place]}
    for name, text in files.items():
        if name != "-e":
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
    source = tmp_path / (place if place.startswith("hosts.") else "hosts.yml")
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        f"playbooks/{verb}.yml",
        "-i",
        str(source),
    ]
    command += ["-e", "whisperx_plan_devise=cpu"] if place == "-e" else []
    command += ["-e", f"whisperx_report_dir={tmp_path}"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROLES.parent / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        command, cwd=ROLES.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stdout + done.stderr
    last = done.stdout.rpartition("PLAY RECAP")[2]
    assert "Did you mean whisperx_plan_device instead of whisperx_plan_devise?" in last
    assert f"whisperx_plan_devise in {'CLI' if place == '-e' else tmp_path / place}" in last
