"""Debian testing, which has Python 3.14 only, gets a managed Python: by site.yml, when a host is upgraded
from Debian 13, from a bundle, and in an image.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from managed_lab import Host, Site

from tests.attack.strength import FULL

# CTranslate2 4.6.0 has no wheel for Python 3.14; newer ones have, so they are asked for on a managed one.
ALONE = {"whisperx_plan_packages": {"ctranslate2": "==4.6.0"}}
OLD = {"whisperx_plan_packages": {"ctranslate2": "==4.6.0", "faster-whisper": ""}}
NEW = {"whisperx_plan_packages": {"ctranslate2": "", "faster-whisper": ""}}
NEW |= {"whisperx_plan_interpreters": ["managed"]}


@pytest.fixture(scope="module")
def site(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return the controller, with the lab's way to run podman."""
    if os.getuid() != 0 or not all(shutil.which(tool) for tool in ("podman", "runc", "mmdebstrap")):
        pytest.skip("takes root, podman, runc and mmdebstrap")
    os.environ.setdefault("CONTAINERS_CONF", str(root / "tools" / "lab" / "containers.conf"))
    return Site(tmp_path_factory.mktemp("managed"))


@pytest.fixture
def start() -> Iterator[Callable[..., Host]]:
    """Return what starts bare hosts, which are removed at the end."""
    hosts: list[Host] = []

    def one(suite: str, **options: str | bool) -> Host:
        hosts.append(Host(suite, **options))  # type: ignore[arg-type]
        return hosts[-1]

    yield one
    for host in hosts:
        host.remove()


def test_it_is_installed_upgraded_rolled_back_and_audited(site: Site, start: Callable[..., Host]) -> None:
    forky = start("forky")
    predicted = site.play("site.yml", forky, "--check", **OLD)
    assert f"install managed Python {site.version}" in predicted, predicted[-3000:]
    assert forky.here("sh", "-c", "ls -A /opt") == ""
    told = site.play("site.yml", forky, "--diff", **OLD)
    assert f"+python=={site.version}" in told, told[-5000:]
    assert (site.plan["python_source"], site.plan["runtime"]) == ("managed", "venv")

    # The run transcribed with the micro model on the real kernels. Here a user without name and home:
    old = forky.versions()
    assert old == ["4.6.0", site.version]
    again = site.play("site.yml", forky, **OLD)
    assert "changed=0" in again, again[-3000:]

    site.play("site.yml", forky, **NEW)
    new = forky.versions()
    assert new[0] > old[0] and new[1] == site.version
    assert forky.here("sh", "-c", "ls /opt/whisperx/pythons | wc -l") == "2"  # one tree, its record
    site.play("playbooks/rollback.yml", forky)
    assert forky.versions() == old
    audited = site.play("playbooks/audit.yml", forky, **OLD)
    assert "healthy" in audited, audited[-3000:]


@pytest.mark.skipif(not FULL, reason="takes minutes; `make attack` runs it")
def test_a_debian_13_that_becomes_testing_moves_to_one(
    site: Site, start: Callable[..., Host], tmp_path: Path
) -> None:
    # No lock of another test's, which would be taken as it is.
    asked = OLD | {"whisperx_plan_lock_dir": str(tmp_path / "locks")}
    host = start("trixie")
    site.play("site.yml", host, **asked)
    assert site.plan["python_source"] == "system"
    before = host.versions()
    versions = host.here("cat", "/opt/whisperx/current/release.json")
    site.play("playbooks/guard.yml", host)

    # As far as counts here: the new glibc and the new default Python. Debian 13's goes as no longer needed.
    host.here("sed", "-i", "s/trixie/forky/g", "/etc/apt/sources.list")
    host.apt("update")
    assert "guard.interpreter" not in host.apt("install", "python3")
    stopped = host.apt("autoremove", fails=True)
    assert "guard.interpreter: python3.13-minimal" in stopped and "a managed one" in stopped
    assert host.versions()[0] == before[0]
    told = host.apt("autoremove", WHISPERX_GUARD="off")
    assert "this run continues (the guard is off), but:" in told
    host.here("/opt/whisperx/current/launch/python", "-c", "pass", fails=True)

    told = site.play("site.yml", host, **asked)
    assert "taken over from the lock" in told, told[-3000:]
    assert site.plan["python_source"] == "managed"
    assert host.versions() == ["4.6.0", site.version]
    assert host.here("cat", "/opt/whisperx/current/release.json") != versions
    assert "env.previous" in site.play("playbooks/rollback.yml", host, fails=True)
    assert host.versions() == ["4.6.0", site.version]


def test_a_bundle_brings_it_where_there_is_no_network(site: Site, start: Callable[..., Host]) -> None:
    host, out = start("forky", shared=False), site.base / "bundle"
    site.play("playbooks/bundle.yml", host, **ALONE, whisperx_wheelhouse_output=str(out))
    assert [path.name for path in out.glob("pythons/*/*")] == [site.file]

    bundled = {"whisperx_wheelhouse_bundle": str(out), "whisperx_plan_lock_dir": str(site.base / "none")}
    # What the site without a network does not have.
    bundled |= {"whisperx_plan_python_mirror": "", "whisperx_plan_cache_dir": str(site.base / "there")}
    site.play("site.yml", host, offline=True, **ALONE, **bundled)
    assert site.plan["python_source"] == "managed"
    assert host.versions() == ["4.6.0", site.version]
    assert "changed=0" in site.play("site.yml", host, offline=True, **ALONE, **bundled)


@pytest.mark.skipif(not FULL, reason="takes minutes; `make attack` runs it")
def test_an_image_has_it_and_proves_it_at_its_first_boot(site: Site, start: Callable[..., Host]) -> None:
    host = start("forky", connection="containers.podman.podman")
    del host.variables["whisperx_venv_cache"]  # a bake removes what it downloads
    machine = {"cpu": {"flags": ["sse4_1", "avx", "avx2"]}, "gpus": []}
    asked = {"whisperx_host_assume": machine, "whisperx_bake_verify_level": "import", **ALONE}
    site.play("playbooks/bake.yml", host, **asked)
    assert host.here("sh", "-c", "ls /opt/whisperx/pythons | wc -l") == "2"
    assert host.here("sh", "-c", "ls -d /opt/whisperx/cache /opt/whisperx/files/* 2>/dev/null || true") == ""
    said = host.here("python3", "-I", "/usr/lib/whisperx-firstboot/firstboot.py")
    assert "profile default works here" in said
    assert host.versions() == ["4.6.0", site.version]
