"""Controller: the libraries that Ansible brings on a controller; hosts have none of them.

ansible-test imports modules where they are missing. There each name stands for something that can be named
and not used; on a controller Ansible itself would not start without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = [
    "AbstractProvider",
    "BaseReporter",
    "Environment",
    "FileSystemLoader",
    "InvalidName",
    "InvalidRequirement",
    "InvalidSpecifier",
    "InvalidVersion",
    "InvalidWheelFilename",
    "Marker",
    "Markup",
    "Requirement",
    "ResolutionImpossible",
    "ResolutionTooDeep",
    "Resolver",
    "SafeLoader",
    "SpecifierSet",
    "StrictUndefined",
    "Tag",
    "TemplateError",
    "Version",
    "canonicalize_name",
    "compatible_tags",
    "cpython_tags",
    "load_yaml",
    "parse_tag",
    "parse_wheel_filename",
    "yaml",
]

try:
    import yaml
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
    from markupsafe import Markup
    from packaging.markers import Marker
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.tags import Tag, compatible_tags, cpython_tags, parse_tag
    from packaging.utils import InvalidName, InvalidWheelFilename, canonicalize_name, parse_wheel_filename
    from packaging.version import InvalidVersion, Version
    from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver

    SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
except ImportError:
    if not TYPE_CHECKING:

        def __getattr__(name: str) -> Any:
            """Return a class of this name that has nothing."""
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (Exception,), {})


def load_yaml(text: str | bytes) -> Any:
    """Return what a YAML text says. Raises yaml.YAMLError.

    By libyaml, where PyYAML was built with it, as its wheels are: ten times as fast as yaml.safe_load.
    """
    return yaml.load(text, Loader=SafeLoader)
