"""Short names of modules, roles and playbooks become those that resolve from anybody's playbook."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import yaml

__all__ = ["CONTROLLER", "Names", "controller_text", "playbook_text", "plugin_text", "tasks_text"]

# The package that imports ansible itself, which nothing below module_utils may.
CONTROLLER = "whisperx_action"

_INCLUDES = ("ansible.builtin.import_role", "ansible.builtin.include_role", "import_role", "include_role")
# Documentation of a module, and the examples and results beside it.
_DOCUMENTS = re.compile(r'(?ms)^(?:DOCUMENTATION|EXAMPLES|RETURN) = r?"""\n.*?^"""')
# What only a checkout needs: there, plugins are loaded from outside of a package.
_CHECKOUT = re.compile(
    r"(?ms)^# In a checkout, plugins are loaded below.*?^ +ansible\.plugins\.__path__\.append\(_ROOT\)\n\n?"
)


@dataclass(frozen=True)
class Names:
    """What the collection calls its own. ``prefix``: namespace and name, ``whisperx.fleet.``."""

    prefix: str
    modules: Collection[str]
    roles: Collection[str]
    playbooks: Collection[str]
    lookups: Collection[str] = ()


def tasks_text(text: str, names: Names) -> str:
    """Return a file of tasks or plays with the whole names of its modules and roles; nothing else changes.

    Raises yaml.YAMLError for a text that is no YAML.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    places = {node.start_mark.index for node in _named(root, names)} if root else set()
    for place in sorted(places, reverse=True):
        # A name in quotes begins behind the quote.
        start = place + (text[place] in "\"'")
        text = text[:start] + names.prefix + text[start:]
    return playbook_text(text, names)


def plugin_text(text: str, names: Names) -> str:
    """Return the source of a plugin or module with whole names in its pages and messages."""
    text = _DOCUMENTS.sub(lambda found: _document(found.group(0), names), text)
    text = text.replace(f"..module_utils.{CONTROLLER}", f"..plugin_utils.{CONTROLLER}")
    if _CHECKOUT.search(text):
        text = _CHECKOUT.sub("", text).replace("  # noqa: E402", "")
        text = text.replace("import ansible.plugins\n", "")
        if len(re.findall(r"\bPath\b", text)) == 1:
            text = text.replace("from pathlib import Path\n", "")
        # Nothing may be left of a group of imports but the lines around it.
        text = re.sub(r"\n{3,}(?=from |import )", "\n\n", text)
    return playbook_text(text, names)


def controller_text(text: str, names: Names) -> str:
    """Return the source of what lies below plugin_utils: the other packages are below module_utils."""
    return plugin_text(re.sub(r"(?m)^from \.\.(?=whisperx_)", "from ...module_utils.", text), names)


def playbook_text(text: str, names: Names) -> str:
    """Return a text in which playbooks are called as ``ansible-playbook`` finds them, and lookups."""
    known = "|".join(sorted(names.lookups)) or "(?!)"
    text = re.sub(rf"\b(lookup|query|q)\('({known})'", rf"\1('{names.prefix}\2'", text)
    known = "|".join(sorted(names.playbooks))
    return re.sub(
        rf"(?<![\w./-])(?:playbooks/({known})|(site))\.yml\b",
        lambda found: names.prefix + (found[1] or found[2]),
        text,
    )


def _named(node: yaml.Node, names: Names) -> Iterator[yaml.ScalarNode]:
    """Yield the scalars that name a module or a role of the collection."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            if isinstance(item, yaml.MappingNode):
                yield from (key for key, _ in item.value if key.value in names.modules)
            yield from _named(item, names)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value in _INCLUDES:
                yield from _roles(value, names)
            elif key.value == "roles" and isinstance(value, yaml.SequenceNode):
                for item in value.value:
                    yield from _roles(item, names)
            yield from _named(value, names)


def _roles(node: yaml.Node, names: Names) -> Iterator[yaml.ScalarNode]:
    """Yield the role's name of an import, an include or an entry of ``roles``."""
    fields = dict.fromkeys(("name", "role"))
    found = [node] if isinstance(node, yaml.ScalarNode) else []
    if isinstance(node, yaml.MappingNode):
        found = [value for key, value in node.value if key.value in fields]
    yield from (value for value in found if value.value in names.roles)


def _document(text: str, names: Names) -> str:
    """Return a part of a module's page with whole names of modules: in links, examples and lists of pages."""
    known = "|".join(sorted(names.modules))
    if text.startswith("EXAMPLES"):
        head, body, tail = text.split('"""')
        return '"""'.join((head, tasks_text(body, names), tail))
    text = re.sub(rf"\bM\(({known})\)", rf"M({names.prefix}\1)", text)
    text = re.sub(rf"\b(R?[OV])\(({known})#", rf"\1({names.prefix}\2#", text)
    return re.sub(rf"(?m)^( +(?:- )?module: )({known})$", rf"\1{names.prefix}\2", text)
