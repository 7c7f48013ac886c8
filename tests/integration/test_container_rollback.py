"""An image that is damaged in the engine's own store, same size and date: nothing goes back to it.

The images are a Debian root with one module in it, run by real podman through the proof that hosts run.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from container_lab import LAB, LAUNCH, ROOT, engine

from module_utils.whisperx_container.engine import Engine
from module_utils.whisperx_container.model import REPOSITORY, Options, want
from module_utils.whisperx_container.prove import prover
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.hooks import Hooks
from tests.unit.whisperx_release.release_hosts import PLAN, ContainerHost

MODULE = "/usr/lib/python3/dist-packages/tiny.py"
IMPORTS = [{"package": "tiny", "module": "tiny", "optional": False}]
PREFIX = f"damaged-{os.getpid()}"


class RealHost(ContainerHost):
    """A host whose images are in podman's own store; the proof is the real one."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.engine = Engine("podman", engine("podman"))
        self.options = Options(verify_level="import", rollback_verify="import", copied=False)

    @property
    def hooks(self) -> Hooks:
        return replace(super().hooks, prove=prover(self.engine))

    def wanted(self, version: str) -> Any:
        plan = PLAN | {"runtime": "container", "container": {"engine": "podman"}, "imports": IMPORTS}
        labels = {"whisperx-fleet.versions": json.dumps({"tiny": version}), "whisperx-fleet.lock": "l"}
        return want(plan, {"release": f"{PREFIX}-{version}", "labels": labels, "bytes": 1000}, "")


@pytest.fixture(scope="module")
def images() -> Iterator[dict[str, Path]]:
    """Return where the module of each version's image lies in podman's store."""
    if os.getuid() != 0:
        pytest.skip("takes root")
    engine("podman")
    os.environ.setdefault("CONTAINERS_CONF", str(ROOT / "tools/lab/containers.conf"))
    subprocess.run([ROOT / "tools/lab/build_images", "bookworm"], check=True)
    launch, made = "/opt/whisperx/current/launch", {}
    for version in ("1.0", "2.0"):
        name = f"{REPOSITORY}:{PREFIX}-{version}"
        recipe = f"""FROM {LAB}
LABEL whisperx-fleet.schema=1 whisperx-fleet.release={PREFIX}-{version}
RUN mkdir -p {launch} && printf '#!/bin/sh\\n{LAUNCH} "$@"\\n' >{launch}/python \\
 && chmod 755 {launch}/python && echo 'version = "{version}"' >{MODULE}
"""
        build = ["podman", "build", "--quiet", "--network", "none", "--tag", name, "-"]
        subprocess.run(build, input=recipe, text=True, check=True, capture_output=True)
        look = ["podman", "image", "inspect", "--format", "{{json .GraphDriver.Data}}", name]
        places = json.loads(subprocess.run(look, check=True, capture_output=True, text=True).stdout)
        made[version] = Path(places.get("UpperDir") or places["Dir"]) / MODULE.lstrip("/")
    yield made
    names = [f"{REPOSITORY}:{PREFIX}-{version}" for version in made]
    subprocess.run(["podman", "rmi", "--force", *names], check=True, capture_output=True)


def overwrite(path: Path, data: bytes) -> bytes:
    """Put other bytes into a file, keeping its date; return those that were there."""
    before, times = path.read_bytes(), path.stat()
    with path.open("r+b") as stream:
        stream.write(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return before


def test_a_damaged_image_is_not_gone_back_to(images: dict[str, Path], tmp_path: Path) -> None:
    host = RealHost(tmp_path)
    for version in ("1.0", "2.0"):
        host.present(version)
        assert host.current() == version
    whole = overwrite(images["1.0"], bytes(images["1.0"].stat().st_size))
    links = [os.readlink(path) for path in (host.layout.current, host.layout.previous)]
    deeds = (lambda: host.rolled_back(), lambda: host.present("1.0"))
    for deed, rule in zip(deeds, ("container.previous-damaged", "container.verify"), strict=True):
        with pytest.raises(Problem) as raised:
            deed()
        assert raised.value.rule == rule and "tiny" in raised.value.found
        assert [os.readlink(path) for path in (host.layout.current, host.layout.previous)] == links
        assert not os.path.lexists(host.layout.rolled_back)
    host.options = replace(host.options, rollback_verify="none")
    host.rolled_back()
    assert host.current() == "1.0", "none takes what is there"
    host.present("2.0")
    overwrite(images["1.0"], whole)
    host.options = replace(host.options, rollback_verify="import")
    outcome = host.rolled_back()
    assert host.current() == "1.0" and outcome.verify["ok"]
