"""Reading one host: all facts in one process, in a few milliseconds, without a subprocess on the usual path.

Two kinds of hosts need a child process: one with an NVIDIA driver (NVML, killable), and one whose interpreter
or container engine tells its version in no file.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ..whisperx_common import ldcache
from ..whisperx_common.tree import Tree
from ..whisperx_problem import Problem
from . import cpu, cuda, engines, ffmpeg, gpus, interpreters, libc, live, nvidia, osrelease, surroundings
from .assume import overlay
from .model import Host

__all__ = ["gather", "probe"]

_LIBRARIES = ("libcuda.so", "libnvidia-ml.so", "libcudnn.so", "libavutil.so")


def probe(
    root: str, timeout: float, assume: Mapping[str, Any], distribution: Callable[..., Any]
) -> Dict[str, Any]:
    """Return the facts of the system below ``root``, ``assume`` laid over them.

    ``timeout``: seconds that NVML may take. ``distribution``: the class LinuxDistribution of the package
    distro. Below a root other than "/" everything comes from files: no NVML, no confstr, no uname. Raises
    Problem.
    """
    if not timeout > 0:
        raise Problem(
            "host.timeout",
            f"{timeout:g} seconds is no time limit",
            "timeout",
            "a number above 0",
            "Leave the option out for its default.",
        )
    tree = Tree(root)
    answers = live.here(timeout) if tree.root == "/" else live.nothing()
    facts = gather(tree, answers, distribution).to_dict()
    return overlay(facts, assume)


def gather(tree: Tree, answers: live.Live, distribution: Callable[..., Any]) -> Host:
    """Read every fact from the files of ``tree`` and the answers of a running machine."""
    sources: Dict[str, str] = {}
    c_library = libc.read_libc(tree, answers, sources)
    machine = libc.read_machine(tree, answers, sources)
    cached = _loader_cache(tree, machine)
    toolkits = cuda.read_toolkits(tree, sources)
    found_engines, cdi_problems = engines.read_engines(tree, answers, sources)
    container = surroundings.read_container(tree, sources)
    wsl = surroundings.read_wsl(tree, sources)
    tegra = surroundings.read_tegra(tree, sources)
    secure_boot = surroundings.read_secure_boot(tree, sources)
    pci = gpus.read_pci(tree)
    bound = tuple(gpu.driver for gpu in pci if gpu.vendor == gpus.NVIDIA)
    place = nvidia.Place(container, wsl, tegra is not None, secure_boot, bound)
    driver = nvidia.read_nvidia(tree, answers, place, cached, sources)
    host = Host(
        os=osrelease.read_os(tree, distribution, sources),
        libc=c_library,
        kernel=cpu.read_kernel(tree, answers, sources),
        machine=machine,
        cpu=cpu.read_cpu(tree, sources),
        pythons=interpreters.read_pythons(tree, answers, machine, c_library.family, sources),
        gpus=gpus.read_gpus(tree, pci, driver.answer, tegra is not None, sources),
        nvidia_driver=driver.driver,
        cuda_toolkits=toolkits,
        cudnn=cuda.read_cudnn(tree, cached, toolkits, sources),
        container_engines=found_engines,
        cdi_problems=cdi_problems,
        ffmpeg=ffmpeg.read_ffmpeg(tree, cached, sources),
        container=container,
        wsl=wsl,
        tegra=tegra,
        secure_boot=secure_boot,
        selinux=surroundings.read_selinux(tree, answers.uname is not None, sources),
        sources=sources,
    )
    told = {name.split(".")[0] for name in sources}
    for name in sorted(set(Host().to_dict()) - told - {"schema", "sources"}):
        sources[name] = "no sign of it in the places that are looked into"
    return host


def _loader_cache(tree: Tree, machine: Optional[str]) -> List[Tuple[str, str]]:
    """Return the entries of the loader's cache that matter here; a host without a cache has none."""
    data = tree.head("/etc/ld.so.cache", 64 << 20)
    return ldcache.parse(data, machine or "", _LIBRARIES) if data else []
