"""Does this machine fit a profile of the image? Plain comparison of facts; no I/O, nothing is decided anew.

The planner stays on the controller. What it decided for the declared machine holds for this one when what the
decision rests on is the same; the proof that follows has the last word.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Tuple

from ..whisperx_common.gpu_vendors import NVIDIA
from ..whisperx_common.versions import numbers
from .records import Image, Profile, Settings

__all__ = ["Choice", "choose", "misfits", "stamp"]

# The facts a proof rests on. A kernel release alone proves nothing anew, its NVIDIA module's version does.
_TELLING = ("os", "libc", "machine", "cpu", "pythons", "gpus", "nvidia_driver", "ffmpeg", "container")
_FAILING = ("mismatch", "unusable")


@dataclass(frozen=True)
class Choice:
    """The profile to prove, None when there is none; why the others are not it; sentences worth telling."""

    profile: Any
    rule: str
    sentence: str
    misfits: Mapping[str, Tuple[str, ...]]
    notes: Tuple[str, ...] = ()


def stamp(facts: Mapping[str, Any], image: Image, settings: Settings) -> str:
    """Return a digest of everything that a verdict rests on: facts, image and settings."""
    kept = {name: facts.get(name) for name in _TELLING}
    content = [kept, image.record(), [settings.profile, settings.level]]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()


def choose(image: Image, facts: Mapping[str, Any], settings: Settings) -> Choice:
    """Return the first profile that fits, GPU profiles before those of the CPU.

    A GPU that only fails at the moment does not turn the machine into one without: where the image has a
    profile for it, nothing else is chosen unless the settings name it.
    """
    known = {profile.name: profile for profile in image.profiles}
    if settings.profile and settings.profile not in known:
        sentence = "the profile {} was asked for, this image has {}".format(
            settings.profile, ", ".join(known) or "none"
        )
        return Choice(None, "firstboot.unknown-profile", sentence, {})
    asked = [known[settings.profile]] if settings.profile else list(image.profiles)
    asked.sort(key=lambda profile: profile.device != "cuda")
    found: Dict[str, Tuple[str, ...]] = {profile.name: misfits(profile, facts) for profile in asked}
    failing = _failing_gpu(facts)
    if failing and asked and asked[0].device == "cuda" and found[asked[0].name]:
        return Choice(None, "firstboot.gpu-fails", failing, found)
    for profile in asked:
        if not found[profile.name]:
            others = {name: why for name, why in found.items() if why}
            return Choice(profile, "", "", others, _notes(profile, facts))
    told = "; ".join("profile {}: {}".format(name, " and ".join(why)) for name, why in found.items())
    return Choice(None, "firstboot.no-profile", told or "this image has no profile", found)


def misfits(profile: Profile, facts: Mapping[str, Any]) -> Tuple[str, ...]:
    """Return what of this machine contradicts what the profile was baked for, as parts of a sentence."""
    told: List[str] = []
    machine = facts.get("machine")
    if machine != profile.machine:
        told.append("baked for {}, this machine is {}".format(profile.machine, machine or "unknown"))
    libc = facts.get("libc") or {}
    family, version = libc.get("family") or "none", str(libc.get("version") or "")
    if family != profile.libc_family:
        told.append("baked for {}, the C library here is {}".format(profile.libc_family, family))
    elif numbers(version) < numbers(profile.libc_version):
        wanted = "{} {}".format(profile.libc_family, profile.libc_version)
        told.append("baked for {}, the C library here is the older {}".format(wanted, version))
    if profile.device == "cuda":
        told += _gpu_misfits(profile, facts)
    return tuple(told)


def _nvidias(facts: Mapping[str, Any]) -> List[Mapping[str, Any]]:
    """Return the GPUs that a profile may be for: NVIDIA's, as all are whose vendor is not known."""
    return [gpu for gpu in facts.get("gpus") or [] if (gpu.get("vendor") or NVIDIA) == NVIDIA]


def _gpu_misfits(profile: Profile, facts: Mapping[str, Any]) -> List[str]:
    driver = facts.get("nvidia_driver") or {}
    state, version = driver.get("state") or "absent", str(driver.get("version") or "")
    gpus = _nvidias(facts)
    if not gpus and state != "running":
        return ["baked for an NVIDIA GPU, this machine has none"]
    if state != "running":
        detail = driver.get("detail") or "its driver is {}".format(state)
        return ["baked for an NVIDIA GPU that can be used; {}".format(detail)]
    found = [str(gpu.get("compute_capability") or "") for gpu in gpus]
    served = [capability for capability in found if capability in profile.capabilities]
    if not served:
        wanted, here = ", ".join(profile.capabilities), ", ".join(filter(None, found)) or "an unknown one"
        return ["planned for compute capability {}, the GPU here has {}".format(wanted, here)]
    refused = [_bounds(version, *profile.capabilities[capability]) for capability in served]
    return [] if "" in refused else refused[:1]


def _bounds(version: str, least: str, most: str) -> str:
    """Return which bound the driver is beyond, "" for none."""
    if least and numbers(version) < numbers(least):
        return "needs the NVIDIA driver {} or newer, here is {}".format(least, version or "an unknown one")
    if most and numbers(version)[:1] > numbers(most)[:1]:
        return "the NVIDIA driver may be of branch {} at most, here is {}".format(most, version)
    return ""


def _failing_gpu(facts: Mapping[str, Any]) -> str:
    """Return what is wrong with a GPU that is there and could be used, "" where there is none such."""
    driver = facts.get("nvidia_driver") or {}
    if not _nvidias(facts) or driver.get("state") not in _FAILING:
        return ""
    return "there is a GPU, but its driver fails: {}".format(driver.get("detail") or driver.get("state"))


def _notes(profile: Profile, facts: Mapping[str, Any]) -> Tuple[str, ...]:
    told = []
    version = str((facts.get("libc") or {}).get("version") or "")
    if numbers(version) > numbers(profile.libc_version):
        wanted = "{} {}".format(profile.libc_family, profile.libc_version)
        told.append("baked for {}, the C library here is {}".format(wanted, version))
    here = (facts.get("cpu") or {}).get("flags") or []
    lacking = [flag for flag in profile.flags if flag not in here]
    if lacking:
        told.append("baked for a processor with {}, which this one does not have".format(", ".join(lacking)))
    if profile.device == "cpu" and _nvidias(facts):
        told.append("there is a GPU that no profile of this image can use; the CPU is used")
    return tuple(told)
