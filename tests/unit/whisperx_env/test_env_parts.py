"""The parts of the managed environment, each on real files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from env_hosts import Host, lock_text, plan, wanted

from module_utils.whisperx_common import files, process, telemetry
from module_utils.whisperx_env import commands, gate, integrity, launch, room
from module_utils.whisperx_env.model import Sources, want
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release import disk, lock, outside, state
from module_utils.whisperx_release import host as hosts
from module_utils.whisperx_release.model import Outcome, Release, State
from module_utils.whisperx_release.summary import diff, lines
from tests.unit.whisperx_abi.elf_samples import CC, compile_library

MIB = 1024 * 1024


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def only(host: Host) -> Release:
    (release,) = state.read(host.layout).releases.values()
    return release


class TestWant:
    def test_name_tells_package_version_build_and_digest(self) -> None:
        text = lock_text({"whisperx": "3.8.6"}, **{"torch-build": "cu128", "device": "cuda"})
        found = want(plan(device="cuda"), text)
        assert found.name.startswith("whisperx-3.8.6-cu128-") and len(found.name.rsplit("-", 1)[1]) == 12

    def test_a_refusal_is_no_plan(self) -> None:
        with pytest.raises(Problem, match="refusal") as raised:
            want({"verdict": "refused"}, "")
        assert raised.value.rule == "env.plan-refused"

    @pytest.mark.parametrize("change", [{"python": "3.12"}, {"device": "cuda"}, {"request": {"torch": ""}}])
    def test_a_lock_of_another_plan(self, change: dict[str, Any]) -> None:
        with pytest.raises(Problem) as raised:
            want(plan(**change), lock_text({"whisperx": "1.0"}))
        assert raised.value.rule == "env.lock-mismatch"


class TestFiles:
    def test_links_and_texts_are_replaced_in_one_step(self, tmp_path: Path) -> None:
        path = str(tmp_path / "file")
        for text in ("one", "two"):
            files.write_text(path, text, 0o640)
            assert files.read_text(path) == text and os.stat(path).st_mode & 0o777 == 0o640
        for target in ("one", "two"):
            files.link(str(tmp_path / "link"), target)
            assert os.readlink(tmp_path / "link") == target
        assert sorted(os.listdir(tmp_path)) == ["file", "link"]

    def test_a_left_over_of_a_killed_run_does_not_matter(self, tmp_path: Path) -> None:
        (tmp_path / "link.new").symlink_to("nowhere")
        files.link(str(tmp_path / "link"), "target")
        assert os.listdir(tmp_path) == ["link"]

    def test_discard_takes_anything(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        (tmp_path / "dead").symlink_to("nowhere")
        (tmp_path / "tree" / "deep").mkdir(parents=True)
        (tmp_path / "tree.going").mkdir()
        (tmp_path / "linked").symlink_to("tree")
        for name in ("linked", "file", "dead", "absent", "tree"):
            files.discard(str(tmp_path / name))
        assert os.listdir(tmp_path) == []

    def test_json_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "half").write_text('{"a": ')
        (tmp_path / "list").write_text("[]")
        assert [files.read_json(str(tmp_path / name)) for name in ("half", "list", "absent")] == [None] * 3


class TestState:
    @pytest.mark.parametrize("name", ["file", "dead", "full"])
    def test_foreign_roots(self, host: Host, name: str) -> None:
        if name == "file":
            host.root.write_text("")
        elif name == "dead":
            host.root.symlink_to("nowhere")
        else:
            (host.root / "src").mkdir(parents=True)
        with pytest.raises(Problem) as raised:
            state.read(host.layout)
        assert raised.value.rule == "env.foreign-directory"

    def test_a_root_killed_before_its_marker_was_written(self, host: Host) -> None:
        host.root.mkdir()
        (host.root / ".lock").write_text("1\n")
        (host.root / ".whisperx-fleet.new").write_text("{")
        assert not state.read(host.layout).exists

    def test_links_that_lead_elsewhere_count_as_none(self, host: Host) -> None:
        host.release(wanted())
        for target in ("releases/other", "/etc", "../root", "releases"):
            files.link(host.layout.current, target)
            assert state.read(host.layout).current == ""


class TestIntegrity:
    def test_a_whole_release(self, host: Host) -> None:
        host.release(wanted())
        assert integrity.damage(only(host)) == []

    @pytest.mark.parametrize(
        ("harm", "told"),
        [
            (lambda site: shutil.rmtree(site / "numpy"), "numpy"),
            (lambda site: (site / "numpy" / "__init__.py").unlink(), "lacks 1 of 2 files"),
            (lambda site: (site / "numpy" / "core.so").write_text("x"), "core.so changed its size"),
            (lambda site: shutil.rmtree(site / "numpy-2.0.dist-info"), "numpy 2.0 is missing"),
            (
                lambda site: (site / "numpy-2.0.dist-info").rename(site / "numpy-1.9.dist-info"),
                "numpy is 1.9",
            ),
            (lambda site: (site / "pip-26.0.dist-info").mkdir(), "pip 26.0 is installed but not in the lock"),
            (lambda site: (site.parents[2] / "bin" / "python").unlink(), "interpreter"),
            (lambda site: (site.parents[2] / "bin" / "whisperx").unlink(), "bin/whisperx is gone"),
            (lambda site: (site.parents[2] / "manifest.json").unlink(), "manifest.json is missing"),
            (lambda site: (site.parents[2] / "manifest.json").write_text("{}"), "manifest.json is not as"),
        ],
    )
    def test_damage_is_named(self, host: Host, harm: Any, told: str) -> None:
        site = host.release(wanted()) / "lib" / "python3.11" / "site-packages"
        harm(site)
        assert told in "; ".join(integrity.damage(only(host)))

    def test_what_programs_write_at_run_time_is_no_damage(self, host: Host) -> None:
        site = host.release(wanted()) / "lib" / "python3.11" / "site-packages"
        (site / "numpy" / "__pycache__" / "x.pyc").write_text("")
        (site / "numpy" / "cache.bin").write_text("")
        shutil.rmtree(site / "whisperx" / "__pycache__")
        assert integrity.damage(only(host)) == []

    def test_packages_whose_files_were_edited(self, host: Host) -> None:
        site = host.release(wanted()) / "lib" / "python3.11" / "site-packages"
        assert integrity.poisoned(only(host)) == []
        (site / "whisperx" / "__init__.py").write_text("edited")
        (site / "numpy" / "__init__.py").unlink()
        assert integrity.poisoned(only(host)) == ["whisperx"]


class TestLaunch:
    def run(self, host: Host, shell: str, caller: dict[str, str], **changes: Any) -> dict[str, str]:
        """Run the launch script of `whisperx`, whose program prints its environment."""
        path = host.release(wanted(**changes))
        done = subprocess.run(
            [shell, path / "launch" / "whisperx"],
            env={"PATH": os.environ["PATH"], **caller},
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        return dict(line.split("=", 1) for line in done.stdout.decode().splitlines() if "=" in line)

    @pytest.mark.parametrize("shell", [name for name in ("dash", "bash") if shutil.which(name)])
    def test_sets_what_the_plan_asks_and_hides_the_caller_s_python(self, host: Host, shell: str) -> None:
        asked = {"GLIBC_TUNABLES": "glibc.rtld.execstack=2", "TEXT": "it's $HOME"}
        caller = {"PYTHONPATH": "/evil", "PYTHONHOME": "/evil", "GLIBC_TUNABLES": "a=b", "TEXT": "caller"}
        found = self.run(host, shell, caller, environment=asked)
        assert found["GLIBC_TUNABLES"] == "glibc.rtld.execstack=2:a=b"
        assert found["TEXT"] == "it's $HOME" and found["PYTHONNOUSERSITE"] == "1"
        assert not {"PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "CUDA_CACHE_PATH"} & set(found)

    @pytest.mark.parametrize("shell", [name for name in ("dash", "bash") if shutil.which(name)])
    @pytest.mark.parametrize("name", sorted(telemetry.OPT_OUTS))
    @pytest.mark.parametrize("value", ["true", "0", "", None])
    def test_reports_to_the_makers_are_off_unless_the_caller_set_it(
        self, host: Host, shell: str, name: str, value: str | None
    ) -> None:
        caller = {} if value is None else {name: value}
        found = self.run(host, shell, caller)
        assert {key: found[key] for key in telemetry.OPT_OUTS} == telemetry.OPT_OUTS | caller
        assert found["PYANNOTE_METRICS_ENABLED"] in ("false", value)

    def test_the_plan_may_ask_for_reports(self, host: Host) -> None:
        asked = {"PYANNOTE_METRICS_ENABLED": "true"}
        assert self.run(host, "sh", {}, environment=asked)["PYANNOTE_METRICS_ENABLED"] == "true"

    def test_library_paths_are_those_that_exist_and_only_with_a_gpu(self, host: Host) -> None:
        paths = ["numpy", "nvidia/absent"]
        text = lock_text({"whisperx": "1.0", "numpy": "2.0"}, device="cuda")
        what = want(plan(device="cuda", loader_paths=paths), text)
        site = str(host.release(what) / "lib" / "python3.11" / "site-packages")
        assert launch.loader_path(what, site) == site + "/numpy"
        assert launch.loader_path(wanted(loader_paths=paths), site) == ""
        script = os.path.join(host.layout.release(what.name), "launch", "whisperx")
        caller = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": "/own", "HOME": str(host.base)}
        seen = subprocess.run([script], env=caller, capture_output=True, text=True, check=True).stdout
        assert f"LD_LIBRARY_PATH={site}/numpy:/own\n" in seen
        assert f"CUDA_CACHE_PATH={host.base}/.cache/whisperx-cuda\n" in seen

    def test_cuda_cache_without_a_home(self, host: Host) -> None:
        text = lock_text({"whisperx": "1.0"}, device="cuda")
        what = want(plan(device="cuda"), text)
        script = str(host.release(what) / "launch" / "whisperx")
        caller = {"PATH": os.environ["PATH"], "HOME": "/proc/none"}
        seen = subprocess.run([script], env=caller, capture_output=True, text=True, check=True).stdout
        assert f"CUDA_CACHE_PATH=/var/tmp/whisperx-{os.getuid()}/whisperx-cuda\n" in seen
        caller["CUDA_CACHE_PATH"] = "/mine"
        seen = subprocess.run([script], env=caller, capture_output=True, text=True, check=True).stdout
        assert "CUDA_CACHE_PATH=/mine\n" in seen

    @pytest.mark.parametrize("change", [{"environment": {"A;reboot": "1"}}, {"scripts": ["../sh"]}])
    def test_names_that_no_shell_takes(self, change: dict[str, Any]) -> None:
        with pytest.raises(Problem) as raised:
            launch.render(wanted(**change), "/r", "/r/s")
        assert raised.value.rule == "env.plan-malformed"

    def test_a_changed_script_is_noticed(self, host: Host) -> None:
        path = host.release(wanted())
        release = only(host)
        assert not launch.stale(wanted(), str(path), release.site_packages)
        (path / "launch" / "python").unlink()
        assert launch.stale(wanted(), str(path), release.site_packages)


class TestOutside:
    def test_a_link_into_another_root_is_not_ours(self, host: Host) -> None:
        Path(host.layout.bin_dir).mkdir()
        Path(host.layout.command("whisperx")).symlink_to("/opt/other/current/launch/whisperx")
        assert outside.ours(host.layout) == []
        with pytest.raises(Problem) as raised:
            outside.check(host.layout, ["whisperx"])
        assert raised.value.rule == "env.foreign-command"

    def test_the_fact_is_small_static_json(self, host: Host) -> None:
        host.release(wanted())
        host.use(wanted())
        text = Path(host.layout.fact).read_text()
        fact = json.loads(text)
        assert fact["versions"] == {"whisperx": "1.0"} and fact["release"] == wanted().name
        assert len(text) < 1000
        assert outside.fact_is(host.layout, only(host).record or {})

    def test_another_root_s_fact_stays(self, host: Host) -> None:
        Path(host.layout.facts_dir).mkdir()
        Path(host.layout.fact).write_text('{"root": "/opt/other"}')
        outside.remove_fact(host.layout)
        assert not outside.has_fact(host.layout)
        assert Path(host.layout.fact).exists()


class TestCommands:
    def values(self, sources: Sources, backend: str = "", **inherited: str) -> dict[str, str]:
        return commands.environment(sources, "/c", backend, (), inherited)

    def test_only_uv_s_own_settings_of_the_host_are_dropped(self) -> None:
        found = self.values(
            Sources(), UV_INDEX_URL="x", PYTHONPATH="x", LD_PRELOAD="x", https_proxy="p", HOME="/h"
        )
        assert found["https_proxy"] == "p" and found["HOME"] == "/h" and found["UV_CACHE_DIR"] == "/c"
        assert not {"UV_INDEX_URL", "PYTHONPATH", "LD_PRELOAD", "UV_DEFAULT_INDEX", "UV_INDEX"} & set(found)

    def test_credentials_go_to_their_server_only(self) -> None:
        sources = Sources(
            "https://me:pass%20word@one.example/simple",
            ("https://one.example/more", "https://two.example/simple"),
            torch_index="https://three.example/whl/",
        )
        found = self.values(sources, "cpu")
        assert found["UV_DEFAULT_INDEX"] == "MAIN=https://one.example/simple"
        assert found["UV_INDEX"].split() == [
            "TORCH=https://three.example/whl/cpu",
            "EXTRA1=https://one.example/more",
            "EXTRA2=https://two.example/simple",
        ]
        secrets = {key: value for key, value in found.items() if key.endswith(("_USERNAME", "_PASSWORD"))}
        assert secrets == {"UV_INDEX_MAIN_USERNAME": "me", "UV_INDEX_MAIN_PASSWORD": "pass word"}

    def test_separate_credentials_are_for_every_index_of_the_first_server(self) -> None:
        urls = ("https://one.example/more", "https://two.example/simple")
        found = self.values(Sources("https://one.example/simple", urls, username="me", password="pass"))
        assert found["UV_INDEX_MAIN_PASSWORD"] == found["UV_INDEX_EXTRA1_PASSWORD"] == "pass"
        assert "UV_INDEX_EXTRA2_PASSWORD" not in found

    def test_the_lock_s_backend_is_uv_s_unless_there_is_a_mirror(self) -> None:
        assert self.values(Sources(), "cpu")["UV_TORCH_BACKEND"] == "cpu"
        assert "UV_TORCH_BACKEND" not in self.values(Sources(torch_index="https://m.example"), "cpu")

    def test_no_argument_carries_an_address(self) -> None:
        for argv in (
            commands.venv("uv", "p", "d"),
            commands.sync("uv", "p", "r"),
            commands.clean("uv", ["a"]),
        ):
            assert not [word for word in argv if "://" in word]

    def test_redact(self) -> None:
        sources = Sources("https://one.example", password="pass word")
        text = "https://me:x@one.example/a said pass word"
        assert commands.redact(text, sources) == "https://***@one.example/a said ***"


class TestDisk:
    def room(self, mib: int) -> Any:
        return lambda path: SimpleNamespace(f_bavail=mib, f_frsize=MIB, f_flag=0)

    def test_sizes_are_counted_unpacked_and_only_once(self, host: Host) -> None:
        what = want(plan(), lock_text({"whisperx": "1.0", "numpy": "2.0"}, size=100 * MIB))
        with pytest.raises(Problem) as raised:
            room.check_room(what, State(exists=False), host.layout, self.room(487))
        assert raised.value.found == "487 MiB free" and "488 MiB" in raised.value.wanted
        room.check_room(what, State(exists=False), host.layout, self.room(488))
        host.release(want(plan(), lock_text({"numpy": "2.0", "whisperx": "0.9"}, size=100 * MIB)))
        (host.root / "cache").mkdir()
        room.check_room(what, state.read(host.layout), host.layout, self.room(308))

    def test_unknown_sizes_count_as_nothing(self, host: Host) -> None:
        what = want(plan(), lock_text({"whisperx": "1.0"}, size=None))
        room.check_room(what, State(exists=False), host.layout, self.room(128))

    @pytest.mark.parametrize(
        ("flag", "rule"), [(os.ST_RDONLY, "env.read-only"), (os.ST_NOEXEC, "env.no-exec"), (0, "")]
    )
    def test_mount_options(self, host: Host, flag: int, rule: str) -> None:
        def statvfs(path: str) -> Any:
            return SimpleNamespace(f_flag=flag)

        try:
            disk.check_writable({host.layout.root: "whisperx_venv_root"}, statvfs)
            assert rule == ""
        except Problem as problem:
            assert problem.rule == rule


class TestProcess:
    def test_output_and_code(self) -> None:
        assert process.run(["sh", "-c", "echo out; echo err >&2; exit 3"], dict(os.environ), 5) == (
            3,
            "out\nerr\n",
        )

    def test_too_long(self) -> None:
        started = time.monotonic()
        code, said = process.run(["sh", "-c", "echo begun; sleep 60 & sleep 60"], dict(os.environ), 0.3)
        assert (code, said) == (process.TIMED_OUT, "begun\n") and time.monotonic() - started < 5

    def test_dies_with_its_parent(self, tmp_path: Path) -> None:
        code = (
            "from module_utils.whisperx_common import process; import os;"
            f"process.run(['sh', '-c', 'echo $$ > {tmp_path}/pid; exec sleep 60'], dict(os.environ), 60)"
        )
        root = str(Path(__file__).parents[3])
        parent = subprocess.Popen([sys.executable, "-c", code], cwd=root)
        deadline = time.monotonic() + 10
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child = int((tmp_path / "pid").read_text())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not Path(f"/proc/{child}").exists()


def test_the_lock_names_its_holder_and_ends_with_it(host: Host) -> None:
    host.root.mkdir()
    with lock.held(host.layout), pytest.raises(Problem) as raised, lock.held(host.layout):
        pass
    assert raised.value.rule == "env.busy" and str(os.getpid()) in raised.value.found
    with lock.held(host.layout):
        pass


def test_the_gate_passes_this_python_s_own_libraries() -> None:
    import sysconfig

    found = gate.check(sysconfig.get_path("stdlib") + "/lib-dynload", {})
    assert found["objects"] > 10 and found["machine"] == os.uname().machine


@pytest.mark.skipif(CC is None, reason="no C compiler on this machine")
def test_a_build_s_gate_looks_at_symbols(tmp_path: Path) -> None:
    source = "int nobody_has_this(void); int start(void) { return nobody_has_this(); }\n"
    compile_library(tmp_path, "_x.abi3.so", source=source)
    assert gate.check(str(tmp_path), {})["objects"] == 1
    with pytest.raises(Problem) as raised:
        gate.check(str(tmp_path), {}, sys.executable)
    assert raised.value.rule == "env.abi"
    assert "uses nobody_has_this, which nothing here exports (abi.symbol)" in raised.value.found


def test_the_gate_s_needs_come_from_the_plan() -> None:
    tunable = {"GLIBC_TUNABLES": "glibc.malloc.check=0:glibc.rtld.execstack=2"}
    assert gate.needs(wanted(environment=tunable, execstack_refused_from="2.41")) == {
        "execstack_allowed": True,
        "execstack_refused_from": "2.41",
        "loader_paths": [],
        "sonames": {},
        "driver": {},
    }
    names = {"opens": ["libcublas.so.12"], "optional": ["libcuda.so.1"]}
    told = gate.needs(wanted(loader_paths=["nvidia/cublas/lib"], sonames=names))
    # Only the scripts of a release for a GPU set the loader path.
    assert told["loader_paths"] == [] and told["sonames"] == names


def test_summary_tells_what_where_how_and_how_long(host: Host) -> None:
    record = {
        "id": "r",
        "requested": ["whisperx"],
        "versions": {"whisperx": "3", "torch": "2"},
        "device": "cpu",
    }
    record |= {"python": "3.13", "scripts": ["whisperx"]}
    outcome = Outcome(actions=["Built"], timings={"build": 2.0, "verify": 3.0}, before={}, after={"a": "1"})
    told = lines(host.layout, record, outcome, 6.04, predicted=False)
    assert told == [
        "whisperx 3, torch 2 on cpu, Python 3.13",
        f"in {host.root}/releases/r, packages: 2",
        f"run it with {host.base}/bin/whisperx",
        "took 6.0 s (build 2.0 s, verify 3.0 s)",
    ]
    assert diff(outcome) == {"before": "", "after": "a==1\n"}
    assert lines(host.layout, {}, outcome, 1, predicted=True) == ["would build"]


@pytest.mark.parametrize(
    ("device", "then", "now", "told"),
    [
        ("cuda", "570.10", "580.1", ""),
        ("cuda", "570.10", "", "gone"),
        ("cuda", "570.10", "535.183.01", "older"),
        ("cuda", "", "535.183.01", ""),
        ("cpu", "570.10", "", ""),
    ],
)
def test_a_driver_may_get_newer_but_not_older(device: str, then: str, now: str, told: str) -> None:
    found = hosts.unfit(device, {"driver": then}, hosts.Here("2.41", "x86_64", now))
    assert (told in found) if told else found == ""


def test_the_driver_is_read_from_the_kernel_module(tmp_path: Path) -> None:
    (tmp_path / "version").write_text("570.124.06\n")
    assert hosts.here(str(tmp_path / "version")).driver == "570.124.06"
    assert hosts.here(str(tmp_path / "absent")).driver == ""


def test_the_interpreter_tells_its_whole_version(tmp_path: Path) -> None:
    assert hosts.interpreter(sys.executable) == "{}.{}.{}".format(*sys.version_info[:3])
    liar = tmp_path / "python"
    liar.write_text("#!/bin/sh\necho segmentation fault\n")
    liar.chmod(0o755)
    assert hosts.interpreter(str(liar)) == ""
    assert hosts.interpreter(str(tmp_path / "gone")) == ""
    assert set(hosts.record(str(tmp_path))) == {"glibc", "machine", "driver", "python"}
