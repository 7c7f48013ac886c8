"""A command as words, and words as systemd and its environment files read them. No shell is ever involved.

Sources: systemd.service(5) "Command lines", systemd.syntax(7), systemd.exec(5) "EnvironmentFile=".
"""

from __future__ import annotations

import difflib
import re
import shlex
from typing import Any, Dict, Mapping, Sequence, Tuple

from ..whisperx_common.records import text
from ..whisperx_common.wording import printable
from ..whisperx_problem import Problem

__all__ = [
    "PLACEHOLDERS",
    "assignment",
    "check_braces",
    "checked_values",
    "command_line",
    "cut",
    "environment_text",
    "filled",
    "malformed",
    "quoted",
    "setting",
    "shown",
    "words_of",
]

PLACEHOLDERS = ("instance", "port", "state")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
# What looks like one.
_BRACED = re.compile(r"\{\s*([A-Za-z_]\w*)\s*\}", re.ASCII)
_LONGEST = 80
# What a user writes who expects a shell.
_SHELL = ("|", "||", "&", "&&", ";", ">", ">>", "<", "2>", "2>&1", "`")
# Control characters; systemd's own escapes exist for them in unit files, but not in environment files.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def malformed(where: str, found: str, wanted: str, remedy: str) -> Problem:
    """Return what is wrong with a value of whisperx_services."""
    place = "whisperx_services." + printable(where)
    return Problem("service.malformed", found, place.rstrip("."), wanted, remedy)


def shown(value: Any) -> str:
    """Return a value for a sentence; of one that has others in it the kind alone, for they may be secret."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "'{}'".format(cut(str(value)))


def cut(value: str) -> str:
    """Return a text fit for a sentence."""
    line = printable(value)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def words_of(value: Any, where: str) -> Tuple[str, ...]:
    """Return the words of a command: a text is split as a shell would, a list is taken as it is.

    Raises Problem "service.malformed" for what no program could be started with.
    """
    remedy = "Write the program and its arguments; quote words that hold spaces, or write a list of words."
    if isinstance(value, str):
        check_braces(value, where, "Use one of these, or write a list of words: those stand as they are.")
        try:
            found, bare = shlex.split(value), shlex.split(value, posix=False)
        except ValueError as error:
            raise malformed(
                where, "{} in {}".format(error, shown(value)), "quotes in pairs", remedy
            ) from None
    elif isinstance(value, (list, tuple)) and all(isinstance(word, (str, int, float)) for word in value):
        found, bare = [str(word) for word in value], []
    else:
        raise malformed(where, shown(value), "a command", remedy)
    if not found or not found[0]:
        raise malformed(where, "an empty command", "a command", remedy)
    _check_words(found, bare, where)
    return tuple(found)


def _check_words(words: Sequence[str], bare: Sequence[str], where: str) -> None:
    """Check the words of a command; ``bare`` are they with their quotes."""
    for word in bare:
        if word in _SHELL:
            raise malformed(
                where,
                "'{}', which only a shell understands".format(word),
                "one program and its arguments: no shell runs them",
                "Put what needs a shell into a script, or quote the word if it is meant as it stands.",
            )
    for word in words:
        if not text(word) or "\0" in word:
            raise malformed(where, "a NUL or half a character", "text in UTF-8", "Remove it.")
        check_braces(word, where)


def check_braces(word: str, where: str, otherwise: str = "") -> None:
    """Raise Problem "service.malformed" for what is meant as a placeholder and is none.

    With ``otherwise``, the next step, that is each name in braces; without, what is nearly a placeholder.
    """
    known = ["{" + one + "}" for one in PLACEHOLDERS]
    for found in _BRACED.finditer(word):
        close = difflib.get_close_matches(found.group(1).lower(), PLACEHOLDERS, 1)
        if found.group(0) not in known and (close or otherwise):
            remedy = "Did you mean {{{}}}?".format(close[0]) if close else otherwise
            raise malformed(where, found.group(0), ", ".join(known), remedy)


def filled(word: str, values: Mapping[str, str]) -> str:
    """Return a word with the placeholders of ``values`` filled in; other braces stay as they are."""
    return _PLACEHOLDER.sub(lambda found: values.get(found.group(1), found.group(0)), word)


def quoted(word: str) -> str:
    """Return a word for a unit's setting that knows quotes and specifiers (%), such as Environment=."""
    escaped = "".join(_ESCAPES.get(letter) or _escaped(letter) for letter in word)
    return '"{}"'.format(escaped.replace("%", "%%"))


def setting(path: str) -> str:
    """Return a path for a setting that takes the rest of its line and knows specifiers, no quotes."""
    return path.replace("%", "%%")


def command_line(path: str, arguments: Sequence[str]) -> str:
    """Return the value of ExecStart=. In arguments $ would begin a variable, so it is doubled."""
    return " ".join([quoted(path), *(quoted(word).replace("$", "$$") for word in arguments)])


def assignment(name: str, value: str) -> str:
    """Return one value of Environment=."""
    return quoted("{}={}".format(name, value))


def environment_text(values: Mapping[str, str]) -> str:
    """Return the text of an environment file. In double quotes a backslash keeps these four as they are."""
    lines = []
    for name, value in sorted(values.items()):
        escaped = re.sub(r'(["\\$`])', r"\\\1", value)
        lines.append('{}="{}"\n'.format(name, escaped))
    return "".join(lines)


def checked_values(values: Any, where: str) -> Dict[str, str]:
    """Return variables by name. Raises Problem "service.malformed"."""
    remedy = "Write NAME: value, as text."
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        # No text: it may be a secret.
        found_kind = "a text" if isinstance(values, str) else shown(values)
        raise malformed(where, found_kind, "names and values", remedy)
    found: Dict[str, str] = {}
    for name, value in dict(values).items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise malformed(where, "a variable " + shown(name), "letters, digits and underscores", remedy)
        if isinstance(value, (Mapping, list, tuple)) or value is None:
            raise malformed("{}.{}".format(where, name), shown(value), "a text", remedy)
        told = str(value).lower() if isinstance(value, bool) else str(value)
        if not text(told) or _CONTROL.search(told):
            raise malformed(
                "{}.{}".format(where, name),
                "a control character",
                "text; lines and tabs are fine",
                "Remove it.",
            )
        found[name] = told
    return found


def _escaped(letter: str) -> str:
    """Return a control character as systemd's escape, any other as it is."""
    return "\\x{:02x}".format(ord(letter)) if ord(letter) < 32 or ord(letter) == 127 else letter
