"""What strangers write in whisperx_services: it is a service, or a Problem that has a next step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.followers import Followed
from module_utils.whisperx_service import survey
from module_utils.whisperx_service.model import Service, services_of

SECRET = "hidden-word"
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just("127.0.0.1:{port}")
)
KEYS = ("command", "environment", "gpu", "health", "instances", "memory", "port", "secrets", "user")
CHECKS = ("command", "http", "tcp", "status", "within")


def nested(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return what YAML can say with these."""
    names = st.one_of(st.text(max_size=8), st.integers(), st.none(), st.booleans())
    return st.recursive(
        scalars,
        lambda one: st.one_of(st.lists(one, max_size=3), st.dictionaries(names, one, max_size=3)),
        max_leaves=6,
    )


def sentence_of(value: Any) -> str:
    """Return the sentence of a refusal, "" for what is a service."""
    try:
        found = services_of(value)
    except Problem as problem:
        assert problem.rule == "service.malformed" and problem.where.startswith("whisperx_services")
        assert problem.found and problem.wanted and problem.remedy.endswith((".", "?")), problem.sentence()
        assert problem.sentence().isprintable()
        return problem.sentence()
    assert all(isinstance(one, Service) for one in found)
    return ""


@given(nested(SCALARS))
def test_whatever_there_is_instead_of_services(value: Any) -> None:
    sentence_of(value)
    sentence_of({"one": value})


@given(st.sampled_from((*KEYS, "writable")), nested(SCALARS))
def test_whatever_a_key_has(key: str, value: Any) -> None:
    sentence_of({"one": {"command": "serve {instance}", "port": 7, key: value}})


@given(st.sampled_from(CHECKS), nested(SCALARS))
def test_whatever_a_check_has(key: str, value: Any) -> None:
    checks = [{key: value}, {"http": "http://127.0.0.1/", key: value}]
    for check in checks:
        sentence_of({"one": {"command": "serve", "port": 7, "health": check}})


@given(nested(st.one_of(st.just(SECRET), st.just(SECRET + "\0"), st.none())))
def test_no_refusal_shows_a_secret(value: Any) -> None:
    assert SECRET not in sentence_of({"one": {"command": "serve", "secrets": value}})
    assert SECRET not in sentence_of({"one": [{"command": "serve", "secrets": {"TOKEN": SECRET}}]})
    assert SECRET not in sentence_of([{"command": "serve", "secrets": {"TOKEN": SECRET}}])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"command": "A=1 serve"}, "variables go into `environment`"),
        ({"command": "serve {unknown}"}, "{unknown} (whisperx_services.one.command)"),
        ({"command": "serve {PORT}"}, "Did you mean {port}?"),
        ({"command": "serve { port }"}, "Did you mean {port}?"),
        ({"command": ["serve", "{Port}"]}, "Did you mean {port}?"),
        (
            {"health": {"http": "http://127.0.0.1:80/{unknown}"}},
            "{unknown} (whisperx_services.one.health.http)",
        ),
        ({"health": {"http": "http://127.0.0.1:99999/"}}, "whisperx_services.one.health.http"),
        ({"health": {"tcp": 0}}, "'127.0.0.1:0'"),
        ({"health": {"tcp": ["127.0.0.1:1"]}}, "a list (whisperx_services.one.health.tcp)"),
        ({"health": {"command": "./check"}}, "absolute path of a program on the host"),
        ({"health": {"command": "{state}/check"}}, "absolute path of a program on the host"),
        ({"health": {"command": "check {unknown}"}}, "{unknown} (whisperx_services.one.health.command)"),
        ({"memory": "2GB"}, "Write 2G."),
        ({"memory": "800 mib"}, "Write 800M."),
        ({"memory": 2}, "at least 1M"),
        ({"memory": "1023K"}, "at least 1M"),
        ({"memory": "9999999999999999T"}, "such as 2G"),
        (
            {"instances": None},
            "nothing (whisperx_services.one.instances); wanted: a number from 1 to 64, or gpu",
        ),
        ({"user": 1000}, "the name, not the number"),
        ({"writable": "/"}, "[/srv/recordings]"),
        ({"environment": {"A": "{state}"}}, "placeholders in command and health alone"),
        ({"environment": {"WHISPERX_CONTAINER_OPTIONS": "--privileged"}}, "do not set themselves"),
        ({"secrets": {"WHISPERX_SERVICE": "x"}}, "whisperx_services.one.secrets"),
        (
            {"command": "serve {instance}", "instances": "gpu", "environment": {"CUDA_VISIBLE_DEVICES": "0"}},
            "do not set themselves",
        ),
    ],
)
def test_what_would_fail_later_or_do_something_else_is_refused(value: dict[str, Any], words: str) -> None:
    assert words in sentence_of({"one": {"command": "serve", **value}})


def test_a_name_of_the_toolkit_s_own_units_is_refused() -> None:
    assert "the toolkit's own" in sentence_of({"firstboot": {"command": "serve"}})


def test_braces_of_a_list_and_of_no_name_stand_as_they_are() -> None:
    (one,) = services_of({"one": {"command": ["serve", "{name}.srt", '{"a": 1}', "{}"]}})
    (two,) = services_of({"one": {"command": """serve '{"a": 1}' {}"""}})
    assert one.argv[1:] == ("{name}.srt", '{"a": 1}', "{}") and two.argv[1:] == ('{"a": 1}', "{}")


def test_a_directory_is_named_once_however_it_is_written() -> None:
    (one,) = services_of({"one": {"command": "serve", "writable": ["/srv/a", "/srv//a/", "/srv/./b"]}})
    assert one.writable == ("/srv/a", "/srv/b")


@pytest.mark.parametrize(
    ("path", "runtime", "rule"),
    [
        ("nothing", "venv", "service.no-directory"),
        ("file", "venv", "service.no-directory"),
        ("data", "venv", ""),
        ("link", "venv", ""),
        ("home/user", "venv", "service.unfit-directory"),
        ("link-home", "venv", "service.unfit-directory"),
        ("home/user", "container", ""),
        ("proc", "container", "service.unfit-directory"),
        ("root/releases", "venv", "service.unfit-directory"),
        ("root", "container", "service.unfit-directory"),
        ("link-root", "container", "service.unfit-directory"),
        ("", "venv", "service.unfit-directory"),
    ],
)
def test_a_directory_that_the_unit_hides_or_a_release_is_in_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, runtime: str, rule: str
) -> None:
    for name in ("data", "home/user", "proc", "root/releases"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").touch()
    for link, target in (("link", "data"), ("link-home", "home"), ("link-root", "root")):
        (tmp_path / link).symlink_to(target)
    monkeypatch.setattr(survey, "_HIDDEN", (str(tmp_path / "home"),))
    monkeypatch.setattr(survey, "_APART", (str(tmp_path / "proc"),))
    monkeypatch.setattr(survey, "DIRECTORY", str(tmp_path / "units"))
    (service,) = services_of({"one": {"command": "serve", "writable": str(tmp_path / path)}})
    job = survey.Job(service, (), {}, "")
    found = ""
    try:
        survey.check_job(job, Followed("r", ("serve",), "cpu", runtime), {}, str(tmp_path / "root"))
    except Problem as problem:
        found = problem.rule
        assert str(tmp_path / path) in problem.found and problem.where == "whisperx_services.one.writable"
    assert found == rule
