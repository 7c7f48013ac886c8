"""A bundle made here installs where there is no network interface at all: the real playbooks, CTranslate2."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from module_utils.whisperx_problem import Problem
from module_utils.whisperx_wheelhouse import listing

ROOT = Path(__file__).resolve().parents[2]


class Site:
    """This machine as a host, its environment below a directory."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.out = base / "bundle"
        host = {
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
            "whisperx_plan_packages": {"ctranslate2": ""},
            "whisperx_plan_device": "cpu",
            "whisperx_plan_runtime": "venv",
            "whisperx_plan_lock_dir": str(base / "locks"),
            "whisperx_venv_root": str(base / "root"),
            "whisperx_venv_bin_dir": "",
            "whisperx_venv_facts_dir": "",
            "whisperx_venv_ffmpeg": False,
        }
        (base / "hosts.json").write_text(json.dumps({"all": {"hosts": {"here": host}}}))

    def play(self, name: str, *arguments: str, offline: bool, fails: bool = False) -> str:
        """Run a playbook, with ``offline`` in a network name space that has no interface that is up."""
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / name)]
        command += ["-i", str(self.base / "hosts.json"), *arguments]
        settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        # Nothing that this machine has downloaded before may help.
        settings |= {"XDG_CACHE_HOME": str(self.base / ("there" if offline else "here"))}
        if offline:
            command = ["unshare", "--net", *command]
            settings |= {"UV_CACHE_DIR": str(self.base / "empty")}
        done = subprocess.run(
            command, env=os.environ | settings, cwd=self.base, capture_output=True, text=True, check=False
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    found = Site(tmp_path_factory.mktemp("site"))
    found.play("playbooks/bundle.yml", "-e", f"whisperx_wheelhouse_output={found.out}", offline=False)
    return found


def test_it_has_all_that_it_says_and_no_address(site: Site) -> None:
    subprocess.run(["sha256sum", "--check", "--quiet", listing.SUMS], cwd=site.out, check=True)
    names = {path.relative_to(site.out).parts[0] for path in site.out.rglob("*") if path.is_file()}
    assert names == {"bundle.json", "locks", "wheels", "uv", "catalogue", "sbom", listing.SUMS}
    (record,) = listing.check(site.out)["classes"].values()
    assert record["request"] == '{"ctranslate2":""}'
    (sbom,) = site.out.glob("sbom/*.cdx.json")
    parts = {part["name"]: part for part in json.loads(sbom.read_text())["components"]}
    assert {"ctranslate2", "numpy"} <= set(parts)
    for path in (*site.out.glob("locks/*"), sbom, site.out / "bundle.json"):
        assert "simple" not in path.read_text()
    before = (site.out / listing.SUMS).read_bytes()
    again = site.play("playbooks/bundle.yml", "-e", f"whisperx_wheelhouse_output={site.out}", offline=False)
    assert "changed=0" in again and (site.out / listing.SUMS).read_bytes() == before


def test_it_installs_where_there_is_no_network(site: Site) -> None:
    bundled = (
        "-e",
        f"whisperx_wheelhouse_bundle={site.out}",
        "-e",
        f"whisperx_plan_lock_dir={site.base}/none",
    )
    first = site.play("site.yml", *bundled, offline=True)
    assert "here: ctranslate2" in first
    assert not (site.base / "none").exists()
    assert "changed=0" in site.play("site.yml", *bundled, offline=True)
    python = site.base / "root" / "current" / "launch" / "python"
    subprocess.run(
        [python, "-c", "import ctranslate2; ctranslate2.get_supported_compute_types('cpu')"], check=True
    )


def test_what_it_was_not_made_for_is_refused(site: Site) -> None:
    told = site.play(
        "site.yml",
        *(
            "-e",
            f"whisperx_wheelhouse_bundle={site.out}",
            "-e",
            '{"whisperx_plan_packages": {"ctranslate2": "<4.8"}}',
        ),
        *("-e", f"whisperx_venv_root={site.base}/other"),
        offline=True,
        fails=True,
    )
    assert "the bundle has nothing that fits" in told and "bundle.no-lock" in told
    assert not (site.base / "other").exists()


@pytest.mark.parametrize("deed", ["damage", "remove"])
def test_a_bundle_that_is_not_whole_changes_nothing(site: Site, tmp_path: Path, deed: str) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(site.out, copy, copy_function=os.link)
    (wheel,) = copy.glob("wheels/*/ctranslate2-*.whl")
    data = bytearray(wheel.read_bytes())
    wheel.unlink()
    if deed == "damage":
        data[1000] ^= 1
        wheel.write_bytes(data)
    with pytest.raises(Problem) as caught:
        listing.check(copy)
    assert caught.value.rule == "bundle.damaged" and wheel.name in caught.value.found
    told = site.play(
        "site.yml",
        *("-e", f"whisperx_wheelhouse_bundle={copy}", "-e", f"whisperx_venv_root={tmp_path}/root"),
        offline=True,
        fails=True,
    )
    assert "bundle.damaged" in told and wheel.name in told
    assert not (tmp_path / "root").exists()
