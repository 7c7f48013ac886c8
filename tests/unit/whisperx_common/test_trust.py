"""Which directories are trusted: compared with what other users of the machine can really do there."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from other_users import DAEMON, NOBODY, as_user, open_directory, succeeds_as

from module_utils.whisperx_common import trust
from module_utils.whisperx_common.accounts import Accounts
from module_utils.whisperx_problem import Problem

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as several users")

# Groups: root's, one with a member (daemon), one that is known and has none, one that nobody knows.
STAFF = next((gid for gid in (50, 37, 40) if not Accounts().members(gid)), 54322)
GROUPS = (0, DAEMON, STAFF, 54321)
MODES = (0o755, 0o775, 0o777, 0o1777, 0o1775, 0o2775, 0o1757, 0o757)
OTHERS = (DAEMON, NOBODY)

LEVEL = st.fixed_dictionaries(
    {
        "owner": st.sampled_from((0, 0, 0, DAEMON, NOBODY)),
        "group": st.sampled_from(GROUPS),
        "mode": st.sampled_from((0o755, 0o755, *MODES)),
        "link": st.sampled_from(("", "", "relative", "absolute")),
        "link_owner": st.sampled_from((0, 0, DAEMON, NOBODY)),
    }
)


def built(base: Path, levels: list[dict]) -> tuple[Path, list[Path]]:
    """Make the directories of a path, some behind links beside them; return the path and every entry."""
    here, entries = base, []
    for number, level in enumerate(levels):
        name = f"d{number}"
        if level["link"]:
            real = here / f"real{number}"
            target = real if level["link"] == "absolute" else Path(f"real{number}")
            (here / name).symlink_to(target)
            os.lchown(here / name, level["link_owner"], 0)
            entries.append(here / name)
        else:
            real = here / name
        real.mkdir()
        entries.append(real)
        here = here / name
    # Last, and inwards out: a directory is filled before it is given away.
    here = base
    for number, level in enumerate(levels):
        here = here / f"d{number}"
        os.chown(here, level["owner"], level["group"])
        here.chmod(level["mode"])
    return here, entries


def can_change(uid: int, path: Path, entries: list[Path]) -> bool:
    """Tell whether a user can plant a file in the directory, or put something else in place of its path."""
    deeds = [lambda: (path / "planted").mkdir()]
    deeds += [lambda entry=entry: entry.rename(entry.with_name("moved-" + entry.name)) for entry in entries]
    deeds += [lambda entry=entry: entry.chmod(0o777) for entry in entries if not entry.is_symlink()]
    return succeeds_as(uid, *deeds)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(levels=st.lists(LEVEL, min_size=1, max_size=4), trusted=st.sampled_from(((0,), (0, DAEMON))))
def test_a_path_is_trusted_exactly_when_nobody_else_can_change_it(levels: list[dict], trusted: tuple) -> None:
    with open_directory() as base:
        path, entries = built(base, levels)
        spot = trust.Judge(frozenset(trusted)).directory(str(path))
        changed = [uid for uid in OTHERS if uid not in trusted and can_change(uid, path, entries)]
        assert bool(changed) == (spot is not None), (spot, changed)
        if spot is not None:
            assert os.path.lexists(base) and spot.path.startswith(str(base))


@pytest.mark.parametrize(
    ("owner", "group", "mode", "trusted"),
    [
        (0, 0, 0o755, True),
        (0, 0, 0o700, True),
        (0, STAFF, 0o2775, True),  # Debian's /usr/local/bin
        (0, 54321, 0o775, True),  # a group that nobody is in
        (0, DAEMON, 0o775, False),
        (0, DAEMON, 0o755, True),
        (0, 0, 0o777, False),
        (0, 0, 0o1777, False),  # itself: many may put files there
        (NOBODY, 0, 0o700, False),
        (54321, 0, 0o755, False),  # an owner without an account is still somebody
    ],
)
def test_the_directory_itself(owner: int, group: int, mode: int, trusted: bool) -> None:
    with open_directory() as base:
        place = base / "root"
        place.mkdir()
        os.chown(place, owner, group)
        place.chmod(mode)
        assert (trust.Judge().directory(str(place)) is None) == trusted
        above = trust.Judge().directory(str(place / "absent" / "below"))
        assert (above is None) == (trusted or mode == 0o1777)


def test_a_home_with_a_group_of_its_own_is_trusted_by_its_user_alone() -> None:
    with open_directory() as base:
        home = base / "home"
        home.mkdir()
        os.chown(home, DAEMON, DAEMON)
        home.chmod(0o775)
        at_home = as_user(DAEMON, lambda: int(trust.Judge().directory(str(home)) is None))
        elsewhere = as_user(NOBODY, lambda: int(trust.Judge().directory(str(home)) is None))
        assert (at_home, elsewhere, trust.Judge().directory(str(home)) is None) == (1, 0, False)


def test_what_this_user_may_not_enter_is_left_to_the_other_checks() -> None:
    with open_directory() as base:
        (base / "closed").mkdir(mode=0o700)
        inside = str(base / "closed" / "root")
        assert as_user(NOBODY, lambda: int(trust.Judge().directory(inside) is None)) == 1


@pytest.mark.parametrize(
    ("tag", "number", "bits", "mask", "trusted"),
    [
        (0x02, NOBODY, 7, 7, False),
        (0x02, NOBODY, 7, 5, True),  # the mask takes it away
        (0x02, NOBODY, 5, 7, True),
        (0x02, 0, 7, 7, True),
        (0x08, DAEMON, 7, 7, False),
        (0x08, STAFF, 7, 7, True),
    ],
)
def test_access_lists_count(tag: int, number: int, bits: int, mask: int, trusted: bool) -> None:
    with open_directory() as base:
        entries = [(1, 7, 2**32 - 1), (tag, bits, number), (4, 5, 2**32 - 1), (16, mask, 2**32 - 1)]
        entries = sorted([*entries, (32, 5, 2**32 - 1)])
        value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
        try:
            os.setxattr(base, "system.posix_acl_access", value)
        except OSError as error:
            pytest.skip(f"no access lists here: {error}")
        assert (trust.Judge().directory(str(base)) is None) == trusted
        user = number if tag == 0x02 else DAEMON
        assert user == 0 or succeeds_as(user, (base / "planted").mkdir) != trusted


def test_the_message_names_who_owner_mode_and_the_way_out() -> None:
    with open_directory() as base:
        place = base / "root"
        place.mkdir()
        os.chown(place, NOBODY, 0)
        with pytest.raises(Problem) as caught:
            trust.check({str(place / "x"): "whisperx_venv_root"})
        problem = caught.value
        assert problem.rule == "env.untrusted-directory"
        assert f"nobody (uid {NOBODY}) can change {place}" in problem.found and "0755" in problem.found
        assert f"chown 0 {place}" in problem.remedy and "whisperx_venv_root" in problem.remedy
        assert not (place / "x").exists()


def test_a_file_may_be_written_into_a_directory_with_the_sticky_bit() -> None:
    with open_directory() as base:
        base.chmod(0o1777)
        trust.check_file(str(base / "plan.json"), "whisperx_plan_output")
        with pytest.raises(Problem):
            trust.check({str(base): "whisperx_report_dir"})
        base.chmod(0o777)
        with pytest.raises(Problem):
            trust.check_file(str(base / "plan.json"), "whisperx_plan_output")


def test_made_directories_are_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_directory() as base:
        base.chmod(0o1777)
        trust.make(str(base / "a" / "b"), "whisperx_venv_root")
        assert stat.S_IMODE((base / "a" / "b").stat().st_mode) == 0o755

        def faster(path: str, mode: int) -> None:
            as_user(NOBODY, lambda: (Path(path).mkdir(), 0)[1])

        monkeypatch.setattr(trust, "make_directories", faster)
        with pytest.raises(Problem):
            trust.make(str(base / "taken"), "whisperx_venv_root")


def test_links_that_lead_to_each_other_are_no_place() -> None:
    with open_directory() as base:
        (base / "a").symlink_to("b")
        (base / "b").symlink_to("a")
        spot = trust.Judge().directory(str(base / "a"))
        assert spot is not None and "loop" in spot.sentence


def test_an_image_has_accounts_of_its_own() -> None:
    with open_directory() as top:
        (top / "etc").mkdir()
        (top / "etc" / "passwd").write_text("alice:x:1000:1000::/:/bin/sh\nbroken line\nbob:x:one:1::/:\n")
        (top / "etc" / "group").write_text("alice:x:1000:\nmakers:x:70:alice,ghost\nempty:x:71:\n")
        (top / "opt").mkdir()
        for gid, trusted in ((70, False), (71, True), (1000, False), (DAEMON, True)):
            os.chown(top / "opt", 0, gid)
            (top / "opt").chmod(0o775)
            spot = trust.Judge(frozenset((0,)), str(top)).directory("/opt")
            assert (spot is None) == trusted, gid
        (top / "out").symlink_to("/../../../opt")
        spot = trust.Judge(frozenset((0,)), str(top)).directory("/out")
        assert spot is None
