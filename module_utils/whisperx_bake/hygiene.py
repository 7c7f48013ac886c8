"""What must not stay in an image: rows, a look, and the removal of what a machine makes anew by itself."""

from __future__ import annotations

import glob
import os
import re
import shutil
from dataclasses import dataclass
from typing import Dict, Iterator, List, Pattern, Sequence, Tuple

from ..whisperx_problem import Problem

__all__ = ["ROWS", "Row", "clean", "findings", "unclean", "undecided"]


@dataclass(frozen=True)
class Row:
    """``paths`` are globs. ``does``: "remove" the path, "empty" the file, or "tell" a person, who has to
    decide.

    ``contents``: only files in which this pattern is found, None for all. ``why`` is the end of the finding.
    """

    id: str
    does: str
    paths: Tuple[str, ...]
    why: str
    contents: Pattern[str] | None = None


# Where roles/whisperx_bake/files/in_root shows what the image has below a mount.
BENEATH = "/run/beneath"
_HOMES = ("/root", "/home/*")
_PROXY = re.compile(
    r"(?im)^\s*(?:(?:export\s+)?[\w:]*(?:https?|ftp|all|no)(?:_|::)proxy\b.*\S|proxy\s*=\s*(?!_none_)\S)"
)
_SECRET_URL = re.compile(r"://[^/\s:@]+:[^/\s@]+@")


def _home(*names: str) -> Tuple[str, ...]:
    return tuple("{}/{}".format(home, name) for home in _HOMES for name in names)


ROWS: Tuple[Row, ...] = (
    Row("host-keys", "remove", ("/etc/ssh/ssh_host_*",), "every machine would have the same identity"),
    Row("machine-id", "empty", ("/etc/machine-id",), "every machine would have the same identity"),
    Row("machine-id", "remove", ("/var/lib/dbus/machine-id",), "every machine would have the same identity"),
    Row(
        "random-seed",
        "remove",
        ("/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret"),
        "every machine would start from the same secret",
    ),
    Row(
        "package-cache", "remove", ("/var/cache/apt/archives/*.deb", "/var/cache/apt/*.bin"), "it is a cache"
    ),
    Row("package-lists", "remove", ("/var/lib/apt/lists/*",), "they are out of date when the image boots"),
    Row("package-cache", "remove", ("/var/cache/dnf/*", "/var/cache/zypp/*"), "it is a cache"),
    Row("user-cache", "remove", _home(".cache"), "it is a cache"),
    Row(
        "history",
        "remove",
        _home(".bash_history", ".python_history", ".lesshst", ".wget-hsts"),
        "it is the builder's",
    ),
    Row("temporary", "remove", ("/tmp/*", "/tmp/.[!.]*", "/var/tmp/*"), "it is the builder's"),
    Row("logs", "empty", ("/var/log/*", "/var/log/*/*", "/var/log/*/*/*"), "it is the builder's"),
    Row("journal", "remove", ("/var/log/journal/*",), "it is the builder's"),
    Row(
        "leases", "remove", ("/var/lib/dhcp/*.leases", "/var/lib/dhclient/*.leases"), "they are the builder's"
    ),
    Row("network-names", "remove", ("/etc/udev/rules.d/70-persistent-*.rules",), "they are the builder's"),
    Row(
        "cloud-init",
        "remove",
        ("/var/lib/cloud/instance", "/var/lib/cloud/instances/*"),
        "they are the builder's",
    ),
    Row(
        "credentials",
        "tell",
        _home(
            ".netrc",
            ".pypirc",
            ".docker/config.json",
            ".aws/credentials",
            ".config/uv/credentials*",
            ".config/containers/auth.json",
            ".config/gcloud/credentials.db",
            ".azure/msal_token_cache.*",
            ".kube/config",
            ".huggingface/token",
            ".git-credentials",
        ),
        "it has credentials of the builder",
    ),
    Row("private-key", "tell", _home(".ssh/id_*"), "it is a key of the builder"),
    Row(
        "authorized-key",
        "tell",
        _home(".ssh/authorized_keys"),
        "the person who built the image could log in on every machine",
    ),
    Row(
        "credentials",
        "tell",
        (
            *_home(".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml"),
            "/etc/pip.conf",
            "/etc/uv/uv.toml",
            "/etc/apt/sources.list",
            "/etc/apt/sources.list.d/*",
            "/etc/apt/auth.conf",
            "/etc/apt/auth.conf.d/*",
        ),
        "it has an address with a password",
        _SECRET_URL,
    ),
    Row(
        "proxy",
        "tell",
        (
            "/etc/environment",
            "/etc/apt/apt.conf",
            "/etc/apt/apt.conf.d/*",
            "/etc/profile.d/*",
            "/etc/dnf/dnf.conf",
            "/etc/yum.conf",
            "/etc/wgetrc",
            "/etc/pip.conf",
            "/etc/systemd/system.conf.d/*",
        ),
        "it names a proxy of the builder",
        _PROXY,
    ),
    Row(
        "resolver",
        "tell",
        ("/etc/resolv.conf",),
        "it names a name server of the builder",
        re.compile(r"(?m)^\s*nameserver\s+(?!127\.|::1)"),
    ),
)


def findings(rows: Sequence[Row] = ROWS, top: str = "/") -> List[Dict[str, str]]:
    """Return what is there and should not be: id, path, does, sentence."""
    found = []
    for row in rows:
        for path in _present(row, top):
            what = "is not empty" if row.does == "empty" else "is there"
            sentence = "{} {}: {}".format(path, what, row.why)
            found.append({"id": row.id, "path": path, "does": row.does, "sentence": sentence})
    return found


def undecided(found: Sequence[Dict[str, str]], tolerated: Sequence[str]) -> List[Dict[str, str]]:
    """Return what a person has to decide about; ``tolerated``: ids of what is meant."""
    return [item for item in found if item["does"] == "tell" and item["id"] not in tolerated]


def unclean(told: List[Dict[str, str]]) -> Problem:
    """Return the problem of an image that has what it must not have."""
    ids = sorted({item["id"] for item in told})
    return Problem(
        "bake.unclean",
        "; ".join(item["sentence"] for item in told),
        "the root that is baked",
        "a root without what is the builder's",
        "Remove these, or list in whisperx_bake_tolerate what is meant: {}.".format(", ".join(ids)),
    )


def clean(found: Sequence[Dict[str, str]], top: str = "/") -> None:
    """Remove or empty what was found and needs no person. Raises OSError."""
    for item in found:
        path = os.path.join(top, item["path"].lstrip("/"))
        if item["does"] == "empty":
            with open(path, "w", encoding="utf-8"):
                pass
        elif item["does"] == "remove" and os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif item["does"] == "remove" and os.path.lexists(path):
            os.unlink(path)


def _present(row: Row, top: str) -> Iterator[str]:
    """Yield the paths of a row that are there, as the image sees them."""
    mounted = _mounted(top)
    for pattern in row.paths:
        for path in sorted(glob.glob(os.path.join(top, pattern.lstrip("/")))):
            inside = "/" + os.path.relpath(path, top)
            if any(inside == point or inside.startswith(point + "/") for point in mounted):
                path = BENEATH + inside
            if _ansibles_own(inside) or not os.path.lexists(path) or not _counts(row, path):
                continue
            yield inside


def _counts(row: Row, path: str) -> bool:
    """Return whether what is at the path is what the row is about."""
    if row.does == "remove":
        return True
    if not os.path.isfile(path) or os.path.islink(path) or os.path.getsize(path) == 0:
        return False
    if row.contents is None:
        return True
    with open(path, encoding="utf-8", errors="replace") as stream:
        return bool(row.contents.search(stream.read(1 << 20)))


def _ansibles_own(path: str) -> bool:
    """Whether it is of the very run that looks; Ansible removes it when it is done."""
    return path.startswith(("/tmp/ansible_", "/tmp/ansible-", "/tmp/.ansible", "/root/.ansible"))


def _mounted(top: str) -> List[str]:
    """Return the mount points below the root: what is mounted there (a resolv.conf, /proc) is not in the
    image.
    """
    if top != "/":
        return []
    try:
        with open("/proc/self/mountinfo", encoding="utf-8") as stream:
            points = [line.split()[4] for line in stream]
    except OSError:
        return []
    return [point.replace("\\040", " ") for point in points if point != "/"]
