"""Indexes, credentials, uv's complaints: what is used, and what is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.whisperx_common.secrets import secrets_in
from module_utils.whisperx_lock.complaint import complaint, trimmed
from module_utils.whisperx_lock.sources import Sources, make_sources, scrub
from module_utils.whisperx_problem import Problem

MAIN = "https://index.example.org/simple"
secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=4, max_size=20)


def test_credentials_go_into_the_environment_only() -> None:
    sources = make_sources(
        "https://me:se%40cret@index.example.org:8443/simple?x=1",
        ("http://two.example.org/simple",),
        torch_index="https://torch.example.org/whl",
    )
    assert sources.arguments() == [
        "--default-index",
        "whisperx-main=https://index.example.org:8443/simple?x=1",
        "--index",
        "whisperx-extra-1=http://two.example.org/simple",
        "--index-strategy",
        "unsafe-first-match",
    ]
    assert sources.environment() == {
        "UV_INDEX_WHISPERX_MAIN_USERNAME": "me",
        "UV_INDEX_WHISPERX_MAIN_PASSWORD": "se@cret",
    }
    assert "cret" not in repr(sources)


def test_credentials_are_for_one_server() -> None:
    sources = make_sources(
        MAIN,
        ("https://index.example.org/more", "https://other.example.org/simple", "http://index.example.org/x"),
        username="me",
        password="secret",
    )
    assert [bool(index.password) for index in sources.extra] == [True, False, False]
    assert sources.credentials_for("https://index.example.org:443/files/x.whl") == ("me", "secret")
    for url in (
        "https://files.example.org/x.whl",
        "http://index.example.org/x.whl",
        MAIN.replace("org", "org:8"),
    ):
        assert sources.credentials_for(url) == ("", "")


def test_without_a_main_index_they_are_for_the_first_other() -> None:
    sources = make_sources("", ("https://one.example.org/simple",), username="me", password="secret")
    assert sources.extra[0].password == "secret"
    with pytest.raises(Problem) as caught:
        make_sources(username="me")
    assert caught.value.rule == "lock.credentials"


@given(secrets)
def test_no_secret_is_left_in_a_text(secret: str) -> None:
    sources = make_sources(MAIN, username="me", password=secret)
    text = f"GET https://me:{secret}@index.example.org/simple/x failed; the password was {secret}."
    shown = sources.scrub(text)
    assert secret not in shown.replace("****", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://me:pw@host/simple", "see https://host/simple"),
        ("see https://me:p@w@host/simple and http://x@host", "see https://host/simple and http://host"),
        ("https://host/a@1.0", "https://host/a@1.0"),
        ("mail me@host", "mail me@host"),
        ("short pw stays a word", "short pw stays a word"),
    ],
)
def test_scrubbing_takes_the_user_part_alone(text: str, shown: str) -> None:
    assert scrub(text, ["pw"]) == shown


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://me:p%40ss@host/simple", {"p%40ss", "p@ss"}),
        ("https://me:p/s@s@host/simple", {"p/s@s"}),
        ("https://:p%40ss@host/simple", {"p%40ss", "p@ss"}),
        ("https://token@host/simple", {"token"}),
        ("https://token:@host/simple", {"token"}),
        ("https://host/a@1.0", set()),
        ("https://host/simple", set()),
        ("", set()),
    ],
)
def test_secrets_are_found_in_any_address(url: str, found: set[str]) -> None:
    assert secrets_in(url) == found


@pytest.mark.parametrize(
    "url",
    [
        "index.example.org",
        "ftp://host/x",
        "https:///path",
        "http://u:p/ss@host/",
        "http://host:port/",
        "file:x",
    ],
)
def test_an_odd_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(Problem) as caught:
        make_sources(MAIN, (url,))
    assert (caught.value.rule, caught.value.where) == ("lock.index-url", "extra_index_urls")
    assert url not in caught.value.sentence()


def test_the_torch_index_is_a_base() -> None:
    with pytest.raises(Problem) as caught:
        make_sources(torch_index="https://torch.example.org/whl/cpu")
    assert caught.value.rule == "lock.index-url"
    assert "https://torch.example.org/whl" in caught.value.remedy


@pytest.mark.parametrize("path", ["/nowhere/at/all", "https://me:secret@host/links"])
def test_find_links_is_a_directory(path: str) -> None:
    with pytest.raises(Problem) as caught:
        make_sources(find_links=(path,))
    assert caught.value.rule == "lock.find-links"
    assert "secret" not in caught.value.sentence()


def test_find_links_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wheels").mkdir()
    monkeypatch.chdir(tmp_path)
    assert make_sources(find_links=("wheels",)).arguments() == ["--find-links", str(tmp_path / "wheels")]


# What uv 0.13.9 wrote; the hosts were changed.
UNREACHABLE = """\
error: Request failed after 3 retries in 8.0s
  cause: Failed to fetch: https://index.example.org/simple/tiny/
  cause: error sending request for url (https://index.example.org/simple/tiny/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)
"""
TORCH = """\
error: Failed to fetch: https://torch.example.org/whl/cpu/torch/
  cause: error sending request for url (https://torch.example.org/whl/cpu/torch/)
  cause: failed to lookup address information: Name or service not known
"""
REFUSED = """\
error: No solution found when resolving dependencies
  cause: Because tiny was not found in the package registry and you require tiny, we can conclude that \
your requirements are unsatisfiable.

hint: An index URL (https://index.example.org/simple) could not be queried due to a lack of valid \
authentication credentials (401 Unauthorized)
"""
FORBIDDEN = REFUSED.replace("401 Unauthorized", "").replace(
    "An index URL (https://index.example.org/simple) could not",
    "An index (https://index.example.org/simple) returned a 403 Forbidden error. Check",
)
BROKEN = """\
error: Failed to fetch: https://index.example.org/simple/tiny/
  cause: HTTP status server error (500 Internal Server Error) for url (https://index.example.org/simple/tiny/)
"""
UNSATISFIABLE = """\
warning: The requested Python version 3.13 is not available; 3.11.7 will be used to build dependencies.
error: No solution found when resolving dependencies
  cause: Because whisperx==3.8.6 depends on ctranslate2>=4.5.0 and you require whisperx==3.8.6, we can \
conclude that you require ctranslate2>=4.5.0.
         And because you require ctranslate2==4.4.0, we can conclude that your requirements are unsatisfiable.
"""
OFFLINE = """\
error: No solution found when resolving dependencies
  cause: Because tiny was not found in the cache and you require tiny, we can conclude that your \
requirements are unsatisfiable.

hint: Packages were unavailable because the network was disabled. When the network is disabled, registry \
packages may only be read from the cache.
"""


@pytest.mark.parametrize(
    ("stderr", "torch", "rule", "where", "found"),
    [
        (UNREACHABLE, "", "lock.index", MAIN, "Connection refused"),
        (UNREACHABLE, "/cpu/", "lock.index", MAIN, "Connection refused"),
        (TORCH, "/cpu/", "lock.torch-index", "", "Name or service not known"),
        (REFUSED, "", "lock.credentials", MAIN, "401"),
        (FORBIDDEN, "", "lock.credentials", MAIN, "you require tiny"),
        (BROKEN, "", "lock.index", MAIN, "500 Internal Server Error"),
        (UNSATISFIABLE, "", "lock.unsatisfiable", "uv pip compile", "you require ctranslate2==4.4.0"),
        (OFFLINE, "", "lock.offline", "UV_OFFLINE", "network was disabled"),
        ("error: a panic", "", "lock.uv", "uv", "a panic"),
    ],
)
def test_complaints_are_told_apart(stderr: str, torch: str, rule: str, where: str, found: str) -> None:
    sources = make_sources(MAIN, username="me", password="secret")
    problem = complaint(stderr, sources, torch)
    assert (problem.rule, problem.where) == (rule, where)
    assert found in problem.found
    assert "\n" not in problem.sentence()
    assert "warning" not in problem.sentence()


def test_the_default_index_has_no_address_of_ours() -> None:
    assert complaint(UNREACHABLE, Sources()).where == "uv's default index"


def test_long_explanations_keep_both_ends() -> None:
    text = trimmed("error: " + "begin " + "x " * 5000 + "end")
    assert (text[:5], text[-3:], len(text) < 1300) == ("begin", "end", True)
