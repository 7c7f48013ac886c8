"""Real probes of small systems: distribution, C library, interpreters, engines, FFmpeg, surroundings."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils.whisperx_common.tree import Tree
from module_utils.whisperx_host.live import Live
from module_utils.whisperx_host.model import Engine, Kernel, Libc, Os, Python, Tegra
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_host.host_trees import HostTree, cache_bytes, debian, elf_bytes


def versions(host: HostTree, live: Live | None = None) -> dict[str, str]:
    return {python.path: python.version for python in host.probe(live).pythons}


class TestDistribution:
    def test_debian_13(self, host: HostTree) -> None:
        facts = host.probe()
        assert facts.os == Os("debian", "13", "trixie", "debian")
        assert facts.libc == Libc("glibc", "2.41")
        assert facts.machine == "x86_64"
        assert facts.cpu.flags == ("fpu", "sse4_1", "avx", "avx2")
        assert facts.kernel == Kernel("6.12.48+deb13-amd64")
        assert facts.pythons == (Python("/usr/bin/python3.13", "3.13.5", shared=True, distutils=False),)
        assert facts.nvidia_driver.state == "absent"
        assert facts.gpus == ()

    def test_a_testing_release_has_no_version(self, tmp_path: Path) -> None:
        facts = debian(tmp_path / "root", version="", glibc="2.43", python="3.14.0").probe()
        assert facts.os == Os("debian", "", "forky", "debian")

    @pytest.mark.parametrize(
        ("identity", "like", "family"),
        [
            ("rocky", "rhel centos fedora", "redhat"),
            ("fedora", "", "redhat"),
            ("linuxmint", "ubuntu debian", "debian"),
            ("opensuse-leap", "suse opensuse", "suse"),
            ("arch", "", "archlinux"),
            ("void", "", "void"),
        ],
    )
    def test_families(self, tmp_path: Path, identity: str, like: str, family: str) -> None:
        host = HostTree(tmp_path / "root").file("/etc/os-release", f'ID="{identity}"\nID_LIKE="{like}"\n')
        assert host.probe().os.family == family

    def test_an_empty_root_is_absent_facts(self, tmp_path: Path) -> None:
        facts = HostTree(tmp_path / "root").probe()
        assert (facts.os, facts.libc, facts.machine, facts.pythons) == (Os(), Libc(), None, ())
        assert facts.kernel == Kernel(None)

    def test_links_of_an_image_stay_inside_of_it(self, tmp_path: Path) -> None:
        host = HostTree(tmp_path / "root").file("/usr/lib/os-release", "ID=alpine\nVERSION_ID=3.22\n")
        host.link("/etc/os-release", "/usr/lib/os-release").link("/usr/lib/odd", "../../../../../etc")
        assert host.probe().os == Os("alpine", "3.22", None, "alpine")
        assert Tree(str(host.root)).real("/usr/lib/odd/os-release") == "/usr/lib/os-release"

    def test_endless_links_end(self, tmp_path: Path) -> None:
        host = HostTree(tmp_path / "root").link("/etc/os-release", "loop").link("/etc/loop", "os-release")
        assert host.probe().os == Os()

    def test_the_kernel_of_an_image_is_the_only_one_installed(self, host: HostTree) -> None:
        (host.root / "proc/sys/kernel/osrelease").unlink()
        host.file("/usr/lib/modules/6.1.0-9-amd64/modules.dep")
        assert host.probe().kernel.release == "6.1.0-9-amd64"
        host.file("/usr/lib/modules/6.1.0-10-amd64/modules.dep")
        assert host.probe().kernel.release is None

    def test_broken_os_release(self, host: HostTree) -> None:
        host.file("/usr/lib/os-release", 'NAME="no end\nID=debian\n')
        with pytest.raises(Problem, match="identity of the distribution") as caught:
            host.probe()
        assert caught.value.rule == "host.os-release"

    def test_a_root_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(Problem, match="no such directory"):
            Tree(str(tmp_path / "nowhere"))


class TestLibc:
    def test_confstr_comes_first(self, host: HostTree) -> None:
        live = Live(confstr="glibc 2.39", running=("/usr/bin/python3.13", "3.13.5"))
        facts = host.probe(live)
        assert facts.libc == Libc("glibc", "2.39")
        assert facts.sources["libc"] == "confstr CS_GNU_LIBC_VERSION"

    def test_confstr_of_a_python_with_a_libc_of_its_own_does_not_count(self, host: HostTree) -> None:
        loader = "/nix/store/abc-glibc-2.38/lib/ld-linux-x86-64.so.2"
        host.python("/nix/store/def-python3/bin/python3.12", "3.12.1", loader=loader)
        live = Live(confstr="glibc 2.38", running=("/nix/store/def-python3/bin/python3.12", "3.12.1"))
        assert host.probe(live).libc == Libc("glibc", "2.41")

    def test_musl(self, tmp_path: Path) -> None:
        host = alpine(tmp_path)
        assert host.probe().libc == Libc("musl", "1.2.5")
        assert versions(host) == {"/usr/bin/python3.12": "3.12.11"}

    def test_gcompat_does_not_make_glibc(self, tmp_path: Path) -> None:
        host = alpine(tmp_path).elf("/lib/libgcompat.so.0", loader=None)
        host.link("/lib/libc.so.6", "libgcompat.so.0").link(
            "/lib64/ld-linux-x86-64.so.2", "../lib/libgcompat.so.0"
        )
        assert host.probe().libc == Libc("musl", "1.2.5")

    def test_musl_beside_glibc_is_glibc(self, host: HostTree) -> None:
        host.elf("/usr/lib/ld-musl-x86_64.so.1", [b"1.2.5"], loader=None)
        host.python("/opt/musl/bin/python3.12", "3.12.1", loader="/lib/ld-musl-x86_64.so.1")
        facts = host.probe()
        assert facts.libc.family == "glibc"
        assert [python.path for python in facts.pythons] == ["/usr/bin/python3.13"]

    def test_a_libc_without_version_is_an_error(self, host: HostTree) -> None:
        host.elf("/usr/lib/x86_64-linux-gnu/libc.so.6", [b"nothing of the kind"])
        with pytest.raises(Problem, match="no version string in the C library"):
            host.probe()

    def test_aarch64(self, tmp_path: Path) -> None:
        host = HostTree(tmp_path / "root")
        banner = b"GNU C Library (GNU libc) stable release version 2.39 (Fedora)\n"
        host.elf("/lib64/libc.so.6", [banner], "aarch64").python("/usr/bin/python3.12", "3.12.3", "aarch64")
        host.file("/proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd sve\n")
        facts = host.probe()
        assert (facts.machine, facts.libc.version, facts.cpu.flags) == (
            "aarch64",
            "2.39",
            ("fp", "asimd", "sve"),
        )
        assert facts.pythons[0].version == "3.12.3"


class TestInterpreters:
    def test_each_once_by_its_real_path(self, host: HostTree) -> None:
        host.link("/usr/local/bin/python3.13", "/usr/bin/python3.13").link(
            "/opt/app/bin/python3.13", "/usr/bin/python3"
        )
        assert versions(host) == {"/usr/bin/python3.13": "3.13.5"}

    def test_a_small_binary_tells_by_its_library(self, host: HostTree) -> None:
        host.elf("/usr/bin/python3.12").elf("/usr/lib64/libpython3.12.so.1.0", [b"3.12.12"], loader=None)
        assert versions(host)["/usr/bin/python3.12"] == "3.12.12"

    def test_uv_and_pyenv_tell_by_their_directories(self, host: HostTree) -> None:
        uv = "/root" + "/.local/share/uv/python/cpython-3.12.8-linux-x86_64-gnu/bin/python3.12"
        pyenv = "/root" + "/.pyenv/versions/3.11.9/bin/python3.11"
        host.elf(uv).elf(pyenv).link(uv.replace("3.12.8", "3.12").rsplit("/", 2)[0], uv.rsplit("/", 2)[0])
        found = versions(host)
        assert (found[uv], found[pyenv]) == ("3.12.8", "3.11.9")
        assert len(found) == 3

    def test_a_closed_directory_is_not_shared(self, host: HostTree) -> None:
        host.elf("/root" + "/.pyenv/versions/3.11.9/bin/python3.11")
        (host.root / "root").chmod(0o700)
        shared = {python.version: python.shared for python in host.probe().pythons}
        assert shared == {"3.11.9": False, "3.13.5": True}

    def test_a_link_into_a_closed_directory_is_not_shared(self, host: HostTree) -> None:
        host.elf("/root/py/bin/python3.11", [b"3.11.2"]).link(
            "/usr/local/bin/python3.11", "/root/py/bin/python3.11"
        )
        (host.root / "root").chmod(0o700)
        assert not next(python for python in host.probe().pythons if python.version == "3.11.2").shared

    def test_distutils_may_be_a_package_of_its_own(self, host: HostTree) -> None:
        host.python("/usr/bin/python3.9", "3.9.2").file("/usr/lib/python3.9/distutils/__init__.py")
        assert not next(python for python in host.probe().pythons if python.version == "3.9.2").distutils
        host.file("/usr/lib/python3.9/distutils/dist.py")
        assert next(python for python in host.probe().pythons if python.version == "3.9.2").distutils

    def test_what_is_left_out(self, host: HostTree) -> None:
        host.python("/usr/libexec/platform-python3.6", "3.6.8").link(
            "/usr/bin/python3.6", "../libexec/platform-python3.6"
        )
        host.python("/usr/bin/python3.14t", "3.14.0").link(
            "/usr/local/bin/python3.14", "/usr/bin/python3.14t"
        )
        host.elf(
            "/root" + "/.local/share/uv/python/cpython-3.14.0+freethreaded-linux-x86_64-gnu/bin/python3.14"
        )
        host.elf("/root" + "/.pyenv/versions/3.13.0t/bin/python3.13")
        tag = b".cpython-314t-x86_64-linux-gnu.so"
        host.file("/usr/bin/python3.14", elf_bytes("x86_64", None, [b"3.14.0", tag]), 0o755)
        host.python("/opt/free/bin/python3.15", "3.15.0").file("/opt/free/lib/python3.15t/os.py")
        host.python("/opt/venv/bin/python3.10", "3.10.1").file("/opt/venv/pyvenv.cfg", "home = /usr/bin\n")
        host.python("/usr/bin/python3.9", "3.9.1", "aarch64")
        host.file("/usr/bin/python3.8", "#!/bin/sh\n", 0o755)
        host.file("/usr/bin/python3.7", elf_bytes("x86_64", None, [b"3.7.1"]), 0o644)
        host.file("/usr/bin/python3.13-config", "#!/bin/sh\n", 0o755)
        assert versions(host) == {"/usr/bin/python3.13": "3.13.5"}

    def test_a_release_candidate(self, host: HostTree) -> None:
        assert (
            versions(host.python("/usr/local/bin/python3.15", "3.15.0rc2"))["/usr/local/bin/python3.15"]
            == "3.15.0rc2"
        )

    def test_order_is_by_version(self, host: HostTree) -> None:
        host.python("/usr/bin/python3.9", "3.9.2").python("/usr/bin/python3.10", "3.10.12")
        assert [python.version for python in host.probe().pythons] == ["3.9.2", "3.10.12", "3.13.5"]

    def test_the_running_one_needs_no_reading(self, host: HostTree) -> None:
        live = Live(running=("/usr/bin/python3.13", "3.13.7"))
        assert versions(host, live) == {"/usr/bin/python3.13": "3.13.7"}

    def test_the_running_one_counts_wherever_it_is(self, host: HostTree) -> None:
        host.elf("/srv/python/bin/python3.12")
        live = Live(running=("/srv/python/bin/python3.12", "3.12.4"))
        assert versions(host, live)["/srv/python/bin/python3.12"] == "3.12.4"
        host.file("/srv/python/pyvenv.cfg")
        assert "/srv/python/bin/python3.12" not in versions(host, live)

    def test_the_last_resort_is_to_ask(self, host: HostTree) -> None:
        host.elf("/usr/bin/python3.12")
        assert "/usr/bin/python3.12" not in versions(host)
        asked: list[str] = []
        live = Live(run=lambda command: asked.append(command[0]) or "3.12.4+\n")  # type: ignore[func-returns-value]
        assert versions(host, live)["/usr/bin/python3.12"] == "3.12.4"
        assert asked == ["/usr/bin/python3.12"]


class TestEngines:
    def test_podman_by_dpkg(self, host: HostTree) -> None:
        host.elf("/usr/bin/podman").file(
            "/var/lib/dpkg/status",
            "Package: podman-docker\nStatus: install ok installed\nVersion: 1\n\n"
            "Package: podman\nStatus: install ok installed\nSection: admin\nVersion: 5.4.2+ds1-2+b1\n",
        )
        assert host.probe().container_engines == (Engine("podman", "5.4.2"),)

    def test_a_removed_package_tells_nothing(self, host: HostTree) -> None:
        host.elf("/usr/bin/podman").file(
            "/var/lib/dpkg/status", "Package: podman\nStatus: deinstall ok config-files\nVersion: 4.3.1\n"
        )
        assert host.probe().container_engines == (Engine("podman", None),)

    def test_docker_by_its_linker_flags(self, host: HostTree) -> None:
        host.elf("/usr/local/bin/docker", [b'-X \\"github.com/docker/cli/cli/version.Version=28.2.2\\"'])
        assert host.probe().container_engines == (Engine("docker", "28.2.2"),)

    def test_alpine_and_arch(self, tmp_path: Path) -> None:
        host = alpine(tmp_path).elf("/usr/bin/docker").elf("/usr/bin/podman")
        host.file("/lib/apk/db/installed", "C:Q1\nP:docker-cli\nV:28.3.3-r1\n\nP:musl\nV:1.2.5-r10\n")
        host.file("/var/lib/pacman/local/podman-5.6.1-1/desc")
        assert host.probe().container_engines == (Engine("docker", "28.3.3"), Engine("podman", "5.6.1"))

    def test_podmans_docker_is_not_docker(self, host: HostTree) -> None:
        host.elf("/usr/bin/podman").file("/usr/bin/docker", '#!/bin/sh\nexec podman "$@"\n', 0o755)
        host.link("/usr/local/bin/docker", "/usr/bin/podman")
        assert [engine.name for engine in host.probe().container_engines] == ["podman"]

    def test_the_last_resort_is_to_ask(self, host: HostTree) -> None:
        live = Live(run=lambda command: "podman version 5.6.0\n")
        assert host.elf("/usr/bin/podman").probe(live).container_engines == (Engine("podman", "5.6.0"),)

    def test_cdi(self, host: HostTree) -> None:
        host.elf("/usr/bin/podman").libraries("570.124.06")
        library = "/usr/lib/x86_64-linux-gnu/libcuda.so.570.124.06"
        mounts = f"containerEdits:\n  mounts:\n  - containerPath: {library}\n    hostPath: {library}\n"
        host.file("/etc/cdi/nvidia.yaml", f'cdiVersion: 0.5.0\n{mounts}kind: "nvidia.com/gpu"\n')
        host.file("/run/cdi/x.json", '{"kind": "example.com/net", "devices": []}').link("/var/run", "/run")
        facts = host.probe()
        assert facts.container_engines[0].cdi == ("example.com/net", "nvidia.com/gpu")
        assert facts.cdi_problems == ()

    def test_stale_and_broken_cdi(self, host: HostTree) -> None:
        host.elf("/usr/bin/podman").libraries("570.124.06")
        library = "/usr/lib/x86_64-linux-gnu/libcuda.so.535.183.01"
        host.file("/etc/cdi/a.json", f'{{"kind": "nvidia.com/gpu", "e": [{{"hostPath": "{library}"}}]}}')
        host.file("/etc/cdi/b.yaml", "nothing\n").file("/etc/cdi/notes.txt", "kind: no\n")
        stale, broken = host.probe().cdi_problems
        assert stale.startswith("/etc/cdi/a.json is stale: it mounts " + library)
        assert "nvidia-ctk cdi generate --output=/etc/cdi/a.json" in stale
        assert broken.startswith("/etc/cdi/b.yaml is no CDI specification")


class TestLibraries:
    def test_ffmpeg(self, host: HostTree) -> None:
        host.elf("/usr/bin/ffmpeg", [b"%s version 7.1.2-0+deb13u1", b" Copyright (c)"])
        host.file("/usr/lib/x86_64-linux-gnu/libavutil.so.59").file(
            "/usr/lib/x86_64-linux-gnu/libavutil.so.59.39.100"
        )
        host.file("/opt/ff/libavutil.so.61").file(
            "/etc/ld.so.cache",
            cache_bytes([("libavutil.so.61", "/opt/ff/libavutil.so.61"), ("libavutil.so.60", "/gone")]),
        )
        ffmpeg = host.probe().ffmpeg
        assert (ffmpeg.libavutil, ffmpeg.path, ffmpeg.version) == (
            (59, 61),
            "/usr/bin/ffmpeg",
            "7.1.2-0+deb13u1",
        )

    def test_toolkits(self, host: HostTree) -> None:
        host.file("/usr/local/cuda-12.8/version.json", '{"cuda": {"name": "CUDA SDK", "version": "12.8.1"}}')
        host.link("/usr/local/cuda", "cuda-12.8").file(
            "/usr/local/cuda-10.2/version.txt", "CUDA Version 10.2.89\n"
        )
        host.file("/usr/include/cuda.h", "/* x */\n#define CUDA_VERSION 11080\n").file(
            "/usr/local/cuda-x/readme"
        )
        found = {toolkit.path: toolkit.version for toolkit in host.probe().cuda_toolkits}
        assert found == {"/usr": "11.8", "/usr/local/cuda-10.2": "10.2", "/usr/local/cuda-12.8": "12.8"}

    def test_cudnn(self, host: HostTree) -> None:
        where = "/usr/lib/x86_64-linux-gnu/libcudnn.so.9"
        host.elf(where + ".10.2", loader=None).link(where, "libcudnn.so.9.10.2")
        host.file("/etc/ld.so.cache", cache_bytes([("libcudnn.so.9", where)], old=True))
        assert [(cudnn.version, cudnn.path) for cudnn in host.probe().cudnn] == [("9.10.2", where)]

    def test_other_machines_libraries_do_not_count(self, host: HostTree) -> None:
        host.file("/opt/32/libavutil.so.58").file(
            "/etc/ld.so.cache", cache_bytes([("libavutil.so.58", "/opt/32/libavutil.so.58")], "i686")
        )
        assert host.probe().ffmpeg.libavutil == ()

    def test_broken_cache(self, host: HostTree) -> None:
        host.file("/etc/ld.so.cache", cache_bytes([("libcuda.so.1", "/x")])[:60])
        with pytest.raises(Problem, match="Run ldconfig"):
            host.probe()


class TestSurroundings:
    @pytest.mark.parametrize(
        ("path", "content", "name"),
        [
            ("/run/.containerenv", 'engine="podman-5.4.2"\nname="x"\n', "podman"),
            ("/run/.containerenv", "", "podman"),
            ("/.dockerenv", "", "docker"),
            ("/run/systemd/container", "systemd-nspawn\n", "systemd-nspawn"),
            ("/proc/1/environ", "PATH=/bin\0container=lxc\0", "lxc"),
            ("/run/secrets/kubernetes.io/serviceaccount/token", "", "kubernetes"),
            ("/proc/1/cgroup", "4:memory:/kubepods/besteffort/pod1\n", "kubernetes"),
            ("/proc/1/cgroup", "0::/system.slice/docker-0f.scope\n", "docker"),
            ("/proc/1/cgroup", "4:memory:/docker/0f12\n", "docker"),
            ("/proc/1/environ", "container=wsl\0", None),
        ],
    )
    def test_container(self, host: HostTree, path: str, content: str, name: str | None) -> None:
        assert host.file(path, content).probe().container == name

    def test_jetson(self, host: HostTree) -> None:
        host.file("/etc/nv_tegra_release", "# R36 (release), REVISION: 4.0, GCID: 37537400, BOARD: generic\n")
        assert host.probe().tegra == Tegra("36.4")

    @pytest.mark.parametrize(("byte", "state"), [(1, True), (0, False)])
    def test_secure_boot(self, host: HostTree, byte: int, state: bool) -> None:
        variable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
        assert host.file(variable, bytes([6, 0, 0, 0, byte])).probe().secure_boot is state

    def test_selinux(self, host: HostTree) -> None:
        assert host.probe().selinux is None
        host.file("/etc/selinux/config", "# comment\nSELINUX=permissive\n")
        assert host.probe().selinux == "permissive"
        assert host.probe(Live(uname=("6.1", "x86_64"))).selinux == "disabled"
        assert host.file("/sys/fs/selinux/enforce", "1").probe().selinux == "enforcing"


def alpine(tmp_path: Path) -> HostTree:
    """Build an Alpine with Python in two files."""
    host = HostTree(tmp_path / "root").file("/etc/os-release", "ID=alpine\nVERSION_ID=3.21.4\n")
    host.elf("/lib/ld-musl-x86_64.so.1", [b"musl libc", b"1.2.5"], loader=None)
    host.link("/lib/libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1")
    host.elf("/usr/bin/python3.12", loader="/lib/ld-musl-x86_64.so.1")
    return host.elf("/usr/lib/libpython3.12.so.1.0", [b"3.12.11"], loader=None)
