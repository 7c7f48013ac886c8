"""The packages of a root's distribution as a CycloneDX 1.6 document. Same packages: same bytes.

Source of the formats: deb-control(5) for dpkg's status file; the wiki of Alpine for apk's
installed file; pacman's local database; rpm's own query, for its database is no text; purl-spec for names.
"""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from typing import Any, Dict, Iterator, List, NamedTuple
from urllib.parse import quote

from ..whisperx_common.files import read_text

__all__ = ["NAME", "Package", "document", "packages", "render"]

# Under which the document stands beside those of the releases.
NAME = "system"
# The name space of our serial numbers; any fixed UUID serves.
_SPACE = uuid.UUID("c3a5d0b4-5c5f-5b52-9a39-0f3f3f0f7d61")
_DPKG, _APK, _PACMAN = "var/lib/dpkg/status", "lib/apk/db/installed", "var/lib/pacman/local"
# Of distroless images: a status file for each package.
_DPKG_PARTS = "var/lib/dpkg/status.d"
_RPM = ("usr/lib/sysimage/rpm", "var/lib/rpm")
_RPM_FORMAT = "%{NAME}\\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{LICENSE}\\n"
_TIMEOUT_S = 120


class Package(NamedTuple):
    """One installed package; ``kind`` is its type in a package URL: deb, rpm, apk or alpm."""

    kind: str
    name: str
    version: str
    machine: str
    licence: str


def render(root: str = "/") -> str:
    """Return the document of the root as text. Raises OSError, subprocess.SubprocessError."""
    return json.dumps(document(_os_release(root), packages(root)), indent=1, sort_keys=True) + "\n"


def packages(root: str) -> List[Package]:
    """Return the installed packages of the root's distribution, by name; none if it has no known database.

    rpm is asked for its own, so that must be a root whose programs run here. Raises OSError,
    subprocess.SubprocessError.
    """
    found = [*_dpkg(root), *_apk(root), *_pacman(root), *_rpm(root)]
    return sorted(set(found))


def document(release: Dict[str, str], found: List[Package]) -> Dict[str, Any]:
    """Return the document of packages of a distribution; ``release`` is what its os-release says."""
    distribution, version = release.get("ID") or "linux", release.get("VERSION_ID") or ""
    components = [_component(package, distribution, version) for package in found]
    main = "{}@{}".format(distribution, version) if version else distribution
    told = json.dumps([list(package) for package in found])
    system: Dict[str, Any] = {"type": "operating-system", "bom-ref": main, "name": distribution}
    if version:
        system["version"] = version
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "urn:uuid:{}".format(uuid.uuid5(_SPACE, main + told)),
        "version": 1,
        "metadata": {"component": system},
        "components": components,
        "dependencies": [{"ref": main, "dependsOn": [one["bom-ref"] for one in components]}],
    }


def _component(package: Package, distribution: str, version: str) -> Dict[str, Any]:
    qualifiers = {"arch": package.machine, "distro": "-".join(filter(None, (distribution, version)))}
    # In rpm's own order a version begins with the epoch; in a package URL that is a qualifier.
    number = package.version
    if package.kind == "rpm" and ":" in number:
        qualifiers["epoch"], _separator, number = number.partition(":")
    tail = "&".join(
        "{}={}".format(key, quote(qualifiers[key])) for key in sorted(qualifiers) if qualifiers[key]
    )
    place = "pkg:{}/{}/{}".format(package.kind, quote(distribution), quote(package.name, safe=""))
    purl = "{}@{}?{}".format(place, quote(number, safe="~:"), tail)
    component: Dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
    }
    if package.licence:
        component["licenses"] = [{"license": {"name": package.licence}}]
    return component


def _dpkg(root: str) -> Iterator[Package]:
    folder = os.path.join(root, _DPKG_PARTS)
    parts = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for path in [os.path.join(root, _DPKG), *(os.path.join(folder, name) for name in parts)]:
        for entry in _stanzas(read_text(path) or "", ": "):
            # Of a package that was removed, its configuration may be left.
            if entry.get("Status", "install ok installed").endswith(" installed") and entry.get("Package"):
                machine = entry.get("Architecture", "")
                yield Package("deb", entry["Package"], entry.get("Version", ""), machine, "")


def _apk(root: str) -> Iterator[Package]:
    for entry in _stanzas(read_text(os.path.join(root, _APK)) or "", ":"):
        if entry.get("P"):
            yield Package("apk", entry["P"], entry.get("V", ""), entry.get("A", ""), entry.get("L", ""))


def _pacman(root: str) -> Iterator[Package]:
    folder = os.path.join(root, _PACMAN)
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        lines = (read_text(os.path.join(folder, name, "desc")) or "").splitlines()
        entry = {key: value for key, value in zip(lines, lines[1:]) if key.startswith("%")}
        if entry.get("%NAME%"):
            licence = entry.get("%LICENSE%", "")
            yield Package(
                "alpm", entry["%NAME%"], entry.get("%VERSION%", ""), entry.get("%ARCH%", ""), licence
            )


def _rpm(root: str) -> Iterator[Package]:
    if not any(
        os.path.isdir(os.path.join(root, place)) and os.listdir(os.path.join(root, place)) for place in _RPM
    ):
        return
    command = ["rpm", *(["--root", root] if root != "/" else []), "-qa", "--qf", _RPM_FORMAT]
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
            command, env=environment, stdout=subprocess.PIPE, timeout=_TIMEOUT_S, check=True, encoding="utf-8"
        )
    except FileNotFoundError:
        return  # a Debian root that once had rpm installed
    for line in done.stdout.splitlines():
        parts = line.split("\t")
        # Keys of repositories are in the database as packages.
        if len(parts) == 4 and parts[0] != "gpg-pubkey":
            yield Package("rpm", parts[0], parts[1], parts[2].replace("(none)", ""), parts[3])


def _stanzas(text: str, sign: str) -> Iterator[Dict[str, str]]:
    """Yield the entries of a file of paragraphs, key to the first line of its value."""
    for paragraph in text.split("\n\n"):
        entry: Dict[str, str] = {}
        for line in paragraph.splitlines():
            key, found, value = line.partition(sign)
            if found and not key.startswith((" ", "\t")):
                entry.setdefault(key, value.strip())
        yield entry


def _os_release(root: str) -> Dict[str, str]:
    for place in ("etc/os-release", "usr/lib/os-release"):
        text = read_text(os.path.join(root, place))
        if text is not None:
            pairs = [line.partition("=") for line in text.splitlines() if "=" in line]
            return {key.strip(): value.strip().strip("\"'") for key, _separator, value in pairs}
    return {}
