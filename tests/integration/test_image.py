"""Images are built for real: a Debian root, the real engine, CTranslate2 from the index."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.distro import LinuxDistribution
from repair_lab import PYTHON, download

from module_utils.whisperx_common.files import sha256
from module_utils.whisperx_container import apply
from module_utils.whisperx_container.engine import Engine
from module_utils.whisperx_container.model import Options
from module_utils.whisperx_container.model import want as want_image
from module_utils.whisperx_container.prove import prover
from module_utils.whisperx_env.model import want
from module_utils.whisperx_image.build import Workshop, build
from module_utils.whisperx_image.engine import LABEL
from module_utils.whisperx_image.model import Job, Settings, base_of
from module_utils.whisperx_image.models import Models
from module_utils.whisperx_image.root import root_facts
from module_utils.whisperx_image.shelf import built, keep
from module_utils.whisperx_lock.lock import make_all
from module_utils.whisperx_lock.sources import make_sources
from module_utils.whisperx_lock.workshop import open_workshop
from module_utils.whisperx_plan.options import ARGUMENTS
from module_utils.whisperx_plan.run import run as decide
from module_utils.whisperx_problem import Problem
from module_utils.whisperx_release.hooks import Hooks
from module_utils.whisperx_release.model import Layout
from tests.models import weights
from tests.models.store import Store
from tests.unit.whisperx_measure.site_wheels import relabelled

LAB = "localhost/whisperx-lab:bookworm"
# A host on which nothing that is asked for runs: musl, a Python too new. The container has neither.
ALPINE: dict[str, Any] = {
    "os": {"id": "alpine", "version": "3.23"},
    "libc": {"family": "musl", "version": "1.2"},
    "machine": "x86_64",
    "cpu": {"flags": ["sse4_1", "avx", "avx2"]},
    "pythons": [{"path": "/usr/bin/python3.14", "version": "3.14.0"}],
    "container_engines": [{"name": "podman", "version": "5.4.2", "cdi": []}],
}


@pytest.fixture(scope="module", autouse=True)
def engine(root: Path) -> str:
    """The lab's way to run podman, and its Debian 12 root."""
    if os.getuid() != 0 or not all(shutil.which(tool) for tool in ("podman", "runc", "mmdebstrap")):
        pytest.skip("takes root, podman, runc and mmdebstrap")
    os.environ.setdefault("CONTAINERS_CONF", str(root / "tools" / "lab" / "containers.conf"))
    subprocess.run([root / "tools" / "lab" / "build_images", "bookworm"], check=True)
    return "podman"


def podman(*words: str) -> str:
    return subprocess.run(["podman", *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root as a tar, as a user without a registry would have it."""
    path = tmp_path_factory.mktemp("base") / "bookworm.tar"
    name = f"whisperx-image-test-{os.getpid()}"
    podman("create", "--name", name, LAB, "true")
    podman("export", "--output", str(path), name)
    podman("rm", name)
    return path


class Shop:
    """Plans, locks and builds in one directory of downloads, so that each wheel is fetched once."""

    def __init__(self, folder: Path, base: Path, root: Path, uv: str) -> None:
        self.folder, self.base, self.uv = folder, base, uv
        self.catalogue = str(root / "roles" / "whisperx_plan" / "files" / "catalogue")

    def facts(self, base: str, cache: str) -> dict[str, Any]:
        """Return the facts of a base."""
        return root_facts(base, LinuxDistribution, cache)

    def job(self, version: str, directory: str, *wheels: Path) -> Job:
        """Return the job of an image with one CTranslate2; ``wheels`` are those that the site built."""
        return self.job_of({"ctranslate2": f"=={version}"}, directory, *wheels)

    def job_of(self, packages: dict[str, str], directory: str, *wheels: Path) -> Job:
        """Return the job of an image with these packages, planned as `auto` plans for the host above."""
        given: dict[str, Any] = {name: row.get("default") for name, row in ARGUMENTS.items()}
        given |= {"hosts": {"alpine": ALPINE}, "packages": packages}
        given |= {"container_root": str(self.base), "wheels": [str(path) for path in wheels]}
        given |= {"catalogue": self.catalogue, "cache_dir": str(self.folder / "cache")}
        decision = decide(given, self.facts)
        plan = decision["hosts"]["alpine"]
        site = {row["sha256"]: row["path"] for row in decision["wheels"]}
        workshop = open_workshop(
            make_sources(), self.folder / "locks", self.uv, str(self.folder / "cache"), site=site
        )
        locks, problems = make_all({plan["class"]: plan}, {}, "locked", workshop)
        assert not problems
        lock = locks[plan["class"]]
        files = [{"file": "uv", "sha256": lock.uv.sha256, "path": lock.uv.path}, *map(asdict, lock.files)]
        settings = Settings(
            str(self.folder / directory), cache=str(self.folder / "uv"), verify_level="kernels"
        )
        return Job(want(plan, lock.text), base_of(plan, str(self.base)), tuple(files), settings)

    def build(self, job: Job) -> dict[str, Any]:
        """Build and keep."""
        return keep(job, build(job, job.base.digest()))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, base: Path, root: Path, uv: str) -> Shop:
    return Shop(tmp_path_factory.mktemp("images"), base, root, uv)


def left(job: Job) -> list[str]:
    """Return what a build left in the engine."""
    owner = Workshop(job).owner
    return podman("ps", "--all", "--quiet", "--filter", f"label={LABEL}={owner}").split()


def watched(shop: Shop, job: Job) -> tuple[list[str], dict[str, Any]]:
    """Build; return what was noted of the progress meanwhile, and the image."""
    path = shop.folder / "watched" / "progress.json"
    path.parent.mkdir()
    lines: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        built = pool.submit(shop.build, replace(job, settings=replace(job.settings, progress=str(path))))
        while not built.done():
            line = json.loads(path.read_text())["line"] if path.exists() else ""
            lines += [line] if line not in lines else []
            time.sleep(0.01)
    return lines, built.result()


def test_the_facts_of_a_root_are_those_of_its_distribution(shop: Shop) -> None:
    facts = shop.facts(str(shop.base), str(shop.folder / "cache"))
    assert facts["libc"] == {"family": "glibc", "version": "2.36"}
    assert (facts["os"]["id"], facts["os"]["version"], facts["machine"]) == ("debian", "12", "x86_64")
    assert [python["path"] for python in facts["pythons"]] == ["/usr/bin/python3.11"]
    assert shop.facts(str(shop.base), str(shop.folder / "cache")) == facts
    kept = [json.loads(path.read_text()) for path in (shop.folder / "cache" / "known").iterdir()]
    assert facts in [one["record"] for one in kept if one["recipe"]["kind"] == "root"]


def test_an_image_loads_runs_reproduces_and_upgrades(shop: Shop) -> None:
    first = shop.job("4.8.4", "one")
    image = shop.build(first)
    assert built(first, first.base.digest()) == image
    assert left(first) == []
    elsewhere = replace(first.settings, directory=str(shop.folder / "two"))
    lines, again = watched(shop, replace(first, settings=elsewhere))
    assert (again["image_id"], again["layers"]) == (image["image_id"], image["layers"])
    # Some steps are over before anybody looks.
    told = iter(lines)
    steps = ("reading its base", "verifying it", "writing its layers")
    assert all(f"image {image['release']}: {step}" in told for step in steps), lines
    shutil.rmtree(shop.folder / "two")

    # The next one has a wheel that the site built.
    mine = relabelled(download(shop.folder, PYTHON, "4.8.5"), shop.folder / "wheels", "site1")
    second = shop.build(shop.job("4.8.5+site1", "one", mine))
    moved = [layer for layer in second["layers"] if layer not in image["layers"]]
    assert [layer["what"] for layer in moved] == ["WhisperX"]
    assert second["upgrade"]["without"] == [
        layer["digest"] for layer in second["layers"] if layer["what"] != "WhisperX"
    ]
    try:
        podman("load", "--input", image["archive"])
        podman("load", "--input", second["upgrade"]["archive"])
        for record, version in ((image, "4.8.4"), (second, "4.8.5+site1")):
            seen = json.loads(podman("image", "inspect", record["image"]))[0]
            assert (seen["Labels"], "sha256:" + seen["Id"]) == (record["labels"], record["image_id"])
            assert runs(record["image"]) == [version, "2.36", []]
        lock = podman("run", "--rm", second["image"], "cat", "/opt/whisperx/current/requirements.txt")
        (line,) = (line for line in lock.splitlines() if line.startswith("ctranslate2=="))
        assert sha256(str(mine)) in line and line.endswith(" site")
    finally:
        for record in (image, second):
            subprocess.run(["podman", "rmi", "--force", record["image"]], capture_output=True, check=False)


def test_models_in_an_image_are_its_last_layer_and_are_heard(shop: Shop, tmp_path: Path) -> None:
    """Real weights and the real commands: the image's own models, and in their place those of a host."""
    placed = Store(shop.folder / "placed")
    placed.whisper("tiny.en", weights.tiny_en())
    kept = {one["sha256"]: placed.root / "files" / one["sha256"] for one in placed.models[0]["files"]}
    placed.finish()
    models = Models({"schema": 1, "models": placed.models}, {name: str(path) for name, path in kept.items()})
    job = replace(shop.job_of({"faster-whisper": ""}, "models"), models=models)
    image = shop.build(job)
    assert [layer["what"] for layer in image["layers"]][-2:] == ["WhisperX", "models"]
    assert image["release"] == f"{job.wanted.name}.models-{models.identity[:8]}"
    assert built(job, job.base.digest()) is not None
    assert built(replace(job, models=Models()), job.base.digest()) is None
    layout = Layout(*(str(tmp_path / name) for name in ("root", "bin", "facts")))
    by = Engine("podman", shutil.which("podman") or "")
    wanted = want_image(job.wanted.plan, image, "podman")

    def verified(models_dir: Path) -> dict[str, str]:
        options = Options(verify_level="speech", copied=False, models_dir=str(models_dir))
        report = apply.present(layout, by, options, wanted, Hooks(prover(by)), False).verify
        return {check["name"]: check["detail"] for check in report["checks"]}

    try:
        podman("load", "--input", image["archive"])
        assert verified(tmp_path / "none")["speech tiny.en"].endswith(" of 13 words")
        mounted = Store(tmp_path / "models")
        mounted.whisper("house", weights.tiny_en(), "whisperx-fleet/house")
        names = verified(mounted.finish())
        assert "speech house" in names and "speech file tiny.en" not in names
    finally:
        subprocess.run(["podman", "rmi", "--force", image["image"]], capture_output=True, check=False)


def runs(image: str) -> list[Any]:
    """Return what runs in an image as nobody without any right, on a root that cannot be written."""
    program = (
        "import ctranslate2, importlib.metadata, json, os, sys;"
        "cached = [getattr(module, '__cached__', None) or '' for module in list(sys.modules.values())];"
        "stale = [path for path in cached if path.startswith('/opt/') and not os.path.exists(path)];"
        "version = importlib.metadata.version('ctranslate2');"
        "print(json.dumps([version, os.confstr('CS_GNU_LIBC_VERSION').split()[1], stale]))"
    )
    options = ["--rm", "--read-only", "--user", "65534:65534", "--cap-drop", "all", "--network", "none"]
    words = [*options, "--security-opt", "no-new-privileges", image]
    return list(json.loads(podman("run", *words, "/opt/whisperx/current/launch/python", "-c", program)))


def kill_a_build(job: Job) -> None:
    """Build, and kill the build when it has begun to install."""
    child = multiprocessing.get_context("fork").Process(target=build, args=(job, job.base.digest()))
    child.start()
    releases = Path(Workshop(job).path("tree", "releases"))
    while child.is_alive() and not (releases.is_dir() and any(releases.iterdir())):
        time.sleep(0.1)
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL


def test_a_build_that_fails_leaves_nothing_and_the_next_one_clears_up_after_a_killed_one(shop: Shop) -> None:
    job = shop.job("4.8.4", "three")
    shutil.rmtree(shop.folder / "one", ignore_errors=True)
    broken = {**job.wanted.plan, "python_path": "/usr/bin/python3.12"}
    wrong = replace(job, wanted=replace(job.wanted, plan=broken))
    place = Workshop(job)
    kill_a_build(job)
    assert left(job) and list(Path(place.path("tree", "releases")).iterdir())
    with pytest.raises(Problem) as caught:
        build(wrong, job.base.digest())
    assert caught.value.rule == "image.build"
    assert left(job) == []
    assert not Path(job.archive).exists()
    assert not list(Path(job.settings.directory).glob("*/*.part"))
    assert sorted(path.name for path in Path(place.path("tree")).iterdir()) == [".whisperx-fleet"]
    assert not Path(place.path("payload")).exists()
