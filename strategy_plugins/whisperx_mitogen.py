# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The strategy `linear` by way of Mitogen, for whoever has that installed: it sends modules what they import.

Mitogen 0.3 looks for what a module imports under its name below ansible.module_utils. It passes over relative
imports and over those in functions, which Ansible takes as well and the modules here have; this finds them.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: whisperx_mitogen
author: The whisperx-fleet authors (@whisperx-fleet)
version_added: 0.1.0
short_description: The strategy linear by way of Mitogen
description:
  - Runs tasks as the strategy C(linear) does, over the connections of Mitogen, which are faster.
  - Mitogen has to be installed beside Ansible; see docs/fleet.md.
"""

import importlib.util
import typing as t
from types import CodeType

from ansible.errors import AnsibleError
from ansible.plugins.loader import strategy_loader

try:
    import ansible_mitogen.loaders
    import ansible_mitogen.module_finder as finder
    import ansible_mitogen.strategy
    import mitogen.imports
except ImportError as error:
    MISSING: ImportError | None = error
else:
    MISSING = None

_UTILS = "ansible.module_utils"
_MODULES = "ansible.modules"


def absolute_imports(code: CodeType, prefix: str | None = None) -> t.Iterator[str]:
    """Yield the names below ``prefix`` that code imports, parents included, as Mitogen's walk_imports does.

    Mitogen compiles under the module's name, so that ``code`` tells what its imports are relative to.
    """
    named: str = code.co_filename
    package = named.rpartition(".")[0] if named.startswith(_UTILS) else _MODULES
    for level, name, leaves in imports(code, deep="whisperx" in named):
        whole = importlib.util.resolve_name("." * level + name, package) if level > 0 else name
        if not whole.startswith(prefix or ""):
            continue
        parts = whole.split(".")
        for count in range((prefix or "").count(".") + 2, len(parts) + 1):
            yield ".".join(parts[:count])
        for leaf in leaves:
            yield f"{whole}.{leaf}"


def imports(code: CodeType, deep: bool) -> t.Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield level, name and leaves of every import of a module, with ``deep`` also of those in functions."""
    yield from mitogen.imports.codeobj_imports(code)
    for inner in code.co_consts if deep else ():
        if isinstance(inner, CodeType):
            yield from imports(inner, deep)


_BASES: list[t.Any] = [strategy_loader.get("linear", class_only=True)]
if MISSING is None:
    finder.walk_imports = absolute_imports
    _BASES.insert(0, ansible_mitogen.strategy.StrategyMixin)


class StrategyModule(*_BASES):
    """Runs a play like `linear`."""

    def __init__(self, *given: t.Any, **options: t.Any) -> None:
        if MISSING is not None:
            raise AnsibleError(
                f"Mitogen is not installed ({MISSING}); wanted: mitogen >= 0.3 beside Ansible. "
                "Install it, or run with the strategy linear."
            )
        super().__init__(*given, **options)
