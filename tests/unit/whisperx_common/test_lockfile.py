"""The lock's text: what is written is read back, and nothing else is accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_common.lockfile import Lock, LockedPackage, digest, parse, render, total
from module_utils.whisperx_common.names import normalise
from module_utils.whisperx_problem import Problem

SHA = "0123456789abcdef" * 4
HEADER = {
    "whisperx-fleet-lock": "1",
    "class": "cpu-py313",
    "request": '{"ctranslate2":""}',
    "platform": "x86_64-manylinux_2_40",
    "python": "3.13",
    "device": "cpu",
    "torch-build": "",
    "torch-backend": "",
    "catalogue": "",
    "uv": "0.13.9",
}


def package(name: str, version: str = "1.0", size: int | None = 10, origin: str = "index") -> LockedPackage:
    return LockedPackage(
        name, version, SHA, f"{name.replace('-', '_')}-{version}-py3-none-any.whl", size, origin
    )


TEXT = render(Lock(HEADER, (package("numpy"), package("ctranslate2", "4.8.5"))))

names = st.from_regex(r"\A[a-z0-9]{1,5}(-[a-z0-9]{1,5}){0,2}\Z")
versions = st.from_regex(r"\A(0|[1-9][0-9]?)(\.(0|[1-9][0-9]?)){0,3}(rc1)?(\.post2)?(\+(cpu|cu128))?\Z")
origins = st.sampled_from(["index", "local", "built", "repaired:" + SHA])
packages = st.builds(package, names, versions, st.none() | st.integers(0, 10**12), origins)
header_values = st.text(
    st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=20
)


@given(st.lists(packages, min_size=1, max_size=8, unique_by=lambda entry: entry.name), header_values)
def test_what_is_rendered_is_read_back(entries: list[LockedPackage], value: str) -> None:
    text = render(Lock({**HEADER, "class": value}, tuple(entries)))
    lock = parse(text)
    assert lock.header["class"] == value
    assert lock.packages == tuple(sorted(entries, key=lambda entry: entry.name))
    assert render(lock) == text
    assert lock.bytes == total(tuple(entries))
    assert digest(render(Lock(lock.header, tuple(reversed(entries))))) == digest(text)


@given(st.text())
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(text)
    assert caught.value.rule == "lock.malformed"
    assert caught.value.where.startswith("line ")


@given(st.data())
def test_an_edited_lock_is_not_a_lock(data: st.DataObject) -> None:
    """Any one character replaced from the computed lines on is noticed."""
    body = TEXT.index("# bytes:")
    at = data.draw(st.integers(body, len(TEXT) - 1))
    character = data.draw(st.characters().filter(lambda entry: entry != TEXT[at]))
    with pytest.raises(Problem):
        parse(TEXT[:at] + character + TEXT[at + 1 :])


def edited(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        (edited("lock: 1", "lock: 2"), 1, "schema '2'"),
        (edited("# class: cpu-py313", "# kind: cpu-py313"), 2, "# kind"),
        (edited("# class: cpu-py313", "# class:"), 2, "no value"),
        (edited('{"ctranslate2":""}', '["ctranslate2"]'), 3, "request"),
        (edited("# python: 3.13\n", ""), 5, "# device"),
        (edited("# bytes: 20", "# bytes: 21"), 11, "does not agree"),
        (edited("# content: ", "# content: 0"), 12, "does not agree"),
        (edited("ctranslate2==4.8.5", "CTranslate2==4.8.5"), 13, "name 'CTranslate2'"),
        (edited("ctranslate2==4.8.5", "ctranslate2==v4.8.5"), 13, "version 'v4.8.5'"),
        (edited("ctranslate2==4.8.5", "ctranslate2>=4.8.5"), 13, "ctranslate2>=4.8.5"),
        (edited(SHA, SHA.upper()), 13, "sha256"),
        (edited(SHA, SHA[:-1]), 13, "sha256"),
        (edited("ctranslate2-4.8.5-py3-none-any.whl", "other-4.8.5-py3-none-any.whl"), 13, "other-4.8.5"),
        (edited("ctranslate2-4.8.5-py3-none-any.whl", "../ctranslate2-4-py3-none-any.whl"), 13, "file"),
        (edited("none-any.whl 10 index", "none-any.whl 010 index"), 13, "size"),
        (edited("10 index", "10 https://example.org/x"), 13, "origin"),
        (TEXT + TEXT.splitlines()[-1] + "\n", 15, "listed twice"),
        (TEXT + TEXT.splitlines()[-2] + "\n", 15, "out of order"),
        (TEXT + "\n", 15, "''"),
        (TEXT[:-5], 14, "half a file"),
        (TEXT.replace("\n", "\r\n"), 1, "1"),
        ("", 1, "''"),
        ("\n", 1, "''"),
        ("\n".join(TEXT.splitlines()[:12]) + "\n", 12, "no package"),
    ],
)
def test_refusals_name_the_line(text: str, line: int, found: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(text, "locks/cpu.txt")
    assert caught.value.where == f"locks/cpu.txt, line {line}"
    assert found in caught.value.found
    assert caught.value.rule == "lock.malformed"


def test_sum_of_sizes_is_unknown_when_one_is() -> None:
    text = render(Lock(HEADER, (package("numpy", size=None), package("ctranslate2"))))
    assert "# bytes: unknown\n" in text
    assert parse(text).bytes is None


def test_render_refuses_what_could_not_be_read_back() -> None:
    with pytest.raises(Problem):
        render(Lock({**HEADER, "device": "a\nb"}, (package("numpy"),)))


def test_names_are_normalised() -> None:
    assert normalise("NVIDIA.cublas__cu12") == "nvidia-cublas-cu12"
    assert [package("a", origin=origin).travels for origin in ("index", "local")] == [False, True]
