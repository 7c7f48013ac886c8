"""The host against what a release was proved on, and what a coming libc or driver would do to the release."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, Iterator, List, Tuple

from ..whisperx_abi.audit import Finding, audit
from ..whisperx_common.files import read_text
from ..whisperx_common.versions import minor, numbers
from ..whisperx_env import gate
from ..whisperx_problem import Problem
from ..whisperx_release import host
from ..whisperx_release.model import Release
from .model import BREAKS, DRIFTED, Item

__all__ = ["coming", "host_changes", "objects"]

_NEVER = "9999"


def host_changes(release: Release, now: host.Here) -> Iterator[Item]:
    """Yield the facts that differ: C library, driver, machine, interpreter. Runs the interpreter once."""
    then: Dict[str, Any] = dict(release.value("host", {}) or {})
    if str(then.get("machine") or now.machine) != now.machine:
        told = "{}, was {}".format(now.machine, then["machine"])
        yield Item("audit.machine", BREAKS, "machine", told, "Run site.yml on this machine.")
    if then.get("glibc", now.glibc) != now.glibc:
        told = "glibc {}, was {}".format(now.glibc or "none", then["glibc"] or "none")
        yield Item("audit.libc", DRIFTED, "libc", told, "Run site.yml: it decides again for this libc.")
    if then.get("driver", now.driver) != now.driver:
        unfit = host.unfit(str(release.value("device")), then, now)
        told = "NVIDIA {}, was {}".format(now.driver or "none", then["driver"] or "none")
        weight = BREAKS if unfit else DRIFTED
        yield Item("audit.driver", weight, "driver", told, "Run site.yml: it decides again for this driver.")
    yield from _interpreter(release, then)


def _interpreter(release: Release, then: Dict[str, Any]) -> Iterator[Item]:
    python = os.path.join(release.path, "bin", "python")
    path = str(release.value("python_path", "") or python)
    if not os.access(python, os.X_OK):
        told = "{} is missing".format(path)
        yield Item("audit.interpreter", BREAKS, "python", told, "Install it again, or run site.yml.")
        return
    was = str(then.get("python") or _built_with(release))
    found = host.interpreter(python)
    if not found:
        told = "{} does not respond".format(path)
        yield Item("audit.interpreter", BREAKS, "python", told, "Install it again, or run site.yml.")
    elif was and found != was:
        same = minor(found) == minor(was)
        told = "{} is {}, was {}".format(path, found, was)
        remedy = "Nothing, if `whisperx_verify` succeeds." if same else "Run site.yml."
        yield Item("audit.interpreter", DRIFTED if same else BREAKS, "python", told, remedy)


def _built_with(release: Release) -> str:
    """The interpreter's version that the environment notes for itself; records of before do not have it."""
    text = read_text(os.path.join(release.path, "pyvenv.cfg")) or ""
    found = re.search(r"(?m)^version(?:_info)? *= *(\d+\.\d+\.\d+)", text)
    return found.group(1) if found else ""


def objects(release: Release, now: host.Here, deep: bool) -> Tuple[Tuple[Finding, ...], int]:
    """What of a release does not fit the host as it is, and how many objects were read."""
    needs: Dict[str, Any] = dict(release.value("needs", {}) or {})
    python = os.path.realpath(os.path.join(release.path, "bin", "python"))
    use = gate.use(release.site_packages, needs, python, deep)
    try:
        found = audit(release.site_packages, now.glibc or None, now.machine, *_stacks(needs), use)
    except Problem as problem:
        told = (problem.rule, problem.where, problem.found, problem.wanted, problem.remedy)
        return (Finding(*told),), 0
    return found.findings, found.objects


def _stacks(needs: Dict[str, Any]) -> Tuple[bool, str]:
    return bool(needs.get("execstack_allowed")), str(needs.get("execstack_refused_from") or _NEVER)


def coming(release: Release, now: host.Here, libc: str, driver: str) -> Iterator[Item]:
    """Yield what a coming glibc or driver ("" for none) breaks that works today."""
    needs: Dict[str, Any] = dict(release.value("needs", {}) or {})
    if libc and libc != now.glibc:
        try:
            today, then = (
                {(item.rule, item.file): item for item in found.findings}
                for found in (
                    audit(release.site_packages, version or None, now.machine, *_stacks(needs))
                    for version in (now.glibc, libc)
                )
            )
        except Problem:
            today, then = {}, {}
        for key in sorted(set(then) - set(today), key=lambda item: (item[1], item[0])):
            item = then[key]
            told = "{} {}".format(item.file, item.found)
            yield Item(item.rule, BREAKS, "glibc " + libc, told, item.remedy, (item.file,))
    if driver and driver != now.driver and str(release.value("device")) == "cuda":
        for told in _driver(release, needs, driver):
            remedy = "Hold the driver's packages at a branch in this range, or run site.yml afterwards."
            yield Item("audit.driver", BREAKS, "driver " + driver, told, remedy)


def _driver(release: Release, needs: Dict[str, Any], driver: str) -> List[str]:
    """Why a driver would not serve a release for the GPU."""
    bounds: Dict[str, Any] = dict(needs.get("driver") or {})
    lowest, highest = str(bounds.get("minimum") or ""), str(bounds.get("maximum") or "")
    if lowest and numbers(driver) < numbers(lowest):
        return ["it is older than {}, which the packages need".format(lowest)]
    if highest and numbers(driver)[:1] > numbers(highest)[:1]:
        return ["branch {} is the last for a GPU of this host".format(highest.partition(".")[0])]
    if lowest:
        return []
    then = host.Here("", "", driver)
    told = host.unfit("cuda", dict(release.value("host", {}) or {}), then)
    return [told] if told else []
