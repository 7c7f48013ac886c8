"""What nobody may see of a module's options: the one list, whatever the options are called.

Any option may hold an address, and an address may carry credentials. So nothing is listed by name: every text
among the options is looked at, and mappings of variables too.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, Mapping, Set, Tuple
from urllib.parse import unquote

__all__ = ["secrets_in", "secrets_of"]

# Names of variables whose values are secrets themselves.
_NAMED = re.compile(r"token|passw|secret|credential|api_?key|auth", re.IGNORECASE)
# A shorter one would blank out parts of ordinary words.
_SHORTEST = 4
# An option is an address or a few of them; what is longer is a lock, a plan, a knowledge of failures.
_LONGEST = 4096
# A variable in a command's option, such as --env=HF_TOKEN=...
_ASSIGNED = re.compile(r"(\w+)=")
_BETWEEN = re.compile(r"[\s,]+")


def secrets_in(url: str) -> Set[str]:
    """Return what nobody may see of an address, well formed or not, as written and as meant.

    That is the password; a user name that stands alone is a token.
    """
    user, _colon, password = url.rpartition("@")[0].partition("//")[2].partition(":")
    secret = password or ("" if "/" in user else user)
    return {secret, unquote(secret)} if secret else set()


def secrets_of(options: Mapping[str, Any]) -> Set[str]:
    """Return what nobody may see of a module's options."""
    return {
        secret for name, value in options.items() for text in _texts(name, value) for secret in _hidden(*text)
    }


def _texts(name: str, value: Any) -> Iterator[Tuple[str, str]]:
    """Yield the texts of an option, each with the name it goes by; in a mapping that is the variable's."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, (list, tuple)):
        yield from ((name, text) for text in value if isinstance(text, str))
    elif isinstance(value, Mapping):
        variables: Dict[Any, Any] = dict(value)
        yield from ((str(key), text) for key, text in variables.items() if isinstance(text, str))


def _hidden(name: str, text: str) -> Set[str]:
    if len(text) > _LONGEST or "\n" in text:
        return set()
    found = {text} if _NAMED.search(name) and len(text) >= _SHORTEST else set()
    for assigned in _ASSIGNED.finditer(text):
        value = text[assigned.end() :]
        if _NAMED.search(assigned.group(1)) and len(value) >= _SHORTEST:
            found.add(value)
    if "//" in text and "@" in text:
        found |= secrets_in(text)
        for part in _BETWEEN.split(text):
            found |= secrets_in(part)
    return found
