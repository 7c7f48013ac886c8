"""Hosts for the tests: facts in the layout of the contract, from a few words."""

from __future__ import annotations

from typing import Any

__all__ = ["facts", "with_gpu"]


def facts(
    glibc: str = "2.41",
    pythons: tuple[str, ...] = ("3.13.5",),
    system: tuple[str, str] = ("debian", "13"),
    **more: Any,
) -> dict[str, Any]:
    """Return the facts of a host without GPU."""
    return {
        "os": {"id": system[0], "version": system[1]},
        "libc": {"family": "glibc", "version": glibc},
        "machine": "x86_64",
        "cpu": {"flags": ["sse4_1", "avx", "avx2"]},
        "pythons": [
            {"path": f"/usr/bin/python{version.rpartition('.')[0]}", "version": version}
            for version in pythons
        ],
        **more,
    }


def with_gpu(base: dict[str, Any], capability: str, driver: tuple[str, str] | None) -> dict[str, Any]:
    """Return the facts with a GPU, and a running driver (version, CUDA) or none."""
    return {
        **base,
        "gpus": [{"name": f"GPU of {capability}", "compute_capability": capability}],
        "nvidia_driver": (
            {"version": driver[0], "cuda": driver[1], "state": "running"} if driver else {"state": "absent"}
        ),
    }
