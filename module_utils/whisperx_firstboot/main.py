"""The program of whisperx-firstboot.service.

    python3 -I /usr/lib/whisperx-firstboot/firstboot.py [--force]

Reads the facts on every boot. When they, the image and the settings are those of the last good verdict,
nothing else is done. Otherwise: select the profile, verify it on this machine, activate it. Exit code 0:
fit; 1: unfit; 2: the image itself is broken.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from typing import Any, Callable, Dict, List, Mapping, Optional

from ..whisperx_common.conditions import FIT, UNFIT
from ..whisperx_common.files import read_text
from ..whisperx_host.probe import probe
from ..whisperx_problem import Problem
from . import enact, fit
from .proof import prove
from .records import LEVELS, Image, Places, Profile, Settings, Verdict, read_image, read_verdict

__all__ = ["judge", "main", "settings"]

# Seconds that NVIDIA's management library may take; right after boot its first start is slow.
_NVML_SECONDS = 60.0


def main(distribution: Callable[..., Any], arguments: Optional[List[str]] = None) -> int:
    """Run; ``distribution`` is the class LinuxDistribution of the package distro."""
    parser = argparse.ArgumentParser(description="Select and verify this machine's WhisperX environment.")
    parser.add_argument("--force", action="store_true", help="verify again although nothing changed")
    given = parser.parse_args(arguments)
    places = Places()
    try:
        image = read_image(places.image)
        asked = settings(os.environ, read_text("/proc/cmdline") or "")
        facts = probe("/", _NVML_SECONDS, {}, distribution)
        verdict = judge(image, places, facts, asked, given.force)
    except Problem as problem:
        sys.stderr.write("whisperx: {} [{}]\n".format(problem.sentence(), problem.rule))
        return 2
    except OSError as error:
        # Whatever was in use was taken away before the first write.
        sys.stderr.write("whisperx: the verdict cannot be written: {} [firstboot.system]\n".format(error))
        return 2
    rule = " [{}]".format(verdict.rule) if verdict.rule else ""
    notes = ["note: {}".format(line) for line in [*verdict.notes, *verdict.warnings]]
    sys.stdout.writelines("whisperx: {}\n".format(line) for line in [*notes, verdict.sentence + rule])
    return 0 if verdict.fit else 1


def settings(environment: Mapping[str, str], command_line: str) -> Settings:
    """Return what the owner asks for: the unit's environment, over it the kernel's command line.

    WHISPERX_PROFILE, WHISPERX_LEVEL and WHISPERX_TIMEOUT; whisperx.profile= and so on. Raises Problem
    "firstboot.settings".
    """
    found = dict(re.findall(r"(?:^|\s)whisperx\.(profile|level|timeout)=(\S*)", command_line))
    values = {
        name: found.get(name, environment.get("WHISPERX_" + name.upper(), ""))
        for name in ("profile", "level", "timeout")
    }
    if values["level"] and values["level"] not in LEVELS:
        raise _bad_setting("level", values["level"], "one of {}".format(", ".join(LEVELS)))
    if not re.match(r"\d*$", values["timeout"]):
        raise _bad_setting("timeout", values["timeout"], "a whole number of seconds")
    return Settings(values["profile"], values["level"], float(values["timeout"] or Settings.timeout))


def judge(
    image: Image, places: Places, facts: Dict[str, Any], asked: Settings, force: bool = False
) -> Verdict:
    """Come to a verdict and make it true on the machine. Raises Problem, OSError."""
    began = time.monotonic()
    digest = fit.stamp(facts, image, asked)
    last = read_verdict(places.verdict) or {}
    if not force and _still_holds(image, last, digest):
        verdict = _again(last)
    else:
        enact.withdraw(image, places, enact.UNDECIDED)
        verdict = _anew(image, facts, asked)
        verdict.stamp, verdict.facts = digest, facts
    verdict.seconds["all"] = round(time.monotonic() - began, 3)
    if not verdict.fit:
        enact.withdraw(image, places, verdict.sentence)
    enact.announce(places, verdict)
    return verdict


def _still_holds(image: Image, last: Mapping[str, Any], digest: str) -> bool:
    """Whether the last verdict was good, rests on the same, and what it chose is still in use."""
    used = os.path.realpath(enact.layout(image).current)
    return (
        last.get("verdict") == FIT
        and last.get("stamp") == digest
        and used == os.path.realpath(enact.layout(image).release(str(last.get("release"))))
        and os.path.isdir(used)
    )


def _again(last: Mapping[str, Any]) -> Verdict:
    values = {key: value for key, value in last.items() if key in Verdict.__dataclass_fields__}
    return Verdict(**dict(values, seconds={}))


def _anew(image: Image, facts: Mapping[str, Any], asked: Settings) -> Verdict:
    """Choose, prove, put to use."""
    choice = fit.choose(image, facts, asked)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    misfits = dict(choice.misfits)
    if choice.profile is None:
        sentence = _unfit(choice.sentence)
        return Verdict(UNFIT, choice.rule, sentence, at=now, misfits=misfits)
    profile: Profile = choice.profile
    level = asked.level or image.level
    report = prove(image, profile, level, asked.timeout)
    verdict = Verdict(
        FIT if report["ok"] else UNFIT,
        "" if report["ok"] else "firstboot.verify",
        "",
        profile.name,
        profile.release,
        profile.device,
        level,
        at=now,
        misfits=misfits,
        findings=tuple(report["findings"]),
        warnings=tuple(report.get("warnings") or ()),
        notes=choice.notes,
        seconds={"verify": report["seconds"]},
    )
    if report["ok"]:
        enact.put_to_use(image, profile.release, report, now)
        verdict.sentence = "fit: profile {} works here, verified to level {} on {} in {:.0f} s".format(
            profile.name, level, profile.device, report["seconds"]
        )
    else:
        told = "; ".join([*choice.notes, *report["findings"][:3]])
        verdict.sentence = _unfit("profile {} was chosen and does not work: {}".format(profile.name, told))
    return verdict


def _unfit(why: str) -> str:
    return (
        "unfit: {}; wanted: a machine of the kind this image was baked for. Use an image with a profile for "
        "this machine, or run site.yml on it; all is in /var/lib/whisperx/verdict.json".format(why)
    )


def _bad_setting(name: str, found: str, wanted: str) -> Problem:
    return Problem(
        "firstboot.settings",
        "{} is '{}'".format(name, found),
        "kernel command line, or /etc/default/whisperx-firstboot",
        wanted,
        "Correct it and boot again.",
    )
