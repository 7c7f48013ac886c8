"""A boot's verdict, made true in a directory: links, verdict, stand-ins. The proof is played here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_firstboot import main, unit, withdraw
from module_utils.whisperx_firstboot.enact import UNAVAILABLE
from module_utils.whisperx_firstboot.records import Image, Places, Profile, Settings, Verdict, read_image
from module_utils.whisperx_firstboot.sources import install

FACTS: dict[str, Any] = {
    "machine": "x86_64",
    "libc": {"family": "glibc", "version": "2.41"},
    "nvidia_driver": {"state": "absent"},
}
NEWER = FACTS | {"libc": {"family": "glibc", "version": "2.43"}}


class Machine:
    """An image below a directory, installed as the module does."""

    def __init__(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.places = Places(str(base))
        profile = Profile("cpu", "whisperx-1-cpu-0", "cpu", "x86_64", "glibc", "2.41", scripts=("whisperx",))
        self.image = Image(
            str(base / "opt"),
            "import",
            (profile,),
            facts_dir=str(base / "facts.d"),
            bin_dir=str(base / "bin"),
        )
        self.release = base / "opt" / "releases" / profile.release
        (self.release / "launch").mkdir(parents=True)
        record = {"id": profile.release, "scripts": ["whisperx"], "device": "cpu"}
        (self.release / "release.json").write_text(json.dumps(record))
        command = self.release / "launch" / "whisperx"
        command.write_text("#!/bin/sh\necho transcribed\n")
        command.chmod(0o755)
        self.proofs = 0
        self.findings: list[str] = []
        monkeypatch.setattr(main, "prove", self.prove)

    def prove(self, image: Image, profile: Profile, level: str, timeout: float) -> dict[str, Any]:
        self.proofs += 1
        return {"ok": not self.findings, "findings": self.findings, "seconds": 0.1, "level": level}

    def install(self, check: bool = False) -> list[str]:
        return install(self.image, "/usr/bin/python3", unit, self.places, check)

    def boot(self, facts: dict[str, Any] = FACTS, **settings: str) -> Verdict:
        return main.judge(self.image, self.places, dict(facts), Settings(**settings))

    def says(self) -> tuple[int, str]:
        """Run the command as a user does."""
        done = subprocess.run([f"{self.image.bin_dir}/whisperx"], capture_output=True, text=True, check=False)
        return done.returncode, (done.stdout + done.stderr).strip()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, monkeypatch)
    assert made.install(check=True) == made.install()
    return made


def test_before_the_first_boot_commands_say_that_nothing_was_verified(machine: Machine) -> None:
    assert machine.install() == []
    code, said = machine.says()
    assert code == UNAVAILABLE and "not been verified yet" in said
    assert read_image(machine.places.image) == machine.image


def test_fit_once_and_cheap_until_something_changes(machine: Machine) -> None:
    assert machine.boot().fit and machine.says() == (0, "transcribed")
    fact = json.loads(Path(machine.image.facts_dir, "whisperx.fact").read_text())
    assert (fact["release"], fact["verified"]) == ("whisperx-1-cpu-0", "import")
    Path(machine.places.message).unlink()
    assert machine.boot().fit and machine.proofs == 1
    assert Path(machine.places.message).read_text().startswith("whisperx: fit: profile cpu works here")
    assert machine.boot(NEWER).fit and machine.proofs == 2


def test_unfit_takes_every_command_away_and_a_mended_machine_gets_them_back(machine: Machine) -> None:
    machine.boot()
    machine.findings = ["import ctranslate2 died of SIGILL"]
    verdict = machine.boot(NEWER)
    assert (verdict.verdict, verdict.rule) == ("unfit", "firstboot.verify")
    code, said = machine.says()
    assert code == UNAVAILABLE and "SIGILL" in said and "baked for glibc 2.41" in said
    assert not Path(machine.image.facts_dir, "whisperx.fact").exists()
    assert json.loads(Path(machine.places.verdict).read_text())["findings"] == machine.findings
    machine.findings = []
    assert machine.boot(NEWER).fit and machine.says() == (0, "transcribed")


def test_another_machine_is_unfit_without_a_proof(machine: Machine) -> None:
    verdict = machine.boot(FACTS | {"machine": "aarch64"})
    assert (verdict.fit, verdict.rule, machine.proofs) == (False, "firstboot.no-profile", 0)
    assert "baked for x86_64, this machine is aarch64" in machine.says()[1]


def test_a_proof_that_was_cut_short_leaves_no_command(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.boot()

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "prove", killed)
    with pytest.raises(KeyboardInterrupt):
        machine.boot(NEWER)
    assert machine.says()[0] == UNAVAILABLE


def test_an_image_of_a_machine_that_booted_is_made_undecided_again(machine: Machine) -> None:
    machine.boot()
    assert machine.install() == ["Left the choice to the first boot"]
    assert machine.says()[0] == UNAVAILABLE and machine.install() == []


@pytest.mark.parametrize("booted", [False, True])
def test_taken_off_the_machine_it_leaves_nothing(machine: Machine, booted: bool) -> None:
    top = Path(machine.places.top)
    kept = {machine.release, *machine.release.rglob("*"), *machine.release.parents}
    if booted:
        machine.boot()
    root = machine.image.root
    assert withdraw.remove(machine.places, "/elsewhere", False) == []
    for check in (True, False):
        assert withdraw.remove(machine.places, root, check) != []
    assert withdraw.remove(machine.places, root, False) == []
    # The environment's own links and fact are its own removal's to take.
    left = {path for path in top.rglob("*") if not path.is_dir() or path.is_symlink()} - kept
    own = {Path(root) / "current", Path(machine.image.bin_dir) / "whisperx"}
    assert left - own - {Path(machine.image.facts_dir) / "whisperx.fact"} == set()


def test_a_directory_of_somebody_else_s_stays(tmp_path: Path) -> None:
    (tmp_path / "var/lib/whisperx").mkdir(parents=True)
    (tmp_path / "var/lib/whisperx/verdict.json").write_text("theirs")
    assert withdraw.remove(Places(str(tmp_path)), "/opt/whisperx", False) == []
    assert (tmp_path / "var/lib/whisperx/verdict.json").read_text() == "theirs"
