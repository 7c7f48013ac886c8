"""The audit of managed environments that changed: real directories, a real interpreter, real libraries."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_audit import contents
from module_utils.whisperx_audit.model import Asked
from module_utils.whisperx_audit.report import is_pinned, report
from module_utils.whisperx_release import host as hosts
from tests.unit.whisperx_abi.elf_samples import write_library
from tests.unit.whisperx_env.env_hosts import Host, wanted

NOW = hosts.here("/nonexistent")
PYTHON = "{}.{}.{}".format(*sys.version_info[:3])
NEEDS = {"execstack_refused_from": "2.41", "sonames": {"opens": [], "optional": []}}
STACKED = write_library(stack=7, needed=("libc.so.6",))

pytestmark = pytest.mark.skipif(
    not NOW.glibc or os.uname().machine != "x86_64", reason="the written libraries are for x86_64 with glibc"
)


def record(site: Path) -> None:
    """Write RECORD files that fit, as an installer does."""
    for info in site.glob("*.dist-info"):
        package = site / info.name.partition("-")[0]
        rows = []
        for path in sorted(package.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=")
                rows.append(f"{path.relative_to(site)},sha256={digest.decode()},{path.stat().st_size}\n")
        (info / "RECORD").write_text("".join(rows) + f"{info.name}/RECORD,,\n")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with one release in use, proved on this very machine."""
    made = Host(tmp_path)
    release(made)
    return made


def release(made: Host, version: str = "1.0", **changes: Any) -> Path:
    what = wanted(version)
    proved = {"glibc": NOW.glibc, "machine": NOW.machine, "driver": "", "python": PYTHON}
    values = {"host": proved, "needs": NEEDS, "python_path": sys.executable, **changes}
    path = made.release(what, **values)
    site = path / "lib/python3.11/site-packages"
    for package in ("whisperx", "numpy"):
        (site / package / "core.so").write_bytes(write_library())
    record(site)
    made.use(what)
    for file in [*site.rglob("*"), path / "manifest.json"]:
        os.utime(file, (time.time() - 3600,) * 2)
    return path


def ask(made: Host, **changes: Any) -> dict[str, Any]:
    asked = {"root": str(made.root), "hashes": False, "libc": "", "driver": "", "plan": {}, **changes}
    return report(Asked(**asked), driver_file=changes.pop("driver_file", "/nonexistent"))


def told(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["rule"], item["weight"]) for item in found["changes"]]


def site_of(made: Host) -> Path:
    return made.root / "current/lib/python3.11/site-packages"


def test_nothing_changed(host: Host) -> None:
    found = ask(host)
    assert (found["state"], found["changes"], found["findings"]) == ("healthy", [], [])
    assert found["objects"] == 2 and found["lines"][0].endswith("healthy")


@pytest.mark.parametrize(
    ("have", "newest", "security", "says"),
    [
        ("3.13.9", "3.13.11", False, "managed Python 3.13.9, newest 3.13.11; take"),
        ("3.13.9", "3.13.11", True, "managed Python 3.13.9, newest 3.13.11: security release; take"),
        ("3.13.9", "3.13.10", False, "managed Python 3.13.9, newest 3.13.10; take"),
        ("3.13.11", "3.13.9", True, ""),
        ("3.13.9", "3.13.9", True, ""),
        ("3.12.9", "3.13.11", True, ""),
        ("", "3.13.11", True, ""),
    ],
)
def test_a_newer_build_of_the_managed_python(
    tmp_path: Path, have: str, newest: str, security: bool, says: str
) -> None:
    made = Host(tmp_path)
    release(made, **({"python_archive": {"version": have}} if have else {}))
    found = ask(made, plan={"python_archive": {"version": newest, "security": security}})
    assert (says in "\n".join(found["lines"])) and bool(says) == ("newest" in found["python"])
    assert found["python"].get("version", "") == have
    assert "newest" not in ask(made)["python"]


def test_no_environment(tmp_path: Path) -> None:
    assert ask(Host(tmp_path))["state"] == "absent"


def test_another_libc_and_driver_and_interpreter(tmp_path: Path) -> None:
    made = Host(tmp_path)
    then = {"glibc": "2.19", "machine": NOW.machine, "driver": "570.1", "python": "3.11.0"}
    release(made, host=then)
    found = ask(made)
    assert ("audit.libc", "drifted") in told(found) and ("audit.driver", "drifted") in told(found)
    assert "audit.interpreter" in dict(told(found))
    assert f"glibc {NOW.glibc}, was 2.19" in "\n".join(found["lines"])


def test_a_release_for_a_gpu_without_its_driver_is_broken(tmp_path: Path) -> None:
    made = Host(tmp_path)
    release(
        made,
        device="cuda",
        host={"glibc": NOW.glibc, "machine": NOW.machine, "driver": "570.1", "python": PYTHON},
    )
    found = ask(made)
    assert (told(found), found["state"]) == ([("audit.driver", "breaks")], "broken")


def test_an_interpreter_that_is_gone(host: Host) -> None:
    python = host.root / "current/bin/python"
    python.unlink()
    python.symlink_to("/nonexistent/python3.11")
    found = ask(host)
    assert ("audit.interpreter", "breaks") in told(found) and found["state"] == "broken"


def test_records_of_before_know_the_interpreter_from_the_environment(tmp_path: Path) -> None:
    made = Host(tmp_path)
    path = release(made, host={"glibc": NOW.glibc, "machine": NOW.machine, "driver": ""})
    assert ask(made)["state"] == "healthy"
    (path / "pyvenv.cfg").write_text("home = /usr/bin\nversion_info = 3.11.0\n")
    assert "audit.interpreter" in dict(told(ask(made)))


def test_packages_against_the_lock(host: Host) -> None:
    site = site_of(host)
    (site / "numpy-2.0.dist-info").rename(site / "numpy-2.1.dist-info")
    (site / "extra-1.0.dist-info").mkdir()
    (site / "extra-1.0.dist-info/INSTALLER").write_text("pip\n")
    rules = dict(told(ask(host)))
    assert rules["audit.package-version"] == rules["audit.package-added"] == "drifted"
    text = "\n".join(ask(host)["lines"])
    assert "numpy 2.1 (locked 2.0)" in text and "extra 1.0 by pip" in text
    (site / "numpy-2.1.dist-info/RECORD").unlink()
    (site / "numpy-2.1.dist-info").rmdir()
    found = ask(host)
    assert ("audit.package-gone", "breaks") in told(found) and found["state"] == "broken"


@pytest.mark.parametrize(
    ("version", "pin", "same"),
    [
        ("4.8.5", "4.8.5", True),
        ("4.8.5+execstack0", "4.8.5", True),
        ("4.8.51", "4.8.5", False),
        ("4.8.5+cu126.sm87", "4.8.5+cu126.sm87", True),
        ("4.8.5+cu126.sm87.execstack0", "4.8.5+cu126.sm87", True),
        ("4.8.5", "4.8.5+cu126.sm87", False),
        ("4.8.5+cu126.sm870", "4.8.5+cu126.sm87", False),
        ("", "4.8.5", False),
    ],
)
def test_a_build_or_a_repair_is_the_pinned_version(version: str, pin: str, same: bool) -> None:
    assert is_pinned(version, pin) is same


def test_files_edited_removed_and_added(host: Host) -> None:
    site = site_of(host)
    (site / "whisperx/__init__.py").write_text("import evil\n")
    (site / "numpy/core.so").unlink()
    (site / "numpy/__pycache__/x.pyc").write_bytes(b"")
    (site / "sitecustomize.py").write_text("")
    (site / "byhand").mkdir()
    (site / "byhand/one.py").write_text("")
    by_rule = {item["rule"]: item for item in ask(host)["changes"]}
    assert by_rule["audit.file-edited"]["names"] == ["whisperx/__init__.py"]
    assert by_rule["audit.file-gone"]["names"] == ["numpy/core.so"]
    assert by_rule["audit.file-gone"]["weight"] == "breaks"
    assert by_rule["audit.file-added"]["names"] == ["byhand/", "sitecustomize.py"]


def test_an_edit_of_the_same_size_is_seen_by_its_time_or_by_all_hashes(host: Host) -> None:
    file = site_of(host) / "whisperx/core.so"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    old = file.stat().st_mtime
    file.write_bytes(bytes(data))
    assert told(ask(host)) == [("audit.file-edited", "drifted")]
    os.utime(file, (old, old))
    assert told(ask(host)) == []
    assert told(ask(host, hashes=True)) == [("audit.file-edited", "drifted")]


def test_what_is_too_much_to_compare_is_said(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_MOST_BYTES", 10)
    os.utime(site_of(host) / "whisperx/core.so")
    assert told(ask(host)) == [("audit.file-unread", "drifted")]
    assert told(ask(host, hashes=True)) == []


def test_a_coming_libc_that_refuses_executable_stacks(host: Host) -> None:
    (site_of(host) / "whisperx/core.so").write_bytes(STACKED)
    record(site_of(host))
    if tuple(map(int, NOW.glibc.split("."))) >= (2, 41):
        pytest.skip("this machine refuses them already")
    assert ask(host)["findings"] == []
    found = ask(host, libc="2.41")
    assert [item["rule"] for item in found["breaks"]] == ["abi.execstack"] and found["would_break"]
    text = "\n".join(found["lines"])
    assert "with glibc 2.41: WOULD BREAK" in text and "whisperx/core.so" in text
    assert not ask(host, libc="2.40")["would_break"]


def test_what_site_would_do_about_it(host: Host) -> None:
    (site_of(host) / "whisperx/core.so").write_bytes(STACKED)
    plan = {"verdict": "plan", "pins": {"whisperx": "2.0", "numpy": "2.0"}, "repairs": [{"package": "numpy"}]}
    text = "\n".join(ask(host, libc="2.41", plan=plan)["lines"])
    assert "site.yml fixes it: repair numpy, whisperx 1.0 -> 2.0" in text
    plan = {
        "verdict": "refused",
        "reasons": [{"sentence": "no way"}],
        "remedies": [{"sentence": "a container"}],
    }
    text = "\n".join(ask(host, libc="2.41", plan=plan)["lines"])
    assert "site.yml would refuse: no way" in text and "remedy: a container" in text


def test_what_site_would_do_once_a_harmless_libc_is_there(host: Host) -> None:
    plan: dict[str, Any] = {"verdict": "plan", "pins": {"whisperx": "1.0", "numpy": "2.0"}}
    lines = ask(host, libc="9.9", plan=plan)["lines"]
    assert lines[1:] == ["with glibc 9.9: would stay healthy"]
    refused = {"verdict": "refused", "reasons": [{"sentence": "no Python"}]}
    assert "site.yml would refuse: no Python" in ask(host, libc="9.9", plan=refused)["lines"][-1]
    plan["pins"]["numpy"] = "3.0"
    assert ask(host, libc="9.9", plan=plan)["lines"][-1].strip() == "site.yml would then: numpy 2.0 -> 3.0"


def test_an_environment_with_the_tunable_goes_on(tmp_path: Path) -> None:
    made = Host(tmp_path)
    release(made, needs={**NEEDS, "execstack_allowed": True})
    (site_of(made) / "whisperx/core.so").write_bytes(STACKED)
    assert not ask(made, libc="2.41")["would_break"]


def test_an_older_libc_than_the_libraries_need(host: Host) -> None:
    versions = (("libc.so.6", (("GLIBC_2.17", False),)),)
    (site_of(host) / "whisperx/core.so").write_bytes(write_library(versions=versions))
    assert [item["rule"] for item in ask(host, libc="2.12")["breaks"]] == ["abi.glibc"]


@pytest.mark.parametrize(
    ("device", "bounds", "driver", "breaks"),
    [
        ("cpu", {"minimum": "570"}, "470.1", False),
        ("cuda", {"minimum": "570"}, "470.1", True),
        ("cuda", {"minimum": "570", "maximum": None}, "580.95.05", False),
        ("cuda", {"minimum": "525", "maximum": "580"}, "595.1", True),
        ("cuda", {"minimum": "525", "maximum": "580"}, "580.200", False),
        ("cuda", {}, "535.1", True),
        ("cuda", {}, "580.1", False),
    ],
)
def test_a_coming_driver(
    tmp_path: Path, device: str, bounds: dict[str, str | None], driver: str, breaks: bool
) -> None:
    made = Host(tmp_path)
    proved = {"glibc": NOW.glibc, "machine": NOW.machine, "driver": "570.1", "python": PYTHON}
    release(made, device=device, needs={**NEEDS, "driver": bounds}, host=proved)
    assert ask(made, driver=driver)["would_break"] is breaks


def test_a_rollback_that_would_not_fit_is_told(host: Host) -> None:
    old = wanted("0.9")
    path = host.release(old, needs=NEEDS, host={"glibc": NOW.glibc, "machine": NOW.machine})
    (path / "lib/python3.11/site-packages/whisperx/core.so").write_bytes(STACKED)
    host.before(old.name)
    assert ask(host)["previous"]["would_fit"]
    found = ask(host, libc="2.41")
    assert not found["would_break"] and not found["previous"]["would_fit"]
    assert "no rollback" in found["lines"][-1]


def test_nothing_is_written(host: Host) -> None:
    def snapshot() -> list[tuple[str, int, float]]:
        return [
            (str(path), path.lstat().st_size, path.lstat().st_mtime) for path in sorted(host.root.rglob("*"))
        ]

    before = snapshot()
    ask(host, libc="2.41", driver="580", hashes=True)
    assert snapshot() == before


def test_a_damaged_record_is_no_crash(host: Host) -> None:
    site = site_of(host)
    (site / "numpy-2.0.dist-info/RECORD").write_bytes(
        b'\0"\n,,\n\xff,sha256=,x\n../../../../etc/passwd,sha256=a,1\n'
    )
    (host.root / "current/requirements.txt").write_text("what\n")
    assert ask(host)["state"] in ("drifted", "broken")


def test_a_process_that_runs_an_older_release_is_named(host: Host) -> None:
    first = Path(os.path.realpath(host.root / "current"))
    code = "import mmap, sys, time; f = open(sys.argv[1], 'rb'); m = mmap.mmap(f.fileno(), 0, prot=1);"
    argv = [sys.executable, "-c", code + " print(flush=True); time.sleep(60)", str(first / "release.json")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None and child.stdout.readline()
            assert ask(host)["state"] == "healthy"
            release(host, "2.0")
            found = ask(host)
        finally:
            child.kill()
    [item] = found["changes"]
    assert (item["rule"], found["state"], item["names"]) == ("audit.process", "drifted", [str(child.pid)])
    assert first.name in item["sentence"] and "estart" in item["remedy"]
