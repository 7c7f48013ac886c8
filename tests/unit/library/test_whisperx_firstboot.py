"""What a boot is told of the environments of an image: joined from releases, plans and declared machines."""

from __future__ import annotations

from typing import Any

from ansible.modules.whisperx_firstboot import profile

PLAN: dict[str, Any] = {
    "device": "cuda",
    "machine": "x86_64",
    "libc": {"family": "glibc", "version": "2.41"},
    "pins": {"ctranslate2": "4.8.5"},
    "scripts": ["whisperx"],
    "driver_advice": {"minimum": "570.26", "maximum": ""},
}


def test_variants_of_the_same_environment_boot_and_others_do_not() -> None:
    plans = {
        "gpu": PLAN,
        "gpu|9.0": {**PLAN, "driver_advice": {"minimum": "525", "maximum": "580"}},
        "gpu|12.0": {**PLAN, "pins": {"ctranslate2": "4.9.0"}},
        "gpu2": PLAN,
        "gpu2|8.9": PLAN,
    }
    hosts = {"gpu": {"cpu": {"flags": ["avx2", "avx", "hypervisor"]}}, "gpu2": {"cpu": None}}
    found = profile({"item": {"key": "gpu"}, "release": "r1"}, plans, hosts)
    assert found.capabilities == {"9.0": ("525", "580")}
    assert found.flags == ("avx", "avx2") and found.scripts == ("whisperx",)
    other = profile({"item": {"key": "gpu2"}, "release": "r2", "record": {"scripts": ["x"]}}, plans, hosts)
    assert other.capabilities == {"8.9": ("570.26", "")} and other.flags == () and other.scripts == ("x",)
