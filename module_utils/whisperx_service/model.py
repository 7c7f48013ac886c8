"""What a user writes in whisperx_services, validated: nothing is changed before all of it is right."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple
from urllib.parse import urlsplit

from ..whisperx_common.extras import COMMAND
from ..whisperx_common.records import text
from ..whisperx_common.secrets import secrets_of
from . import words
from .words import malformed

__all__ = ["GPU", "Health", "Service", "public", "secret_values", "services_of", "variables"]

# One instance for each GPU.
GPU = "gpu"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
# Of systemd's form, and what is meant by others.
_MEMORY = re.compile(r"([1-9][0-9]{0,15}) *([KMGT]?)(?:i|i?B)?", re.IGNORECASE)
# No program starts with less than the first; the kernel counts no more than the last.
_LEAST_MEMORY, _MOST_MEMORY = 1 << 20, 1 << 62
# Units of the toolkit that have such names.
_RESERVED = ("firstboot",)
# What the units themselves say to launch scripts.
_OURS = re.compile(r"WHISPERX_(?:CONTAINER_.*|SERVICE)")
_MOST = 64
_WITHIN = 60
_LONGEST = 3600
_KEYS = (
    "command",
    "environment",
    "gpu",
    "health",
    "instances",
    "memory",
    "port",
    "secrets",
    "user",
    "writable",
)
_CHECKS = ("command", "http", "tcp")
_HEALTH_KEYS = (*_CHECKS, "status", "within")
# What an address is, and what to write.
_TARGETS = {
    "http": ("an address such as http://127.0.0.1:8000/health", 'Write `{http: "http://127.0.0.1:8000"}`.'),
    "tcp": ("an address such as 127.0.0.1:10300", 'Write `{tcp: "127.0.0.1:10300"}`.'),
}


@dataclass(frozen=True)
class Health:
    """How a service shows that it works: ``kind`` is "command", "http", "tcp", or "" for none.

    ``argv`` is the command's words, ``target`` the address of the others, ``status`` what an http server has
    to return. It has ``within`` seconds from its start.
    """

    kind: str = ""
    argv: Tuple[str, ...] = ()
    target: str = ""
    status: int = 200
    within: int = _WITHIN

    @property
    def sentence(self) -> str:
        """The check for people."""
        if self.kind == "http":
            return "status {} from {}".format(self.status, self.target)
        return {"": "a process that stays", "tcp": "a connection to " + self.target}.get(
            self.kind, "success of '{}'".format(words.cut(" ".join(self.argv)))
        )


@dataclass(frozen=True)
class Service:
    """One service. ``instances`` 0 means one per GPU; ``port`` 0 means none was given, ``gpu`` None "auto".

    Without ``user`` systemd makes one. ``secrets`` are variables as ``environment``, and shown nowhere.
    """

    name: str
    argv: Tuple[str, ...]
    health: Health = Health()
    instances: int = 1
    port: int = 0
    gpu: Optional[bool] = None
    user: str = ""
    memory: str = ""
    writable: Tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    numbered: bool = False

    @property
    def command(self) -> str:
        """The release's command that it runs."""
        return self.argv[0]


def services_of(value: Any) -> Tuple[Service, ...]:
    """Return the services, by name. Raises Problem "service.malformed"; ``where`` names the key."""
    if value is None or value == "":
        return ()
    if not isinstance(value, Mapping):
        raise malformed("", "no mapping", "names of services, each with its command", "See docs/services.md.")
    found = [
        _service(name, given) for name, given in sorted(dict(value).items(), key=lambda one: str(one[0]))
    ]
    return tuple(found)


def public(given: Any) -> Any:
    """Return one service without the values of its variables."""
    if not isinstance(given, Mapping):
        return given
    hidden = {
        key: sorted(str(name) for name in given[key])
        for key in ("environment", "secrets")
        if isinstance(given.get(key), Mapping)
    }
    return {**given, **hidden}


def _service(name: Any, given: Any) -> Service:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise malformed(
            str(name),
            "a service named " + words.shown(name),
            "a name of at most 40 lower-case letters, digits and hyphens",
            "Rename it; its unit is called whisperx-NAME.service.",
        )
    if name in _RESERVED:
        raise malformed(
            name,
            "a service named '{}'".format(name),
            "another name: whisperx-{}.service is the toolkit's own".format(name),
            "Rename it.",
        )
    if not isinstance(given, Mapping):
        raise malformed(name, words.shown(given), "a mapping with at least a command", "Add `command:`.")
    if "socket" in given:
        raise malformed(
            name + ".socket",
            "socket activation",
            "a server that listens by itself: the speech servers that are known take no socket from systemd",
            "Remove it. Let a proxy in front hold connections while a service restarts.",
        )
    _check_keys(given, _KEYS, name)
    if given.get("command") in (None, ""):
        raise malformed(name, "no command", "the command that the service runs", "Add `command:`.")
    argv = words.words_of(given["command"], name + ".command")
    if not COMMAND.fullmatch(argv[0]):
        raise malformed(
            name + ".command",
            words.shown(argv[0]),
            "the name of a command of the release, without a directory",
            "Name one of whisperx_plan_packages or whisperx_plan_extras; variables go into `environment`.",
        )
    counted, numbered = _instances(given.get("instances", 1), name)
    service = Service(
        name=name,
        argv=argv,
        health=_health(given.get("health"), name + ".health"),
        instances=counted,
        port=_number(given.get("port", 0), name + ".port", 0, 65535),
        gpu=_gpu(given.get("gpu", "auto"), name + ".gpu"),
        user=_user(given.get("user"), name + ".user"),
        memory=_memory(given.get("memory"), name + ".memory"),
        writable=_paths(given.get("writable"), name + ".writable"),
        environment=words.checked_values(given.get("environment"), name + ".environment"),
        secrets=words.checked_values(given.get("secrets"), name + ".secrets"),
        numbered=numbered,
    )
    _check_together(service)
    return service


def _check_together(service: Service) -> None:
    """Raise Problem where keys that are each right contradict each other."""
    name, every = service.name, [*service.argv, *service.health.argv, service.health.target]
    if any("{port}" in word for word in every) and not service.port:
        raise malformed(
            name + ".port", "{port}, but no port", "the first instance's port", "Add `port: 10300`."
        )
    if service.port and service.port + max(service.instances, 1) - 1 > 65535:
        raise malformed(name + ".port", "a last port above 65535", "ports up to 65535", "Lower the port.")
    told = [word for word in service.argv if "{port}" in word or "{instance}" in word or "{state}" in word]
    if service.instances != 1 and not told:
        raise malformed(
            name + ".command",
            "several instances of the same command",
            "{port} or {instance} in the command, so that each listens somewhere else",
            "Write for example `--uri tcp://127.0.0.1:{port}` and `port: 10300`.",
        )
    if service.instances == 0 and service.gpu is False:
        raise malformed(
            name + ".instances", "one instance per GPU, and gpu: false", "a GPU", "Remove one of them."
        )
    _check_variables(service)


def _check_variables(service: Service) -> None:
    """Raise Problem for variables that would undo what the units say, or say nothing."""
    name = service.name
    both = sorted(set(service.environment) & set(service.secrets))
    if both:
        raise malformed(
            name + ".secrets",
            "'{}' twice".format(both[0]),
            "each variable once",
            "Remove it from environment.",
        )
    for key in variables(service):
        if _OURS.fullmatch(key) or (key == "CUDA_VISIBLE_DEVICES" and service.instances == 0):
            place = "environment" if key in service.environment else "secrets"
            wanted = "a variable that the units do not set themselves"
            raise malformed("{}.{}".format(name, place), "'{}'".format(key), wanted, "Remove it.")
    for key, value in service.environment.items():
        for placeholder in ("{" + one + "}" for one in words.PLACEHOLDERS):
            if placeholder in value:
                raise malformed(
                    "{}.environment.{}".format(name, key),
                    placeholder,
                    "placeholders in command and health alone: all instances have the same variables",
                    "Hand the value to the command as an argument.",
                )


def _check_keys(given: Mapping[Any, Any], keys: Sequence[str], where: str) -> None:
    for key in given:
        if key not in keys:
            close = difflib.get_close_matches(str(key), keys, 1)
            remedy = "Did you mean '{}'?".format(close[0]) if close else "Remove it."
            raise malformed(where, "an unknown key " + words.shown(str(key)), ", ".join(keys), remedy)


def _health(given: Any, where: str) -> Health:
    if given is None or given == {}:
        return Health()
    if not isinstance(given, Mapping):
        raise malformed(where, words.shown(given), "command, http or tcp", _TARGETS["tcp"][1])
    _check_keys(given, _HEALTH_KEYS, where)
    kinds = [kind for kind in _CHECKS if given.get(kind) not in (None, "")]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "no check"
        raise malformed(where, found, "one of command, http and tcp", "Keep one of them.")
    (kind,) = kinds
    within = _number(given.get("within", _WITHIN), where + ".within", 1, _LONGEST)
    if "status" in given and kind != "http":
        raise malformed(where + ".status", "a status without http", "http", "Remove it.")
    status = _number(given.get("status", 200), where + ".status", 100, 599)
    if kind == "command":
        return Health(kind, _checking(given[kind], where + ".command"), within=within)
    target = given[kind]
    if kind == "tcp" and isinstance(target, int) and not isinstance(target, bool):
        target = "127.0.0.1:{}".format(target)
    _check_target(kind, target, where)
    return Health(kind, (), target, status, within)


def _checking(value: Any, where: str) -> Tuple[str, ...]:
    """Return the words of a check's command."""
    argv = words.words_of(value, where)
    if not argv[0].startswith("/") and not COMMAND.fullmatch(argv[0]):
        raise malformed(
            where,
            words.shown(argv[0]),
            "a command of the release, or the absolute path of a program on the host",
            "Write for example `/usr/local/bin/check`, or put it into a script.",
        )
    return argv


def _check_target(kind: str, target: Any, where: str) -> None:
    where, good = "{}.{}".format(where, kind), False
    if isinstance(target, str):
        words.check_braces(target, where, "Use one of these.")
        trial = words.filled(target, {"port": "1", "instance": "0", "state": "s"})
        good = text(target) and _is_address(kind, trial)
    if not good:
        wanted, remedy = _TARGETS[kind]
        raise malformed(where, words.shown(target), wanted, remedy)


def _is_address(kind: str, target: str) -> bool:
    try:
        parts = urlsplit(target if kind == "http" else "tcp://" + target)
        port = parts.port
    except ValueError:
        return False
    schemes = ("http", "https") if kind == "http" else ("tcp",)
    plain = re.fullmatch(r"[^\s\x00-\x1f\x7f]+", target)
    reached = port != 0 and (kind == "http" or (port is not None and target.endswith(":{}".format(port))))
    return bool(parts.hostname and plain and reached and parts.scheme in schemes)


def _instances(value: Any, name: str) -> Tuple[int, bool]:
    """Return how many instances there are, 0 for one per GPU, and whether they have numbers."""
    if value == GPU:
        return 0, True
    number = _number(value, name + ".instances", 1, _MOST, "a number from 1 to {}, or gpu".format(_MOST))
    return number, number > 1


def _number(value: Any, where: str, least: int, most: int, wanted: str = "") -> int:
    text = str(value).strip()
    number = int(text) if re.fullmatch(r"[0-9]{1,9}", text) and not isinstance(value, bool) else -1
    if not least <= number <= most:
        wanted = wanted or "a number from {} to {}".format(least, most)
        raise malformed(where, words.shown(value), wanted, "Write the number alone, or leave it out.")
    return number


def _gpu(value: Any, where: str) -> Optional[bool]:
    text = str(value).strip().lower()
    if text in ("auto", "true", "yes", "false", "no"):
        return None if text == "auto" else text in ("true", "yes")
    raise malformed(where, words.shown(value), "auto, true or false", "Write one of these, or leave it out.")


def _user(value: Any, where: str) -> str:
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not _USER.fullmatch(value):
        remedy = "Write the name, not the number, or leave it out: systemd makes a user for the service."
        raise malformed(where, words.shown(value), "the name of a user of the host", remedy)
    return value


def _memory(value: Any, where: str) -> str:
    """Return a size as systemd writes it."""
    text = str(value).strip()
    near = _MEMORY.fullmatch(text)
    wanted = near.group(1) + near.group(2).upper() if near else ""
    size = int(near.group(1)) << 10 * " KMGT".index(near.group(2).upper() or " ") if near else 0
    fits = _LEAST_MEMORY <= size <= _MOST_MEMORY
    if value in (None, "") or (fits and text == wanted):
        return wanted
    remedy = "Write {}.".format(wanted) if fits else "Write a whole number and one of K, M, G and T."
    raise malformed(where, words.shown(value), "bytes, at least 1M, such as 2G or 800M", remedy)


def _paths(value: Any, where: str) -> Tuple[str, ...]:
    found: List[str] = []
    for path in value if isinstance(value, (list, tuple)) else [value] if value else []:
        good = isinstance(path, str) and re.fullmatch(r"/[^\x00-\x1f\x7f]*", path)
        parts = [part for part in path.split("/") if part not in ("", ".")] if good else []
        if not parts or ".." in parts or not text(path):
            remedy = "Write for example `[/srv/recordings]`; no directory of its own has to be named."
            raise malformed(where, words.shown(path), "absolute paths on the host", remedy)
        found.append("/" + "/".join(parts))
    return tuple(dict.fromkeys(found))


def variables(service: Service) -> Dict[str, str]:
    """Return everything that a service's environment file sets."""
    return {**service.environment, **service.secrets}


def secret_values(value: Any) -> Set[str]:
    """Return what nobody may see of whisperx_services: each secret, and variables that are named like one."""
    found: Set[str] = set()
    for given in value.values() if isinstance(value, Mapping) else ():
        for key in ("environment", "secrets"):
            values = given.get(key) if isinstance(given, Mapping) else None
            if isinstance(values, Mapping):
                named = secrets_of({str(name): str(text) for name, text in values.items()})
                found |= {str(text) for text in values.values()} if key == "secrets" else named
    return {text for text in found if len(text) > 3}
