"""What users write in whisperx_services: validated, split, quoted as systemd reads it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_problem import Problem
from module_utils.whisperx_service import late, records, words
from module_utils.whisperx_service.model import secret_values, services_of

TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=30)


def service(**values: Any) -> Any:
    return {"one": {"command": "serve --port 1", **values}}


def refused(value: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        services_of(value)
    assert caught.value.rule == "service.malformed" and caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ([], "mapping"),
        ("x", "mapping"),
        ({"One": {"command": "a"}}, "lower-case"),
        ({"a/../b": {"command": "a"}}, "lower-case"),
        ({"-a": {"command": "a"}}, "lower-case"),
        ({1: {"command": "a"}}, "lower-case"),
        ({"one": None}, "command"),
        ({"one": {}}, "command"),
        (service(command=""), "command"),
        (service(command="  "), "command"),
        (service(command=[]), "command"),
        (service(command={"a": 1}), "command"),
        (service(command="serve 'x"), "quotes"),
        (service(command="serve | tee x"), "shell"),
        (service(command="a && b"), "shell"),
        (service(command="/bin/serve"), "directory"),
        (service(command="../serve"), "directory"),
        (service(command="serve {prot}"), "{port}"),
        (service(command="serve {port}"), "port"),
        (service(command="serve a\0b"), "NUL"),
        (service(helth={}), "health"),
        (service(health="tcp"), "tcp"),
        (service(health={"tcp": "1", "http": "http://a"}), "one of"),
        (service(health={"within": 5}), "one of"),
        (service(health={"tcp": "127.0.0.1"}), "address"),
        (service(health={"tcp": "127.0.0.1:x"}), "address"),
        (service(health={"tcp": "127.0.0.1:99999"}), "address"),
        (service(health={"http": "ftp://a/"}), "address"),
        (service(health={"http": "http://a b/"}), "address"),
        (service(health={"http": "file:///etc/passwd"}), "address"),
        (service(health={"tcp": "a:1", "status": 200}), "http"),
        (service(health={"tcp": "a:1", "within": 0}), "number"),
        (service(health={"tcp": "a:1", "within": "soon"}), "number"),
        (service(instances=0), "number"),
        (service(instances=65), "number"),
        (service(instances="gpus"), "gpu"),
        (service(instances=True), "number"),
        (service(instances=2), "instances"),
        (service(command="serve {port}", port=65535, instances=2), "65535"),
        (service(port=-1), "number"),
        (service(socket="127.0.0.1:1"), "socket activation"),
        (service(gpu="maybe"), "auto"),
        (service(command="s {instance}", instances="gpu", gpu=False), "GPU"),
        (service(user="Root user"), "user"),
        (service(user="root\nExecStartPre=evil"), "user"),
        (service(memory="2 gigs"), "bytes"),
        (service(memory="50%"), "bytes"),
        (service(writable=["relative"]), "absolute"),
        (service(writable=["/a/../b"]), "absolute"),
        (service(writable=["/a\nExecStartPre=evil"]), "absolute"),
        (service(environment=["A=1"]), "names"),
        (service(environment={"A B": "1"}), "letters"),
        (service(environment={"A": {"b": 1}}), "text"),
        (service(environment={"A": "x\0"}), "control"),
        (service(environment={"A": "1"}, secrets={"A": "2"}), "once"),
    ],
)
def test_what_cannot_be_is_refused_and_named(value: Any, word: str) -> None:
    problem = refused(value)
    assert word in problem.sentence() and problem.where.startswith("whisperx_services")


def test_texts_from_the_command_line_are_as_good_as_numbers() -> None:
    given = service(command="s {port}", port="10300", instances="2", gpu="false", health={"tcp": "a:{port}"})
    (found,) = services_of(given)
    assert (found.port, found.instances, found.gpu, found.health.within) == (10300, 2, False, 60)


@given(st.lists(TEXT, min_size=1, max_size=5), st.dictionaries(st.from_regex(r"\A[A-Z_]{1,5}\Z"), TEXT))
def test_a_record_gives_the_same_service(arguments: list[str], environment: dict[str, str]) -> None:
    try:
        (one,) = services_of(service(command=["serve", *arguments], environment=environment))
    except Problem as problem:
        assert problem.rule == "service.malformed"
        return
    assert services_of({"one": records.raw(one)}) == (one,)


def unquote(text: str) -> str:
    """What systemd makes of one quoted word: C escapes, then specifiers (systemd.syntax(7))."""
    assert text[0] == text[-1] == '"'
    table = {"n": "\n", "t": "\t", "r": "\r"}

    def one(found: re.Match[str]) -> str:
        escape = found.group(1)
        return chr(int(escape[1:], 16)) if escape[0] == "x" else table.get(escape, escape)

    inner = re.sub(r"\\(x[0-9a-f]{2}|.)", one, text[1:-1], flags=re.DOTALL)
    assert '"' not in re.sub(r"\\.", "", text[1:-1])
    return re.sub("%(.)", lambda found: {"%": "%"}[found.group(1)], inner)


@given(TEXT)
def test_a_quoted_word_is_read_as_it_was(word: str) -> None:
    text = words.quoted(word)
    assert "\n" not in text and unquote(text) == word


@given(TEXT)
def test_no_argument_begins_a_variable_of_the_unit(word: str) -> None:
    line = words.command_line("/opt/x", [word])
    argument = unquote(line[len('"/opt/x" ') :])
    assert re.fullmatch(r"(?:[^$]|\$\$)*", argument, re.DOTALL) and argument.replace("$$", "$") == word


@given(st.dictionaries(st.from_regex(r"\A[A-Z_]{1,5}\Z"), st.text(st.sampled_from('ab"\\$`\n\t #;%{}'))))
def test_an_environment_file_is_read_as_it_was(values: dict[str, str]) -> None:
    """By the rules for double quotes: a backslash keeps the four, all else stands for itself."""
    text, found = words.environment_text(values), {}
    for name, inner in re.findall(r'([A-Z_]+)="((?:\\.|[^"\\])*)"\n', text, re.DOTALL):
        found[name] = re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)
    assert found == values


def test_secrets_are_found_by_their_place_and_by_their_name() -> None:
    given = service(secrets={"A": "hidden1"}, environment={"HF_TOKEN": "hidden2", "LANGUAGE": "english"})
    assert secret_values(given) == {"hidden1", "hidden2"}
    shown = late.compared(given)
    assert "hidden" not in shown and "HF_TOKEN" in shown
    assert secret_values("x") == secret_values(None) == secret_values({"a": 1}) == set()
