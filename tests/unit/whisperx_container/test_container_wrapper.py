"""The command users run, run by a real shell against an engine that records how it was called.

SIMULATED: the engine prints its arguments and starts nothing; GPU, driver and CDI files are trees of files.
What real engines make of the arguments is shown by tests/integration/test_container_command.py and by the
molecule scenario.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from module_utils.whisperx_common import telemetry
from module_utils.whisperx_container.wrapper import Command, render
from module_utils.whisperx_problem import Problem

IMAGE = "localhost/whisperx-fleet:r1"
PLAIN = Command("r1-docker", "docker", (20, 10), IMAGE, ("whisperx",))
RECORDER = '#!/bin/sh\nenv >"$0.env"\nfor word in "$@"; do printf "%s\\n" "$word"; done\n'


class Host:
    """A home, a working directory, and an engine first on the PATH."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.home = base / "home"
        self.here = self.home / "audio"
        self.here.mkdir(parents=True)
        (base / "bin").mkdir()
        for engine in ("podman", "docker"):
            (base / "bin" / engine).write_text(RECORDER, encoding="utf-8")
            (base / "bin" / engine).chmod(0o755)

    def run(self, command: Command, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        script = self.base / "whisperx"
        script.write_text(render(command)["whisperx"], encoding="utf-8")
        path = f"{self.base / 'bin'}:/usr/bin:/bin"
        environment = {"PATH": path, "HOME": str(self.home), "DOCKER_HOST": "tcp://recorder"} | changes
        return subprocess.run(
            ["sh", script, *arguments],
            cwd=self.here,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def words(self, command: Command, *arguments: str, **changes: str) -> list[str]:
        result = self.run(command, *arguments, **changes)
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def mounts(words: list[str]) -> list[str]:
    """Return what is mounted: the path, with " ro" behind one that is read-only."""
    found = []
    for word in words[: words.index(IMAGE)]:
        if word.startswith("--mount=type=bind"):
            fields = word.split(",")
            assert fields[1].removeprefix("source=") == fields[2].removeprefix("target=")
            found.append(fields[1].removeprefix("source=") + (" ro" if "readonly" in fields else ""))
    return found


class TestReportsToTheMakers:
    @pytest.mark.parametrize("engine", ["docker", "podman"])
    @pytest.mark.parametrize("name", sorted(telemetry.OPT_OUTS))
    @pytest.mark.parametrize("value", ["true", "0", "", None])
    def test_are_off_unless_the_caller_set_it(
        self, host: Host, engine: str, name: str, value: str | None
    ) -> None:
        caller = {} if value is None else {name: value}
        words = host.words(replace(PLAIN, engine=engine, version=(5, 0)), **caller)
        # The engine hands on what it has under these names.
        assert {f"--env={key}" for key in telemetry.OPT_OUTS} <= set(words[: words.index(IMAGE)])
        lines = (host.base / "bin" / f"{engine}.env").read_text().splitlines()
        seen = dict(line.split("=", 1) for line in lines if "=" in line)
        assert {key: seen[key] for key in telemetry.OPT_OUTS} == telemetry.OPT_OUTS | caller


class TestConfinement:
    def test_runs_as_the_caller_without_privileges(self, host: Host) -> None:
        words = host.words(PLAIN)
        wanted = {"--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--rm", "--pull=never"}
        assert wanted <= set(words[: words.index(IMAGE)])
        assert f"--user={os.getuid()}:{os.getgid()}" in words

    def test_arguments_stay_as_they_are(self, host: Host) -> None:
        told = ["--initial_prompt", "it's  a 'test' $HOME", "", "*"]
        assert host.words(PLAIN, *told)[-4:] == told

    def test_runs_the_releases_own_command(self, host: Host) -> None:
        assert "/opt/whisperx/current/launch/whisperx" in host.words(PLAIN)

    def test_selinux_takes_the_label_and_relabels_nothing(self, host: Host) -> None:
        """SIMULATED: the mode is a file. It is read at every run, for it may be switched at any time."""
        mode = host.base / "sys/fs/selinux/enforce"
        mode.parent.mkdir(parents=True)
        for told, dropped in (("1", True), ("0", False)):
            mode.write_text(told, encoding="ascii")
            words = host.words(replace(PLAIN, host_root=str(host.base)))
            assert ("--security-opt=label=disable" in words) == dropped
            assert not [word for word in words if word.endswith((":z", ":Z"))]

    def test_network_and_options_are_those_asked_for(self, host: Host) -> None:
        words = host.words(replace(PLAIN, network="none", options=("--memory=16g",)))
        assert {"--network=none", "--memory=16g"} <= set(words[: words.index(IMAGE)])

    def test_a_service_has_the_network_that_it_names_unless_the_release_has_one(self, host: Host) -> None:
        told = {"WHISPERX_CONTAINER_NETWORK": "host"}
        assert "--network=host" in host.words(PLAIN, **told)
        assert not [word for word in host.words(PLAIN) if word.startswith("--network")]
        for own in (replace(PLAIN, network="none"), replace(PLAIN, options=("--network=none",))):
            words = host.words(own, **told)
            assert [word for word in words if word.startswith("--network")] == ["--network=none"]

    def test_a_container_that_is_left_is_removed_by_the_engine_of_the_release(self, host: Host) -> None:
        for engine in ("docker", "podman"):
            command, told = replace(PLAIN, engine=engine), {"WHISPERX_CONTAINER_REMOVE": "whisperx-one"}
            # Docker complains where nothing is to be removed: not at each start of a service.
            assert host.words(command, **told) == []
            (host.base / "bin" / engine).write_text(RECORDER + "exit 1\n")
            failed = host.run(command, **told)
            assert failed.returncode == 125
            assert failed.stderr.split()[-3:] == ["rm", "--force", "whisperx-one"]

    def test_secrets_are_named_and_not_told(self, host: Host) -> None:
        words = host.words(PLAIN, HF_TOKEN="hf_secret")
        assert "--env=HF_TOKEN" in words and "hf_secret" not in " ".join(words)

    @pytest.mark.parametrize("value", ["a b", "x;y", "$(id)", "'", "a\n"])
    def test_a_value_that_no_shell_should_see_is_refused(self, value: str) -> None:
        for command in (replace(PLAIN, network=value), replace(PLAIN, cache="/srv/" + value)):
            with pytest.raises(Problem) as caught:
                render(command)
            assert caught.value.rule == "container.unfit-word"


NOBODY = 23456
OWN = f"/var/tmp/whisperx-{NOBODY}"


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
class TestTheCallersSession:
    """As a native command: it works with any home, or says in one sentence what is wrong."""

    @pytest.fixture
    def open_host(self) -> Iterator[Host]:
        """A host whose files a user without a name may read, who has nothing there."""
        base = Path(tempfile.mkdtemp(prefix="whisperx-wrapper-", dir="/tmp"))
        base.chmod(0o755)
        yield Host(base)
        shutil.rmtree(base)
        shutil.rmtree(OWN, ignore_errors=True)

    def call(self, host: Host, user: int = NOBODY, **changes: str) -> tuple[list[str], list[str]]:
        """Return the words that the engine got, and the lines that the caller saw."""
        script = host.base / "whisperx"
        script.write_text(render(PLAIN)["whisperx"], encoding="utf-8")
        (host.base / "bin/docker").write_text(RECORDER.replace('env >"$0.env"', ":"), encoding="utf-8")
        given = {"PATH": f"{host.base / 'bin'}:/usr/bin:/bin", "DOCKER_HOST": "tcp://recorder"}
        done = subprocess.run(
            ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "sh", script],
            cwd=host.here,
            env=given | changes,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines(), done.stderr.splitlines()

    @pytest.mark.parametrize("home", [None, "/", "/nonexistent", "/dev/null", "relative", "/root"])
    def test_no_home_that_can_be_written(self, open_host: Host, home: str | None) -> None:
        words, said = self.call(open_host, **({} if home is None else {"HOME": home}))
        (line,) = said
        assert (
            line.startswith(f"whisperx: caches are in {OWN}, because ") and "HF_HOME and TORCH_HOME" in line
        )
        assert f"--env=HF_HOME={OWN}/huggingface" in words and f"{OWN}/huggingface" in mounts(words)
        assert os.stat(OWN).st_mode & 0o777 == 0o700
        assert self.call(open_host, HOME="/")[0] == self.call(open_host, HOME="/")[0]

    def test_a_user_without_a_name(self, open_host: Host) -> None:
        os.chown(open_host.home, NOBODY, NOBODY)
        words, said = self.call(open_host, HOME=str(open_host.home))
        assert said == [] and f"--env=USER=uid{NOBODY}" in words

    def test_podman_names_the_number_of_a_user_without_a_name(self, open_host: Host) -> None:
        script = open_host.base / "whisperx"
        command = replace(PLAIN, engine="podman", version=(5, 0), store="/srv/store")
        script.write_text(render(command)["whisperx"], encoding="utf-8")
        done = subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "sh", script],
            env={"PATH": f"{open_host.base / 'bin'}:/usr/bin:/bin"},
            cwd="/",
            capture_output=True,
            text=True,
        )
        (line,) = done.stderr.splitlines()
        assert done.returncode == 125 and "wanted: " in line
        assert f"user uid{NOBODY} has no range" in line or "newuidmap" in line

    def test_caches_that_are_named_need_no_home(self, open_host: Host) -> None:
        given = {}
        for name in ("HF_HOME", "TORCH_HOME"):
            given[name] = str(open_host.base / name)
            os.mkdir(given[name])
            os.chown(given[name], NOBODY, NOBODY)
        words, said = self.call(open_host, HOME="/", **given)
        assert said == [] and set(given.values()) <= set(mounts(words))

    def test_a_cache_that_root_made(self, open_host: Host) -> None:
        os.chown(open_host.home, NOBODY, NOBODY)
        (open_host.home / ".cache").mkdir()
        os.chown(open_host.home / ".cache", NOBODY, NOBODY)
        (open_host.home / ".cache/huggingface").mkdir()
        _words, said = self.call(open_host, HOME=str(open_host.home))
        (line,) = said
        assert (
            f"run chown -R {NOBODY} on it as root" in line and ".cache/huggingface cannot be written" in line
        )

    def test_models_that_are_there_are_used_on(self, open_host: Host) -> None:
        (open_host.home / ".cache/huggingface").mkdir(parents=True)
        words, _said = self.call(open_host, HOME=str(open_host.home))
        assert str(open_host.home / ".cache/huggingface") in mounts(words)
        assert f"{OWN}/torch" in mounts(words)

    def test_a_place_of_somebody_else_is_not_taken(self, open_host: Host) -> None:
        os.mkdir(OWN)
        words, said = self.call(open_host, HOME="/", TMPDIR=str(open_host.here))
        assert not [path for path in mounts(words) if path.startswith(OWN)]
        assert said and OWN not in said[0]
        shutil.rmtree(f"/tmp/whisperx-{NOBODY}", ignore_errors=True)


class TestPaths:
    def test_working_directory_and_model_caches_are_mounted(self, host: Host) -> None:
        words = host.words(PLAIN)
        caches = {str(host.home / ".cache" / name) for name in ("huggingface", "torch", "nltk_data")}
        assert set(mounts(words)) == {str(host.here), *caches}
        assert f"--workdir={host.here}" in words

    def test_data_of_nltk_is_where_the_caller_has_it(self, host: Host) -> None:
        def kept(words: list[str]) -> str:
            (told,) = (word for word in words if word.startswith("--env=NLTK_DATA="))
            path = told.removeprefix("--env=NLTK_DATA=")
            assert path in mounts(words)
            return path

        assert kept(host.words(PLAIN)) == str(host.home / ".cache/nltk_data")
        (host.base / "models").mkdir()
        shared = replace(PLAIN, cache=str(host.base / "models"))
        assert kept(host.words(shared)) == str(host.base / "models/nltk_data")
        (host.home / "nltk_data").mkdir()
        assert kept(host.words(shared)) == str(host.home / "nltk_data")
        (host.base / "own").mkdir()
        places = f"{host.base}/own:/usr/share/nltk_data"
        assert kept(host.words(PLAIN, NLTK_DATA=places)) == str(host.base / "own")

    def test_of_the_home_only_what_is_named_is_seen(self, host: Host) -> None:
        """What lies in the home itself is mounted by itself, for an empty home lies there already."""
        (host.home / "talk.wav").touch()
        words = host.words(PLAIN, "../talk.wav", str(host.home / "talk.wav"))
        assert f"--tmpfs={host.home}:rw,exec,mode=1777" in words
        assert f"{host.home}/talk.wav ro" in mounts(words)
        assert not {str(host.home), f"{host.home} ro"} & set(mounts(words))

    def test_a_home_that_is_written_to_is_there_once(self, host: Host) -> None:
        (host.home / "talk.wav").touch()
        words = host.words(PLAIN, "../talk.wav", "--output_dir", str(host.home))
        assert not [word for word in words if word.startswith("--tmpfs=" + str(host.home))]
        assert mounts(words).count(str(host.home)) == 1
        assert f"{host.home}/talk.wav ro" not in mounts(words)

    def test_a_cache_for_all_users_takes_its_place(self, host: Host) -> None:
        (host.base / "models").mkdir()
        words = host.words(replace(PLAIN, cache=str(host.base / "models")))
        assert f"--env=HF_HOME={host.base}/models/huggingface" in words
        assert str(host.base / "models/torch") in mounts(words)

    def test_placed_models_are_read_only_where_the_image_looks_for_them(self, host: Host) -> None:
        store = host.base / "placed"
        assert not any("target=/opt/whisperx/models" in word for word in host.words(PLAIN))
        (store / "sets").mkdir(parents=True)
        words = host.words(PLAIN, WHISPERX_MODELS_DIR=str(store))
        assert f"--mount=type=bind,source={store},target=/opt/whisperx/models,readonly" in words
        assert "whisperx" in words[words.index(IMAGE) :]
        mount = f"--mount=type=bind,source={store},target=/opt/whisperx/models,readonly"
        assert mount in host.words(replace(PLAIN, models=str(store)))

    def test_only_a_cache_of_the_callers_comes_before_placed_models(self, host: Host) -> None:
        usual = f"--env=WHISPERX_IMPLIED_HF_HOME={host.home}/.cache/huggingface"
        assert usual in host.words(PLAIN)
        assert usual not in host.words(PLAIN, HF_HOME=str(host.home / ".cache/huggingface"))

    def test_a_file_elsewhere_is_readable(self, host: Host) -> None:
        (host.base / "in").mkdir()
        (host.base / "in/a.wav").touch()
        assert f"{host.base}/in ro" in mounts(host.words(PLAIN, str(host.base / "in/a.wav")))
        assert f"{host.base}/in ro" in mounts(host.words(PLAIN, "../../in/a.wav"))

    def test_a_directory_elsewhere_is_written_to(self, host: Host) -> None:
        (host.base / "out").mkdir()
        (host.base / "out/a.wav").touch()
        found = mounts(host.words(PLAIN, str(host.base / "out/a.wav"), f"--output_dir={host.base}/out"))
        assert f"{host.base}/out" in found and f"{host.base}/out ro" not in found

    def test_a_directory_yet_to_be_made_takes_the_one_above(self, host: Host) -> None:
        (host.base / "out").mkdir()
        assert f"{host.base}/out" in mounts(host.words(PLAIN, "--output_dir", f"{host.base}/out/new"))

    def test_what_a_link_leads_to_is_readable(self, host: Host) -> None:
        (host.base / "in").mkdir()
        (host.base / "in/real.wav").touch()
        (host.here / "link.wav").symlink_to(host.base / "in/real.wav")
        assert f"{host.base}/in ro" in mounts(host.words(PLAIN, "link.wav"))

    def test_files_here_need_no_mount_of_their_own(self, host: Host) -> None:
        (host.here / "a.wav").touch()
        assert len(mounts(host.words(PLAIN, "a.wav", "./a.wav", str(host.here / "a.wav")))) == 4

    def test_the_images_own_directories_are_not_covered(self, host: Host) -> None:
        found = mounts(host.words(PLAIN, "/etc/passwd", "/usr", "/"))
        assert "/etc/passwd ro" in found
        assert not {"/etc ro", "/etc", "/usr", "/"} & set(found)

    def test_odd_names(self, host: Host) -> None:
        for name in ("a b", "c:d", "e,f", "ü"):
            (host.base / name).mkdir()
            (host.base / name / "x.wav").touch()
            words = host.words(PLAIN, str(host.base / name / "x.wav"))
            assert any(str(host.base / name) in word for word in words[: words.index(IMAGE)])
        (host.base / "g:h,i").mkdir()
        result = host.run(PLAIN, str(host.base / "g:h,i"))
        assert result.returncode == 125 and "colon and a comma" in result.stderr

    def test_no_home_is_no_fault(self, host: Host) -> None:
        words = host.words(PLAIN, HOME="/nonexistent")
        assert "--env=HOME=/tmp" in words


class TestGpu:
    """SIMULATED: no machine with a GPU runs these."""

    def tree(self, base: Path, driver: str = "570.124.06", cdi: str = "570.124.06") -> str:
        for path in ("sys/module/nvidia", "dev", "etc/cdi"):
            (base / path).mkdir(parents=True)
        (base / "sys/module/nvidia/version").write_text(driver + "\n", encoding="utf-8")
        (base / "dev/nvidiactl").touch()
        text = f"kind: nvidia.com/gpu\n- hostPath: /usr/lib/libcuda.so.{cdi}\n"
        (base / "etc/cdi/nvidia.yaml").write_text(text, encoding="utf-8")
        return str(base)

    def command(self, root: str, gpu: str = "device_request") -> Command:
        return replace(PLAIN, gpu=gpu, driver="570.26", host_root=root)

    def test_docker_is_asked_for_its_devices(self, host: Host, tmp_path: Path) -> None:
        words = host.words(self.command(self.tree(tmp_path / "gpu")))
        assert "--gpus=all" in words[: words.index(IMAGE)]

    def test_podman_is_given_the_cdi_name(self, host: Host, tmp_path: Path) -> None:
        command = replace(
            self.command(self.tree(tmp_path / "gpu"), "cdi"), engine="podman", store="/srv/images"
        )
        script = render(command)["whisperx"]
        assert " --device=nvidia.com/gpu=all " in script and "--gpus" not in script

    def test_a_cpu_image_asks_for_none(self, host: Host) -> None:
        assert not [word for word in host.words(PLAIN) if word.startswith(("--gpus", "--device"))]

    @pytest.mark.parametrize("driver", ["570.26", "570.26.01", "570.124", "580.1", "1000.0"])
    def test_a_new_enough_driver_runs(self, host: Host, tmp_path: Path, driver: str) -> None:
        assert host.run(self.command(self.tree(tmp_path / "gpu", driver))).returncode == 0

    @pytest.mark.parametrize("driver", ["535.183.01", "570.9", "569.999", "57.0"])
    def test_an_older_driver_is_told_before_the_run(self, host: Host, tmp_path: Path, driver: str) -> None:
        result = host.run(self.command(self.tree(tmp_path / "gpu", driver)))
        assert (result.returncode, result.stdout) == (125, "")
        assert f"driver is {driver}; wanted: 570.26" in result.stderr

    def test_no_driver_no_devices(self, host: Host, tmp_path: Path) -> None:
        root = self.tree(tmp_path / "gpu")
        (tmp_path / "gpu/dev/nvidiactl").unlink()
        assert "device nodes" in host.run(self.command(root)).stderr
        (tmp_path / "gpu/sys/module/nvidia/version").unlink()
        assert "no NVIDIA driver" in host.run(self.command(root)).stderr

    def test_a_stale_specification_is_told(self, host: Host, tmp_path: Path) -> None:
        command = self.command(self.tree(tmp_path / "gpu", cdi="535.183.01"), "cdi")
        assert "older than the driver 570.124.06" in host.run(command).stderr
        (tmp_path / "gpu/etc/cdi/nvidia.yaml").unlink()
        assert "no CDI specification" in host.run(command).stderr

    def test_windows_own_driver_is_not_asked(self, host: Host, tmp_path: Path) -> None:
        root = self.tree(tmp_path / "gpu", "1.0")
        (tmp_path / "gpu/dev/dxg").touch()
        assert host.run(self.command(root)).returncode == 0


class TestEngines:
    def test_podman_has_the_callers_own_streams(self, host: Host) -> None:
        new = replace(PLAIN, engine="podman", version=(4, 3), store="/srv/images")
        old = replace(new, version=(3, 0))
        assert "--log-driver=passthrough" in render(new)["whisperx"]
        assert "passthrough" not in render(old)["whisperx"]

    def test_without_root_podman_sees_the_store(self) -> None:
        command = replace(
            PLAIN, engine="podman", version=(3, 0), store="/srv/images", fuse="/usr/bin/fuse-overlayfs"
        )
        script = render(command)["whisperx"]
        assert "--storage-opt=additionalimagestore=/srv/images" in script
        assert "--storage-opt=mount_program=/usr/bin/fuse-overlayfs" in script
        assert "mount_program" not in render(replace(command, version=(4, 3)))["whisperx"]

    def test_no_engine_is_told(self, host: Host) -> None:
        (host.base / "bin/docker").unlink()
        (host.base / "tools").mkdir()
        for tool in ("sh", "id", "printf", "grep", "readlink", "mkdir"):
            (host.base / "tools" / tool).symlink_to(f"/usr/bin/{tool}")
        result = host.run(PLAIN, PATH=str(host.base / "tools"))
        assert result.returncode == 125 and "found no docker" in result.stderr

    def test_docker_without_its_daemon_is_told(self, host: Host) -> None:
        if Path("/var/run/docker.sock").exists():
            pytest.skip("docker runs here")
        result = host.run(PLAIN, DOCKER_HOST="")
        assert result.returncode == 125 and "systemctl start docker" in result.stderr

    def test_scripts_are_posix(self, tmp_path: Path) -> None:
        for engine in ("podman", "docker"):
            for gpu in ("", "cdi", "device_request"):
                command = replace(
                    PLAIN, engine=engine, gpu=gpu, driver="1.0", store="/srv/i", run_conf="/opt/r"
                )
                for text in render(command).values():
                    assert "@" not in text.replace('"$@"', "").replace("$@", "")
                    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
