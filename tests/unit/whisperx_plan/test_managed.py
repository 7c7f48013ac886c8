"""Managed Pythons: which host gets one, which build, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from module_utils.whisperx_catalogue.catalogue import Catalogue
from module_utils.whisperx_catalogue.interpreter_rows import Standalone
from module_utils.whisperx_plan.decide import Decision, decide
from module_utils.whisperx_plan.model import INTERPRETERS, Plan, Request
from module_utils.whisperx_plan.output.document import details, table
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_plan.hosts import facts, with_gpu

BOTH = {"interpreters": ["system", "managed"]}
MUSL = {"libc": {"family": "musl", "version": "1.2"}}
FORKY = facts("2.43", ("3.14.0",), ("debian", "14"))


def judged(host: dict, packages: dict | None = None, known: Catalogue | None = None, **request) -> dict:
    asked = Request.make(packages or {"whisperx": ""}, **{**BOTH, **request})
    return decide({"h": host}, asked, known or catalogue()).hosts["h"]


def rules(record: dict) -> list[str]:
    return [reason["rule"] for reason in record["reasons"]]


def row(version: str, glibc: str = "2.17", build: str = "20260814", machine: str = "x86_64") -> Standalone:
    numbers = tuple(int(part) for part in version.split("."))
    file = f"cpython-{version}+{build}-{machine}-unknown-linux-gnu-install_only_stripped.tar.gz"
    floor = ("glibc", tuple(int(part) for part in glibc.split(".")))
    digest = f"{abs(hash((version, glibc, build, machine))):064x}"[-64:]
    return Standalone(numbers, build, machine, floor, file, digest, None, "https://builds.example", "row")


def known(*rows: Standalone) -> Catalogue:
    whole = catalogue()
    return Catalogue(whole.packages, replace(whole.rows, standalone=rows), whole.digest)


@pytest.mark.parametrize("pythons", [(), ("3.14.0",), ("3.15.1",), ("3.8.10",), ("3.14.0", "3.8.10")])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_host_without_a_fitting_interpreter_gets_the_newest_minor_that_the_set_admits(pythons, machine):
    record = judged(facts("2.43", pythons, machine=machine))
    assert (record["verdict"], record["runtime"], record["python"]) == ("plan", "venv", "3.13")
    assert (record["python_source"], record["python_path"]) == ("managed", "")
    archive = record["python_archive"]
    assert archive["version"].startswith("3.13.") and archive["machine"] == machine
    assert f"-{machine}-unknown-linux-gnu-" in archive["file"] and len(archive["sha256"]) == 64
    said = next(reason for reason in record["reasons"] if reason["rule"] == "python.managed")
    assert archive["version"] in said["sentence"] and archive["build"] in said["sentence"]
    assert said["found"] == (
        " and ".join(sorted(f"Python {one.rpartition('.')[0]}" for one in pythons)) or "no Python"
    )


@pytest.mark.parametrize(("glibc", "python"), [("2.31", "3.9.2"), ("2.36", "3.11.2"), ("2.41", "3.13.5")])
def test_an_interpreter_of_the_host_comes_first(glibc, python):
    own = judged(facts(glibc, (python,)), interpreters=["system"])
    assert judged(facts(glibc, (python,))) == own
    assert (own["python_source"], own["python_archive"]) == ("system", None)


def test_the_order_is_the_preference():
    record = judged(facts(), interpreters=["managed", "system"])
    assert record["python_source"] == "managed"
    said = next(reason for reason in record["reasons"] if reason["rule"] == "python.managed")
    assert "whisperx_plan_interpreters prefers it" in said["sentence"]
    assert "python.unfit" not in rules(record)


def test_a_managed_environment_comes_before_a_container():
    host = {**FORKY, "container_engines": [{"name": "podman", "version": "5.4"}]}
    assert judged(host, runtime="auto")["runtime"] == "venv"
    inside = judged(host, runtime="container")
    assert (inside["runtime"], inside["python_source"]) == ("container", "system")
    assert judged(host, runtime="auto", interpreters=["system"])["runtime"] == "container"


def test_the_gpu_is_used_as_with_an_interpreter_of_the_host():
    host = with_gpu(FORKY, "9.0", ("580.95.05", "13.0"))
    record = judged(host)
    assert (record["device"], record["python_source"]) == ("cuda", "managed")


def test_a_remedy_with_the_hosts_own_interpreter_comes_before_a_managed_one():
    record = judged(facts("2.41", ("3.12.3",)), {"whisperx": "==3.4.5"})
    assert record["python_source"] == "system" and record["repairs"]


def test_without_permission_the_refusal_names_it():
    record = judged(FORKY, interpreters=["system"])
    assert record["verdict"] == "refused"
    step = next(entry for entry in record["remedies"] if entry.get("source") == "managed")
    assert (step["kind"], step["version"]) == ("python", "3.13")
    assert "managed" in step["sentence"] and "whisperx_plan_interpreters" in step["sentence"]


def test_what_no_interpreter_cures_names_none():
    record = judged(FORKY, {"whisperx": "", "ctranslate2": "<3"}, interpreters=["system"])
    assert record["verdict"] == "refused"
    assert not [step for step in record["remedies"] if step.get("source") == "managed"]


@pytest.mark.parametrize("packages", [{"whisperx": ""}, {"ctranslate2": ""}, {"faster-whisper": ""}])
def test_musl_is_refused_whatever_its_python(packages):
    for pythons in ((), ("3.12.3",)):
        record = judged({**facts("2.41", pythons), **MUSL}, packages)
        assert record["verdict"] == "refused"
        assert "python.managed-none" in rules(record)
        assert any("musl" in reason["sentence"] for reason in record["reasons"])


def test_a_build_for_a_newer_glibc_is_not_taken_and_said():
    record = judged(facts("2.30", ("3.14.0",)), known=known(row("3.13.9", "2.34")))
    assert record["verdict"] == "refused"
    said = next(reason for reason in record["reasons"] if reason["rule"] == "python.managed-libc")
    assert (said["found"], said["wanted"]) == ("glibc 2.30", "glibc 2.34")
    assert judged(facts("2.34", ("3.14.0",)), known=known(row("3.13.9", "2.34")))["verdict"] == "plan"


def test_of_a_minor_version_the_newest_patch_that_the_libc_runs_is_taken():
    rows = [row("3.13.9"), row("3.13.11", "2.40"), row("3.13.10"), row("3.12.12"), row("3.13.8")]
    assert judged(FORKY, known=known(*rows))["python_archive"]["version"] == "3.13.11"
    old = judged(facts("2.31", ("3.14.0",)), known=known(*rows))
    assert old["python_archive"]["version"] == "3.13.10"
    assert "python.managed-libc" not in rules(old)
    again = row("3.13.11", build="20260901")
    assert judged(FORKY, known=known(*rows, again))["python_archive"]["build"] == "20260901"


def test_a_newer_patch_keeps_the_class():
    before, after = (judged(FORKY, known=known(row(version))) for version in ("3.13.9", "3.13.11"))
    assert before["class"] == after["class"]
    assert before["python_archive"] != after["python_archive"]


def test_managed_and_own_interpreters_are_two_classes():
    own = judged(facts("2.43", ("3.13.1",)))
    assert own["class"] != judged(FORKY)["class"]


def test_no_standalone_build_for_the_machine():
    record = judged(facts("2.41", (), machine="riscv64"))
    assert record["verdict"] == "refused"
    assert {"python.none", "python.managed-none"} <= set(rules(record))


def test_the_choice_is_in_table_and_details():
    decision = Decision({"h": judged(FORKY)}, {})
    line = table(decision)[1]
    assert "3.13 (managed)" in line and "standalone build" in line
    assert any("standalone build" in text for text in details(decision))


def test_request_and_plan_survive_json():
    request = Request.make({"whisperx": ""}, interpreters=["managed"])
    assert Request.from_record(request.record()) == request
    record = judged(FORKY)
    assert Plan.from_record(record).record() == record


@pytest.mark.parametrize("value", ["system", ["managed"], ["system", "managed", "system"], ("managed",)])
def test_sources_that_are_understood(value):
    sources = Request.make({"whisperx": ""}, interpreters=value).interpreters
    assert set(sources) <= set(INTERPRETERS) and len(set(sources)) == len(sources)


@pytest.mark.parametrize(
    "value", [[], "pyenv", ["system", "uv"], [None], None, [["system"]], 3, {"system": 1}]
)
def test_sources_that_are_not(value):
    with pytest.raises(Problem) as caught:
        Request.make({"whisperx": ""}, interpreters=value)
    assert caught.value.rule == "request.interpreters"
    assert caught.value.where == "whisperx_plan_interpreters"
