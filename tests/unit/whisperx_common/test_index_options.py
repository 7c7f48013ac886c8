"""The options of indexes, and what becomes of them."""

from __future__ import annotations

import pytest

from module_utils.whisperx_common.index_options import index_options, index_values


@pytest.mark.parametrize("kind", ["path", "str"])
def test_the_kind_of_find_links_is_the_modules(kind: str) -> None:
    assert index_options(kind)["find_links"]["elements"] == kind


def test_a_module_without_directories_does_not_offer_them() -> None:
    assert set(index_options()) - set(index_options("")) == {"find_links"}


def test_a_password_is_never_logged() -> None:
    assert [name for name, row in index_options().items() if row.get("no_log")] == ["password"]


def test_every_option_has_a_value_of_its_kind() -> None:
    empty = index_values({name: row.get("default") for name, row in index_options().items()})
    assert empty == {
        "index_url": "",
        "torch_index": "",
        "username": "",
        "password": "",
        "extra_index_urls": (),
        "find_links": (),
    }
    assert index_values({}) == empty


def test_values_are_handed_on() -> None:
    given = {"index_url": "https://i", "extra_index_urls": ["https://e"], "password": "p", "offline": True}
    values = index_values(given)
    assert (values["index_url"], values["extra_index_urls"], values["password"]) == given_parts(given)
    assert "offline" not in values


def given_parts(given: dict[str, object]) -> tuple[object, ...]:
    return given["index_url"], ("https://e",), given["password"]
