"""Makes a verdict true on the machine: what `current` leads to, the verdict, the login message.

`current` always leads to something that answers: to a release that was proved on this very machine, or to a
directory whose commands say why there is none and exit with 69 (EX_UNAVAILABLE).
"""

from __future__ import annotations

import os
import shlex
from typing import Any, Dict, Iterable, Mapping

from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import link, write_json, write_text
from ..whisperx_release import host, outside, records
from ..whisperx_release.model import Layout
from ..whisperx_release.state import RECORD
from .records import Image, Places, Verdict

__all__ = ["UNAVAILABLE", "announce", "layout", "put_to_use", "refusal", "withdraw", "write_refusal"]

UNAVAILABLE = 69
# What a command says before the first boot has come to a verdict, or while one is at work.
UNDECIDED = "this machine has not been verified yet: systemctl status whisperx-firstboot"
_STUB = """\
#!/bin/sh
# Replaces every command of an environment that this machine cannot use, or has not verified yet.
sentence=$(cat {sentence} 2>/dev/null)
printf 'whisperx: %s\\n' "${{sentence:-{undecided}}}" >&2
exit {code}
"""


def layout(image: Image) -> Layout:
    """Return where the managed environment lies."""
    return Layout(image.root, image.bin_dir, image.facts_dir)


def refusal(places: Places) -> str:
    """Return the directory that `current` leads to while no environment may be used."""
    return os.path.join(places.home, "unfit")


def write_refusal(places: Places, scripts: Iterable[str]) -> Dict[str, str]:
    """Return path -> text of the stand-ins for ``scripts`` and python."""
    sentence = shlex.quote(os.path.join(os.path.dirname(places.verdict), "sentence"))
    text = _STUB.format(sentence=sentence, undecided=UNDECIDED, code=UNAVAILABLE)
    return {os.path.join(refusal(places), "launch", name): text for name in sorted({"python", *scripts})}


def withdraw(image: Image, places: Places, sentence: str) -> None:
    """Let every command say ``sentence`` from now on, and remove the static fact."""
    where = os.path.join(os.path.dirname(places.verdict), "sentence")
    make_directories(os.path.dirname(where))
    write_text(where, sentence + "\n")
    target = refusal(places)
    if os.path.realpath(layout(image).current) != os.path.realpath(target):
        link(layout(image).current, target)
    outside.remove_fact(layout(image))


def put_to_use(image: Image, release: str, report: Mapping[str, Any], at: str) -> None:
    """Note in the release's record what proved it here, point `current` at it, write the static fact."""
    where = layout(image)
    path = os.path.join(where.release(release), RECORD)
    record = records.release(path) or {}
    kept = {key: report.get(key) for key in ("level", "device", "seconds", "warnings")}
    record.update(verify=dict(kept, at=at), host=host.record(where.release(release)))
    write_json(path, record)
    if where.fact:
        outside.write_fact(where, record)
    link(where.current, os.path.join("releases", release))


def announce(places: Places, verdict: Verdict) -> None:
    """Write the verdict for programs and for people who log in."""
    make_directories(os.path.dirname(places.verdict))
    write_json(places.verdict, verdict.record())
    make_directories(os.path.dirname(places.message))
    write_text(places.message, "whisperx: {}\n".format(verdict.sentence))
