"""What an image is planned for: the declaration, and of the root what is really in it."""

from __future__ import annotations

from typing import Any

import pytest

from module_utils.whisperx_bake.declare import Declared, join, plan_hosts, read_declared
from module_utils.whisperx_problem import Problem

ROOT: dict[str, Any] = {
    "os": {"id": "debian", "version": "13", "codename": "trixie", "family": "debian"},
    "libc": {"family": "glibc", "version": "2.41"},
    "machine": "x86_64",
    "pythons": [{"path": "/usr/bin/python3.13", "version": "3.13.5"}],
    "ffmpeg": {"libavutil": [59]},
}
L4 = {"name": "NVIDIA L4", "compute_capability": "8.9", "pci_id": "10de:27b8"}


def joined(**facts: Any) -> dict[str, Any]:
    return join(Declared("default", facts), ROOT)


def test_without_a_declaration_it_refuses() -> None:
    for assume in ({}, {"libc": ROOT["libc"]}, {"cpu": {"flags": []}}):
        with pytest.raises(Problem) as raised:
            read_declared({}, assume, None)
        assert raised.value.rule == "bake.undeclared"


def test_the_roots_own_facts_are_the_roots() -> None:
    facts = joined(gpus=[], kernel={"release": "6.8"})
    assert {key: facts[key] for key in ROOT} == ROOT
    assert facts["gpus"] == [] and facts["kernel"] == {"release": "6.8"}


def test_what_is_not_declared_of_the_machine_is_absent() -> None:
    assert {"cpu", "nvidia_driver", "container", "cudnn"}.isdisjoint(joined(gpus=[]))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"libc": {"family": "glibc", "version": "2.36"}},
            "libc.version is declared as 2.36, the root has 2.41",
        ),
        (
            {"libc": {"family": "musl", "version": "1.2"}},
            "libc.family is declared as musl, the root has glibc",
        ),
        ({"os": {"id": "ubuntu"}}, "os.id is declared as ubuntu, the root has debian"),
        ({"machine": "aarch64"}, "machine is declared as aarch64, the root is x86_64"),
        ({"pythons": [{"path": "/usr/bin/python3.12", "version": "3.12.1"}]}, "the root has none there"),
        ({"ffmpeg": {"libavutil": [57]}}, "libavutil is declared as [57], the root has [59]"),
    ],
)
def test_a_declaration_against_the_root_is_refused(facts: dict[str, Any], words: str) -> None:
    with pytest.raises(Problem) as raised:
        joined(gpus=[], **facts)
    assert raised.value.rule == "bake.contradiction" and words in raised.value.found


def test_a_captured_file_is_taken_and_what_is_written_lies_over_it() -> None:
    capture = {"schema": 1, "facts": {"gpus": [L4], "cpu": {"flags": ["avx"]}}, "live": {}, "tree": {}}
    profiles = {"cpu": {"device": "cpu", "facts": {"gpus": []}}, "gpu": {"device": "cuda"}}
    found = read_declared(profiles, {"cpu": {"flags": ["avx2"]}}, capture)
    assert [(one.name, one.facts["gpus"], dict(one.request)) for one in found] == [
        ("cpu", [], {"device": "cpu"}),
        ("gpu", [L4], {"device": "cuda"}),
    ]
    assert found[1].facts["cpu"] == {"flags": ["avx2"]}


@pytest.mark.parametrize("profiles", [{"a|b": {}}, {"a": {"devise": "cpu"}}])
def test_a_malformed_profile_is_refused(profiles: dict[str, Any]) -> None:
    with pytest.raises(Problem) as raised:
        read_declared(profiles, {"gpus": []}, None)
    assert raised.value.rule == "bake.profile"


def test_a_gpu_profile_is_also_planned_for_other_capabilities() -> None:
    profiles = read_declared(
        {"gpu": {"device": "cuda", "facts": {"gpus": [L4]}}, "cpu": {}}, {"gpus": []}, None
    )
    hosts, requests = plan_hosts(profiles, ROOT, ["8.9", "9.0"])
    assert sorted(hosts) == ["cpu", "gpu", "gpu|8.9", "gpu|9.0"]
    assert requests == {"device": {"gpu": "cuda", "gpu|8.9": "cuda", "gpu|9.0": "cuda"}}
    assert hosts["gpu|9.0"]["gpus"][0]["compute_capability"] == "9.0"
    # The identity of the declared chip would say otherwise.
    assert "pci_id" not in hosts["gpu|9.0"]["gpus"][0]
