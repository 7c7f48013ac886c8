"""What an image knows of itself, and what a boot finds: records with one JSON shape each."""

from __future__ import annotations

import errno
import os
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

from ..whisperx_common import records
from ..whisperx_common.conditions import FIT, VERDICTS
from ..whisperx_common.records import (
    Schema,
    each,
    identifier,
    number,
    object_of,
    one_of,
    table,
    text,
    version,
)
from ..whisperx_problem import Problem

__all__ = ["SCHEMA", "Image", "Places", "Profile", "Settings", "Verdict", "read_image", "read_verdict"]

SCHEMA = 1
LEVELS = ("import", "kernels", "pipeline", "speech")

_WORDS = ("verdict", "rule", "sentence", "profile", "release", "device", "level", "stamp", "at")
_VERDICT = Schema(
    {
        **dict.fromkeys(_WORDS, text),
        "verdict": one_of(*VERDICTS),
        **{name: each(text) for name in ("findings", "warnings", "notes")},
        "misfits": table(each(text)),
        "seconds": table(number),
        "facts": lambda value: isinstance(value, dict),
    },
    frozenset(("verdict", "rule", "sentence")),
)
_TEXTS = ("name", "release", "device", "machine", "libc_family", "libc_version")
_PROFILE = Schema(
    {
        **dict.fromkeys(_TEXTS, text),
        "release": identifier,
        # The bounds of the driver by compute capability: two versions.
        "capabilities": table(lambda value: each(version)(value) and len(value) == 2),
        "scripts": each(identifier),
        "flags": each(text),
    },
    frozenset(_TEXTS),
)
_IMAGE = Schema(
    {
        "root": text,
        "level": one_of(*LEVELS),
        "profiles": each(object_of(_PROFILE)),
        "facts_dir": text,
        "bin_dir": text,
    },
    frozenset(("root", "level", "profiles")),
)


@dataclass(frozen=True)
class Places:
    """Where things lie on the machine; tests set ``top``."""

    top: str = "/"

    def path(self, name: str) -> str:
        """Return an absolute path below the top."""
        return os.path.join(self.top, name.lstrip("/"))

    @property
    def home(self) -> str:
        """The directory of this program, with the image's record."""
        return self.path("/usr/lib/whisperx-firstboot")

    @property
    def image(self) -> str:
        """The record of what the image was baked for."""
        return os.path.join(self.home, "image.json")

    @property
    def verdict(self) -> str:
        """The last verdict, as JSON."""
        return self.path("/var/lib/whisperx/verdict.json")

    @property
    def message(self) -> str:
        """What users are told when they log in; pam_motd shows every file of this directory."""
        return self.path("/run/motd.d/60-whisperx")


@dataclass(frozen=True)
class Profile:
    """One environment of the image and what it was planned for.

    ``capabilities`` maps each compute capability for which the plan is the same to the bounds of the NVIDIA
    driver there, minimum and maximum ("525", "580"; "" for none; the maximum is a branch). {} for a profile
    of the CPU. ``flags``: instructions that the declared processor has, () where none were declared.
    """

    name: str
    release: str
    device: str
    machine: str
    libc_family: str
    libc_version: str
    capabilities: Mapping[str, Tuple[str, str]] = field(default_factory=dict)
    scripts: Tuple[str, ...] = ()
    flags: Tuple[str, ...] = ()

    @staticmethod
    def read(record: Mapping[str, Any]) -> Profile:
        """Return the profile in a JSON object. Raises TypeError for fields that are missing or unknown,
        ValueError for bounds that are none.
        """
        values: Dict[str, Any] = dict(record)
        for name in ("scripts", "flags"):
            values[name] = tuple(values.get(name) or ())
        bounds = (values.get("capabilities") or {}).items()
        values["capabilities"] = {key: (str(least), str(most)) for key, (least, most) in bounds}
        return Profile(**values)


@dataclass(frozen=True)
class Image:
    """What was baked: the managed root, the level of proof, the profiles in order of preference."""

    root: str
    level: str
    profiles: Tuple[Profile, ...]
    facts_dir: str = ""
    bin_dir: str = ""

    def record(self) -> Dict[str, Any]:
        """Return the JSON object that ``read_image`` takes back."""
        return dict(asdict(self), schema=SCHEMA)


@dataclass(frozen=True)
class Settings:
    """What the machine's owner asks for; "" leaves it to the image. ``timeout``: seconds for each level."""

    profile: str = ""
    level: str = ""
    timeout: float = 600.0


@dataclass
class Verdict:
    """The result of a boot. ``misfits`` says per profile why it was not selected, ``sentence`` sums it up."""

    verdict: str
    rule: str
    sentence: str
    profile: str = ""
    release: str = ""
    device: str = ""
    level: str = ""
    stamp: str = ""
    at: str = ""
    misfits: Dict[str, Tuple[str, ...]] = field(default_factory=dict)
    findings: Tuple[str, ...] = ()
    warnings: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()
    seconds: Dict[str, float] = field(default_factory=dict)
    facts: Dict[str, Any] = field(default_factory=dict)

    @property
    def fit(self) -> bool:
        """Whether the machine may use the environment."""
        return self.verdict == FIT

    def record(self) -> Dict[str, Any]:
        """Return the JSON object that is written to the machine."""
        return dict(asdict(self), condition=VERDICTS[self.verdict], schema=SCHEMA)


def read_verdict(path: str) -> Optional[Dict[str, Any]]:
    """Return the verdict of an earlier boot as it was written, None for none that can be read."""
    return records.read(path, _VERDICT)


def read_image(path: str) -> Image:
    """Return what the image was baked for. Raises Problem "firstboot.image"."""
    why = "it is malformed"
    try:
        record = records.read(path, _IMAGE)
        if record is not None:
            profiles = tuple(Profile.read(profile) for profile in record["profiles"])
            places = [str(record.get(name) or "") for name in ("facts_dir", "bin_dir")]
            return Image(record["root"], record["level"], profiles, *places)
        if not os.path.lexists(path):
            why = os.strerror(errno.ENOENT)
    except OSError as error:
        why = str(error.strerror)
    except (ValueError, TypeError) as error:
        why = "it is malformed ({})".format(error)
    raise Problem(
        "firstboot.image",
        "the record of what this image was baked for cannot be read: {}".format(why),
        path,
        "the file that playbooks/bake.yml wrote",
        "Bake the image again.",
    )
