"""One release as a CycloneDX 1.6 document. Same lock, same packages: same bytes.

Source of the format: the JSON schema bom-1.6 of CycloneDX; a test holds documents against it.
"""

from __future__ import annotations

import email
import json
import os
import re
import uuid
from email.message import Message
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..whisperx_common import lockfile
from ..whisperx_common.files import read_text
from ..whisperx_common.lockfile import Lock, LockedPackage
from ..whisperx_common.names import normalise
from ..whisperx_common.standalone import Archive
from ..whisperx_env import integrity

__all__ = ["FILE", "document", "read_metadata", "render"]

FILE = "sbom.cdx.json"
# The name space of our serial numbers; any fixed UUID serves.
_SPACE = uuid.UUID("6f1d3c52-9c0e-5f0b-8d7a-3b1f2a6c4e90")
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_CLASSIFIER = "License :: "
# A whole licence text is no name.
_NAME_LIMIT = 120


def read_metadata(site_packages: str) -> Dict[str, Message]:
    """Return name -> METADATA of every installed package."""
    found: Dict[str, Message] = {}
    for name in sorted(os.listdir(site_packages)):
        text = (
            read_text(os.path.join(site_packages, name, "METADATA")) if name.endswith(".dist-info") else None
        )
        if text is not None:
            message = email.message_from_string(text)
            found[normalise(str(message.get("Name") or name.split("-")[0]))] = message
    return found


def document(release: str, lock: Lock, text: str, metadata: Mapping[str, Message]) -> Dict[str, Any]:
    """Return the document of a release; ``text`` is its lock's, ``metadata`` comes from ``read_metadata``."""
    main = "whisperx-fleet/" + release
    locked = {package.name: package for package in lock.packages}
    request = {normalise(name) for name in json.loads(lock.header["request"] or "{}")}
    asked = sorted((request | {extra.name for extra in lock.extras}) & set(locked))
    components = [_component(package, metadata.get(name)) for name, package in sorted(locked.items())]
    python = [_python(lock.archive)] if lock.archive else []
    needs = {_purl(locked[name]): _needs(metadata.get(name), locked) for name in sorted(locked)}
    refs = [str(component["bom-ref"]) for component in python]
    needs[main] = [*refs, *(_purl(locked[name]) for name in asked)]
    needs.update({ref: [] for ref in refs})
    properties = {
        key: lock.header.get(key, "") for key in ("class", "python", "device", "torch-build", "platform")
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "urn:uuid:{}".format(uuid.uuid5(_SPACE, release + lockfile.digest(text))),
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": main,
                "name": "whisperx-fleet",
                "version": release,
            },
            "properties": [
                {"name": "whisperx-fleet:" + key, "value": value}
                for key, value in properties.items()
                if value
            ],
        },
        "components": [*python, *components],
        "dependencies": [{"ref": ref, "dependsOn": needs[ref]} for ref in sorted(needs)],
    }


def render(path: str, site_packages: str, release: str) -> str:
    """Return the document of the release at ``path`` as text. Raises Problem "lock.malformed", OSError."""
    text = read_text(os.path.join(path, "requirements.txt")) or ""
    lock = lockfile.parse(text, os.path.join(path, "requirements.txt"))
    installed = integrity.packages(site_packages)
    metadata = {name: data for name, data in read_metadata(site_packages).items() if name in installed}
    return json.dumps(document(release, lock, text, metadata), indent=1) + "\n"


def _component(package: LockedPackage, metadata: Optional[Message]) -> Dict[str, Any]:
    component: Dict[str, Any] = {
        "type": "library",
        "bom-ref": _purl(package),
        "name": package.name,
        "version": package.version,
        "purl": _purl(package),
        "hashes": [{"alg": "SHA-256", "content": package.sha256}],
        "properties": [
            {"name": "whisperx-fleet:file", "value": package.file},
            {"name": "whisperx-fleet:origin", "value": package.origin},
        ],
    }
    if package.origin == "site":
        component["pedigree"] = {"notes": "built elsewhere, digest sha256:" + package.sha256}
    if metadata is not None:
        licences = _licences(metadata)
        if licences:
            component["licenses"] = licences
        if metadata.get("Summary"):
            component["description"] = " ".join(str(metadata["Summary"]).split())
    return component


def _python(archive: Archive) -> Dict[str, Any]:
    """Return the managed Python as a component."""
    ref = "pkg:generic/cpython@{}?build={}".format(archive.version, archive.build)
    return {
        "type": "platform",
        "bom-ref": ref,
        "name": "cpython",
        "version": archive.version,
        "description": "managed Python: standalone build {} for {}, {}".format(
            archive.build, archive.machine, archive.libc
        ),
        "licenses": [{"expression": "PSF-2.0"}],
        "purl": ref,
        "hashes": [{"alg": "SHA-256", "content": archive.sha256}],
        "properties": [
            {"name": "whisperx-fleet:file", "value": archive.file},
            {"name": "whisperx-fleet:origin", "value": "python-build-standalone"},
        ],
    }


def _licences(metadata: Message) -> List[Dict[str, Any]]:
    """Return what a package says of its licence: the expression, else names; [] when nothing short."""
    expression = str(metadata.get("License-Expression") or "").strip()
    if expression:
        return [{"expression": expression}]
    named = [
        str(value).rpartition(" :: ")[2]
        for value in metadata.get_all("Classifier") or []
        if str(value).startswith(_CLASSIFIER)
    ]
    free = str(metadata.get("License") or "").strip()
    if not named and free and "\n" not in free and len(free) <= _NAME_LIMIT:
        named = [free]
    return [{"license": {"name": name}} for name in sorted(set(named))]


def _needs(metadata: Optional[Message], locked: Mapping[str, LockedPackage]) -> Sequence[str]:
    """Return the packages of the set that this one asks for, extras left out."""
    found = set()
    for entry in (metadata.get_all("Requires-Dist") or []) if metadata is not None else []:
        match = _REQUIREMENT.match(str(entry))
        if match and "extra ==" not in str(entry) and normalise(match.group(1)) in locked:
            found.add(_purl(locked[normalise(match.group(1))]))
    return sorted(found)


def _purl(package: LockedPackage) -> str:
    """Return the package's URL as purl has it; "+" of a local version is escaped."""
    return "pkg:pypi/{}@{}".format(package.name, package.version.replace("+", "%2B"))
