"""An assessment that comes with the facts: it is used for the very same request, and for no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from env_hosts import Host, lock_text, plan, wanted

from module_utils.whisperx_common.files import write_json
from module_utils.whisperx_env import launch, standing
from module_utils.whisperx_env.model import want
from module_utils.whisperx_env.options import ARGUMENTS
from module_utils.whisperx_release import state

GPU = {
    "device": "cuda",
    "environment": {"GLIBC_TUNABLES": "glibc.rtld.execstack=2"},
    "loader_paths": ["numpy", "missing"],
    "scripts": ["whisperx", "numpy"],
}


def installed(tmp_path: Path, **changes: Any) -> tuple[Host, dict[str, Any], dict[str, Any]]:
    """Return a host with a release in use, the request for it, and the options of its paths."""
    host, planned = Host(tmp_path), plan(**changes)
    text = lock_text({"whisperx": "1.0", "numpy": "2.0"}, device=planned["device"])
    what = want(planned, text)
    needs = {"loader_paths": planned["loader_paths"] if what.device == "cuda" else []}
    host.release(what, environment=what.environment, needs=needs)
    host.use(what)
    given = {name: option.get("default") for name, option in standing.OPTIONS.items()} | {
        "root": host.layout.root,
        "bin_dir": host.layout.bin_dir,
        "facts_dir": host.layout.facts_dir,
        "verify_level": "import",
    }
    return host, {"plan": planned, "lock": text, "assess": True}, given


@pytest.mark.parametrize(
    "changes", [{}, GPU, {"environment": {"A": "1"}, "scripts": []}], ids=["cpu", "gpu", "bare"]
)
def test_a_converged_host_is_assessed_as_by_the_module(tmp_path: Path, changes: dict[str, Any]) -> None:
    host, request, given = installed(tmp_path, **changes)
    known = standing.assess(given)
    assert known["result"]["actions"] == [] and known["result"]["record"] == state.record_at(
        host.layout.current
    )
    result = standing.assessment({**request, **given}, known)
    assert result is not None and result["changed"] is False
    # What was read in check mode is no prediction where nothing is to be done.
    assert known["result"].pop("predicted") is True
    assert {**known["result"], "bytes_brought": 0} == result


def test_options_may_be_texts_or_left_out(tmp_path: Path) -> None:
    _, request, given = installed(tmp_path)
    known = standing.assess(given)
    texts = {**request, **given, "keep": "2", "hashes": "false"}
    assert standing.assessment(texts, known) is not None
    assert (
        standing.assessment({name: value for name, value in texts.items() if name != "keep"}, known)
        is not None
    )


def test_the_options_of_a_host_are_those_that_it_was_assessed_with(tmp_path: Path) -> None:
    """So whisperx_unchanged asks, which knows no others."""
    _, request, given = installed(tmp_path)
    for services in ({}, None):
        known = standing.assess({**given, "services": services})
        assert standing.assessment({**request, **known["options"]}, known) is not None


OTHERS: dict[str, dict[str, Any]] = {
    "python": {"plan": plan(python_path="/opt/python3.11")},
    "environment": {"plan": plan(environment={"A": "2"})},
    "scripts": {"plan": plan(scripts=["whisperx", "other"])},
    "packages": {"lock": lock_text({"whisperx": "1.1", "numpy": "2.0"})},
    "a lock of another Python": {"lock": lock_text({"whisperx": "1.0"}, python="3.12")},
    "a refusal": {"plan": plan(verdict="refused")},
    "no plan": {"plan": None},
    "level": {"verify_level": "pipeline"},
    "keep": {"keep": 3},
    "bin_dir": {"bin_dir": ""},
    "hashes": {"hashes": True},
    "not activated": {"activate": False},
    "a run, not an assessment": {"assess": False},
    "a removal": {"state": "absent"},
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_request_is_assessed_anew(tmp_path: Path, name: str) -> None:
    _, request, given = installed(tmp_path)
    known = standing.assess(given)
    asked = {**request, **given, **OTHERS[name]}
    if asked["plan"] is None:
        del asked["plan"]
    assert standing.assessment(asked, known) is None


def missing_command(host: Host) -> None:
    (host.base / "bin" / "whisperx").unlink()


def edited_launcher(host: Host) -> None:
    (host.root / "current" / "launch" / "whisperx").write_text("#!/bin/sh\n")


def edited_library(host: Host) -> None:
    next((host.root / "current" / "lib").rglob("core.so")).write_text("another library")


def edited_lock(host: Host) -> None:
    path = host.root / "current" / "requirements.txt"
    path.write_text(path.read_text().replace("2.0", "2.1"))


def missing_lock(host: Host) -> None:
    (host.root / "current" / "requirements.txt").unlink()


def half_built(host: Host) -> None:
    (host.root / "releases" / "half").mkdir()


def nothing_active(host: Host) -> None:
    Path(host.layout.current).unlink()


def no_record(host: Host) -> None:
    (host.root / "current" / "release.json").write_text("{")


def open_to_all(host: Host) -> None:
    host.root.chmod(0o777)


def an_image(host: Host) -> None:
    path = host.root / "current" / "release.json"
    write_json(str(path), {"schema": 1, "id": "image", "runtime": "container", "engine": "podman"})


@pytest.mark.parametrize(
    "fault",
    [
        missing_command,
        edited_launcher,
        edited_library,
        edited_lock,
        missing_lock,
        half_built,
        nothing_active,
        no_record,
        open_to_all,
        an_image,
    ],
)
def test_whatever_is_wrong_is_for_the_module_to_say(tmp_path: Path, fault: Any) -> None:
    host, _, given = installed(tmp_path)
    assert standing.assess(given)
    fault(host)
    assert standing.assess(given) == {}


def test_no_root_and_no_absolute_root(tmp_path: Path) -> None:
    _, _, given = installed(tmp_path)
    assert standing.assess({**given, "root": str(tmp_path / "none")}) == {}
    assert standing.assess({**given, "root": "relative"}) == {}


def test_a_record_and_a_launcher_that_agree_with_each_other_alone(tmp_path: Path) -> None:
    """Who edits both has a release that would stay as it says it is; the plan says otherwise."""
    host, request, given = installed(tmp_path)
    what = wanted()
    edited = replace(what, plan={**what.plan, "environment": {"LD_PRELOAD": "/tmp/own.so"}})
    current = host.root / "current"
    launch.write(edited, str(current.resolve()), edited.site_packages(str(current.resolve())))
    record = state.record_at(str(current))
    write_json(str(current / "release.json"), {**record, "environment": edited.environment})
    known = standing.assess(given)
    assert standing.assessment({**request, **given}, known) is None


@pytest.mark.parametrize(
    "said", [None, [], "", {}, {"asked": {}}, {"asked": 1, "options": {}, "result": {}}, 7]
)
def test_what_a_host_says_in_another_shape(tmp_path: Path, said: Any) -> None:
    _, request, given = installed(tmp_path)
    assert standing.assessment({**request, **given}, said) is None


def test_only_what_a_result_has_comes_from_the_host(tmp_path: Path) -> None:
    _, request, given = installed(tmp_path)
    known = standing.assess(given)
    known["result"] |= {"ansible_facts": {"a": 1}, "changed": True, "bytes_brought": 9, "failed": True}
    result = standing.assessment({**request, **given}, known)
    assert result is not None and not {"ansible_facts", "failed"} & set(result)
    assert result["changed"] is False and result["bytes_brought"] == 0
    known["result"]["actions"] = ["Built release 2.0"]
    assert standing.assessment({**request, **given}, known) is None


def test_its_options_are_those_of_the_module() -> None:
    assert all(ARGUMENTS[name] is option for name, option in standing.OPTIONS.items())


def test_commands_that_find_models_elsewhere_are_another_request(tmp_path: Path) -> None:
    """A host whose store is in another place is assessed with its facts as any other."""
    store = str(tmp_path / "models")
    _, request, given = installed(tmp_path, environment={"WHISPERX_MODELS_DIR": store})
    given["models_dir"] = store
    request["plan"] = plan()
    known = standing.assess(given)
    assert standing.assessment({**request, **given}, known) is not None
    assert standing.assessment({**request, **given, "models_dir": "/opt/whisperx/models"}, known) is None
