"""What holds for any host: order, what constraints admit, and that better hardware never hurts."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from module_utils.whisperx_plan.case import Case, Target
from module_utils.whisperx_plan.decide import decide
from module_utils.whisperx_plan.gpu.profile import profile_of
from module_utils.whisperx_plan.model import Host, Interpreter, Request
from module_utils.whisperx_plan.solve.candidates import World
from tests.attack.strength import amount
from tests.unit.whisperx_catalogue.knowledge import catalogue
from tests.unit.whisperx_plan.hosts import facts, with_gpu

GLIBCS = ["2.17", "2.26", "2.28", "2.31", "2.36", "2.40", "2.41", "2.43"]
PYTHONS = ["3.14.1", "3.8.20", "3.9.2", "3.10.12", "3.11.2", "3.12.3", "3.13.5", "3.14.0"]
DRIVERS = [
    None,
    ("470.82.01", "11.4"),
    ("525.60.13", "12.0"),
    ("535.183.01", "12.2"),
    ("550.54.15", "12.4"),
    ("570.124.06", "12.8"),
    ("580.95.05", "13.0"),
    ("595.58.03", "13.2"),
]
CAPABILITIES = ["3.7", "5.2", "6.1", "7.0", "7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "12.0", "12.1"]
ASKED = [
    {"whisperx": ""},
    {"ctranslate2": ""},
    {"faster-whisper": ""},
    {"whisperx": ">=3.7"},
    {"whisperx": "==3.4.5"},
]

pythons = st.lists(st.sampled_from(PYTHONS), min_size=1, max_size=3, unique=True)
gpus = st.none() | st.tuples(st.sampled_from(CAPABILITIES), st.sampled_from(DRIVERS))
asked = st.sampled_from(ASKED)
quick = settings(max_examples=amount(12, 100), deadline=None, suppress_health_check=list(HealthCheck))
fleets = settings(quick, max_examples=amount(5, 30))


@st.composite
def hosts(draw: st.DrawFn) -> dict[str, Any]:
    found = facts(draw(st.sampled_from(GLIBCS)), tuple(draw(pythons)))
    gpu = draw(gpus)
    return with_gpu(found, *gpu) if gpu else found


def one(found: dict[str, Any], packages: dict[str, str], **more: Any) -> dict[str, Any]:
    return dict(decide({"h": found}, Request.make(packages, **more), catalogue()).hosts["h"])


@fleets
@given(st.lists(hosts(), min_size=2, max_size=5), asked, st.randoms(use_true_random=False))
def test_order_of_hosts_and_lists_does_not_count(fleet, packages, luck):
    names = {f"h{number}": found for number, found in enumerate(fleet)}
    request = Request.make(packages)
    before = decide(names, request, catalogue())
    turned = [
        (name, {**found, "pythons": luck.sample(found["pythons"], len(found["pythons"]))})
        for name, found in names.items()
    ]
    luck.shuffle(turned)
    after = decide(dict(turned), request, catalogue())
    assert {name: after.hosts[name] for name in names} == dict(before.hosts)
    assert after.classes == before.classes


@quick
@given(hosts(), asked)
def test_constraints_admit_only_what_every_rule_lets_pass(found, packages):
    request = Request.make(packages, remedies=["upgrade"], interpreters=["system"])
    record = one(found, packages, remedies=["upgrade"], interpreters=["system"])
    if record["verdict"] == "refused":
        return
    host = Host.from_facts("h", found, frozenset({"sse4_1"}))
    python = Interpreter(
        record["python_path"], next(p.version for p in host.pythons if p.path == record["python_path"])
    )
    world = World(Target(Case(host, request, catalogue()), record["device"], python))
    for name, text in record["constraints"].items():
        package = catalogue().packages.get(name)
        if package is None or name not in world.passing:
            continue
        for release in package.releases:
            # A resolver takes a pre-release only where the text names one.
            pre = release.version.is_prerelease and not SpecifierSet(text).prereleases
            if name in record["pins"] and not pre and SpecifierSet(text).contains(release.version, True):
                assert world.passing[name] & release.bit, (release.subject, text)
        if name in record["pins"]:
            assert SpecifierSet(text).contains(record["pins"][name], prereleases=True)


@quick
@given(hosts(), asked)
def test_refusals_have_reasons_and_constraints_hold_the_pins(found, packages):
    record = one(found, packages)
    if record["verdict"] == "refused":
        assert record["reasons"] and record["class"] is None
    for name, version in record.get("pins", {}).items():
        assert SpecifierSet(record["constraints"][name]).contains(version, prereleases=True)
        assert SpecifierSet(packages.get(name, "")).contains(version, prereleases=True)


def rank(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])


@quick
@given(hosts(), asked, st.sampled_from(DRIVERS[1:]))
def test_a_better_driver_never_refuses_and_never_leaves_the_gpu(found, packages, better):
    had = found.get("nvidia_driver", {}).get("version")
    if "gpus" not in found or (had and rank(had) >= rank(better[0])):
        return
    # A branch beyond the last that serves the GPU is no better one.
    last = profile_of(Host.from_facts("h", found), catalogue()).last_branch
    if last is not None and rank(better[0])[0] > last:
        return
    before = one(found, packages)
    after = one(with_gpu(found, found["gpus"][0]["compute_capability"], better), packages)
    if before["verdict"] == "plan":
        assert after["verdict"] == "plan"
        if before["device"] == "cuda":
            assert after["device"] == "cuda"


@quick
@given(hosts(), asked, st.sampled_from(GLIBCS))
def test_a_newer_glibc_takes_a_plan_away_only_by_the_executable_stack(found, packages, newer):
    if rank(newer) <= rank(found["libc"]["version"]):
        return
    for remedies in (["upgrade"], ["upgrade", "repair"]):
        before = one(found, packages, remedies=remedies)
        after = one({**found, "libc": {"family": "glibc", "version": newer}}, packages, remedies=remedies)
        if before["verdict"] == "plan" and after["verdict"] == "refused":
            assert "repair" not in remedies
            assert "libc.execstack" in {reason["rule"] for reason in after["reasons"]}


@quick
@given(hosts(), asked, st.sampled_from(PYTHONS))
def test_another_python_never_takes_anything_away(found, packages, extra):
    before = one(found, packages)
    more = {"path": f"/usr/local/bin/python{extra}", "version": extra}
    after = one({**found, "pythons": [*found["pythons"], more]}, packages)
    if before["verdict"] == "plan":
        assert after["verdict"] == "plan"
        for name in packages:
            if before["device"] == after["device"]:
                assert catalogued(name, after) >= catalogued(name, before)


def catalogued(name: str, record: dict[str, Any]) -> int:
    return next(
        release.index
        for release in catalogue().packages[name].releases
        if release.text == record["pins"][name]
    )


@fleets
@given(st.lists(hosts(), min_size=5, max_size=15), st.lists(asked, min_size=1, max_size=3))
def test_hosts_of_a_class_share_their_constraints(fleet, requests):
    shared: dict[str, Any] = {}
    for packages in requests:
        decision = decide(
            {str(n): found for n, found in enumerate(fleet)}, Request.make(packages), catalogue()
        )
        for record in decision.hosts.values():
            if record["class"]:
                same = {
                    key: record[key]
                    for key in ("constraints", "pins", "requirements", "environment", "loader_paths")
                }
                assert shared.setdefault(record["class"], same) == same


def test_rows_in_any_order_give_the_same_answer(tmp_path):
    from module_utils.whisperx_catalogue.catalogue import load
    from tests.unit.whisperx_catalogue.knowledge import DAY, copy_until
    from tests.unit.whisperx_catalogue.shuffle import shuffle_rows

    folder = copy_until(DAY, tmp_path / "catalogue")
    ordered = load(folder)
    shuffle_rows(folder, random.Random(7))
    shuffled = load(folder)
    assert shuffled.digest == ordered.digest
    fleet = {
        "cpu": facts(),
        "old": facts("2.31", ("3.9.2",)),
        "gpu": with_gpu(facts("2.39", ("3.12.3",)), "9.0", DRIVERS[3]),
        "pascal": with_gpu(facts("2.39", ("3.12.3", "3.11.2")), "6.1", DRIVERS[6]),
        "new": facts("2.43", ("3.14.0",)),
    }
    request = Request.make({"whisperx": ""})
    assert decide(fleet, request, shuffled) == decide(fleet, request, ordered)
