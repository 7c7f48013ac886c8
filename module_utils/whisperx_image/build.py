"""Build one image: a container from the base, the release made in it, its files written as ordered layers.

Whatever goes wrong, and whenever it is killed, what a build leaves behind is removed by its own end or by the
next build: containers by their label, the base's name, and the tree. Downloads stay.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ..whisperx_common.files import discard, read_json
from ..whisperx_problem import Problem
from . import filesystem, inside, models, payload
from .archive import ARCHITECTURES, Archive
from .engine import Engine, find
from .layer import Entry, stamped
from .model import Job, labels

__all__ = ["build"]

_TOP = "whisperx and this release"
_REST = "other packages"
_SYSTEM = "system packages"
_BASE = "base"
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What of the tree stays for the next build: the downloads, and the mark that says whose they are.
_STAYING = ("cache", ".whisperx-fleet")
# What of the tree is no part of the image.
_LEFT_OUT = (
    "cache",
    "files",
    ".lock",
    "releases/*/.lock",
    inside.RESULT,
    "releases/*/verify/*__pycache__*",
    "releases/*/bin/__pycache__",
)
# What a build container takes over from the machine that builds.
_INHERITED = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")
# Where it notes how far it is.
_PROGRESS = "/run/whisperx-progress"
_OWN = {"LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "DEBIAN_FRONTEND": "noninteractive"}


class Workshop:
    """The directories of one build, below the directory of the settings, and the names of its things."""

    def __init__(self, job: Job) -> None:
        self.root = os.path.join(job.settings.directory, "build")
        self.owner = hashlib.sha256(os.path.realpath(self.root).encode()).hexdigest()[:12]
        self.base = f"localhost/whisperx-fleet-base-{self.owner}:build"

    def path(self, *parts: str) -> str:
        """Return a path below the workshop."""
        return os.path.join(self.root, *parts)

    def name(self, what: str) -> str:
        """Return the name of a container."""
        return f"whisperx-fleet-{what}-{self.owner}"

    def clean(self, engine: Engine) -> None:
        """Remove what this or an earlier build left, but for the downloads."""
        engine.remove(self.owner, [self.base])
        for name in ("payload", "base.tar", "system.tar", "models"):
            discard(self.path(name))
        tree = self.path("tree")
        for name in os.listdir(tree) if os.path.isdir(tree) else []:
            if name not in _STAYING:
                discard(os.path.join(tree, name))


def build(job: Job, base_digest: str) -> dict[str, Any]:
    """Build the image and its archive; return the result's record. Raises Problem; then there is no archive.

    ``base_digest``: "sha256:…" of the base where it is known before it is fetched.
    """
    engine = find(job.settings.engine)
    shop = Workshop(job)
    os.makedirs(shop.path("tree"), exist_ok=True)
    with _alone(shop):
        shop.clean(engine)
        try:
            return _build(job, engine, shop, base_digest)
        finally:
            shop.clean(engine)


def _build(job: Job, engine: Engine, shop: Workshop, base_digest: str) -> dict[str, Any]:
    started = time.time()
    job.settings.tell(job.wanted.name, "base")
    image, found = _base(job, engine, shop)
    base_digest = base_digest or _digest_of(found)
    before = _read(engine, shop, image, int(started))
    created = _date(max((entry.mtime for entry in before.values() if entry.kind == "file"), default=0))
    answer = _make(job, engine, shop, image, created)
    after = before
    if job.commands:
        engine.export(shop.name("run"), shop.path("system.tar"))
        after = filesystem.exported(shop.path("system.tar"))
    system = filesystem.added(before, after, int(started))
    job_labels = labels(job, base_digest)
    job.settings.tell(job.wanted.name, "layers")
    os.makedirs(os.path.dirname(job.archive), exist_ok=True)
    archive = Archive(job.archive)
    try:
        archive.add_layer(before.values(), _BASE)
        archive.add_layer([*system, Entry("work", "dir")], _SYSTEM)
        for what, entries in _environment(job, shop):
            archive.add_layer(entries, what)
        if job.models.identity:
            # Last: what hosts have of the layers below stays, whatever models come and go.
            archive.add_layer(models.entries(job.models, shop.path("models")), models.WHAT)
        config = _config(job, job_labels, created, archive, found)
        image_id = archive.finish(config, [job.image])
    finally:
        archive.discard()
    return {
        "release": job.release,
        "image": job.image,
        "image_id": image_id,
        "archive": job.archive,
        "bytes": os.stat(job.archive).st_size,
        "layers": [layer.record() for layer in archive.layers],
        "lock": job.wanted.lock_digest,
        "labels": job_labels,
        "verify": answer["verify"],
        "seconds": round(time.time() - started, 1),
    }


def _base(job: Job, engine: Engine, shop: Workshop) -> tuple[str, Mapping[str, Any]]:
    """Have the base in the engine; return its name there and what the engine knows of it."""
    if job.base.root:
        engine.import_root(job.base.root, shop.base)
        return shop.base, {}
    engine.pull(job.base.reference)
    found = engine.inspect(job.base.reference)
    wanted = ARCHITECTURES.get(str(job.wanted.plan.get("machine")), "")
    if found.get("Architecture") != wanted:
        raise Problem(
            "image.machine",
            "the base is for {}".format(found.get("Architecture")),
            job.base.reference,
            f"an image for {wanted}",
            "Build on a machine of that kind, or name another base.",
        )
    return job.base.reference, found


def _digest_of(found: Mapping[str, Any]) -> str:
    """Return the digest by which a registry knows the image, else the engine's own id."""
    named = [str(name).partition("@")[2] for name in found.get("RepoDigests") or []]
    return named[0] if named else str(found.get("Id", ""))


def _read(engine: Engine, shop: Workshop, image: str, now: int) -> dict[str, Entry]:
    """Return the base's files.

    Engines put files of their own into a container that they make: the times of the directories tell of it,
    so these are made the same.
    """
    engine.create(shop.name("base"), image, shop.owner)
    engine.export(shop.name("base"), shop.path("base.tar"))
    found = filesystem.exported(shop.path("base.tar"))
    return {path: stamped(entry, now) for path, entry in found.items()}


def _make(job: Job, engine: Engine, shop: Workshop, image: str, created: str) -> dict[str, Any]:
    """Run the build container: the distribution's packages first, then the release. Returns its answer."""
    settings = job.settings
    environment = {key: os.environ[key] for key in _INHERITED if key in os.environ}
    environment.update(settings.environment)
    environment.update(_OWN)
    mounts = {shop.path("payload"): payload.PLACE + ":ro", shop.path("tree"): inside.ROOT}
    if settings.cache:
        os.makedirs(settings.cache, exist_ok=True)
        mounts[settings.cache] = "/srv/whisperx-cache"
    if settings.progress:
        mounts[os.path.dirname(settings.progress)] = _PROGRESS
    certificates = os.environ.get("SSL_CERT_FILE", "")
    if os.path.isfile(certificates):
        environment["SSL_CERT_FILE"] = payload.PLACE + "-certificates.crt"
        mounts[os.path.realpath(certificates)] = environment["SSL_CERT_FILE"] + ":ro"
    for path in settings.sources.find_links:
        if os.path.isdir(path):
            mounts[path] = path + ":ro"
    payload.write_payload(shop.path("payload"), _order(job, created), list(job.files))
    options = ["--network", settings.network, "--security-opt", "label=disable"]
    for source, target in mounts.items():
        options += ["--volume", f"{source}:{target}"]
    name = shop.name("run")
    engine.start(name, image, shop.owner, options)
    settings.tell(job.wanted.name, "system")
    for command in job.commands:
        done = engine.execute(name, command, environment, settings.timeout)
        if done.returncode:
            raise _packages_problem(job, command, done.stdout + done.stderr)
    python = str(job.wanted.plan["python_path"])
    program = f"{payload.PLACE}/{payload.ENTRY}"
    limit = settings.timeout + 4 * settings.verify_timeout
    done = engine.execute(name, [python, "-I", program], environment, limit)
    answer = read_json(shop.path("tree", inside.RESULT)) or {}
    if "problem" in answer:
        raise Problem(**answer["problem"])
    if done.returncode or "record" not in answer:
        said = " ".join((done.stdout + done.stderr).split())[-1500:]
        raise Problem(
            "image.build",
            f"the build in the container ended with exit code {done.returncode}: {said}",
            job.base.name,
            f"a base with the Python {python} of the plan",
            "Check that whisperx_plan_container_facts describe this base.",
        )
    return answer


def _order(job: Job, created: str) -> dict[str, Any]:
    settings, sources = job.settings, job.settings.sources
    return {
        "root": inside.ROOT,
        "plan": dict(job.wanted.plan),
        "lock": job.wanted.text,
        "cache": "/srv/whisperx-cache" if settings.cache else "",
        "created": created,
        "progress": f"{_PROGRESS}/{os.path.basename(settings.progress)}" if settings.progress else "",
        "verify_level": settings.verify_level,
        "timeout": settings.timeout,
        "verify_timeout": settings.verify_timeout,
        "layers": job.layers,
        "sources": {
            "index_url": sources.index_url,
            "extra_index_urls": list(sources.extra_index_urls),
            "find_links": list(sources.find_links),
            "torch_index": sources.torch_index,
            "username": sources.username,
            "password": sources.password,
            "offline": sources.offline,
        },
    }


def _packages_problem(job: Job, command: list[str], said: str) -> Problem:
    return Problem(
        "image.packages",
        "{} failed: {}".format(" ".join(command[:3]), " ".join(said.split())[-1500:]),
        job.base.name,
        "the packages {} from the base's distribution".format(
            ", ".join(job.wanted.plan.get("system_packages") or [])
        ),
        "Check the connection to the distribution's mirror, or use a base that has them.",
    )


def _environment(job: Job, shop: Workshop) -> Iterator[tuple[str, list[Entry]]]:
    """Yield the layers above the system's: what the plan groups, the rest, and last what each release has."""
    entries = list(filesystem.walk(shop.path("tree"), inside.ROOT.strip("/"), _LEFT_OUT))
    python = "python{}".format(job.wanted.plan["python"])
    site = os.path.join(filesystem.SHARED, "lib", python, "site-packages")
    prefix = "{}/{}/".format(inside.ROOT.strip("/"), site)
    rows = [(str(row["what"]), tuple(row["packages"])) for row in job.layers]
    inner = {entry.path[len(prefix) :]: entry for entry in entries if entry.path.startswith(prefix)}
    layer_of = filesystem.grouped(
        sorted(path for path, entry in inner.items() if entry.kind != "dir"),
        filesystem.owners(shop.path("tree", site)),
        rows,
    )
    found: dict[str, list[Entry]] = {what: [] for what, _packages in rows}
    found.setdefault(_REST, [])
    top = rows[-1][0] if rows else _TOP
    found.setdefault(top, [])
    for path, what in layer_of.items():
        found[what or _REST].append(inner[path])
    shared = "{}/{}".format(inside.ROOT.strip("/"), filesystem.SHARED)
    for entry in entries:
        if entry.path == shared or entry.path.startswith(shared + "/"):
            if not entry.path.startswith(prefix) and entry.kind != "dir":
                found[_REST].append(entry)
        else:
            found[top].append(entry)
    order = [*(what for what, _packages in rows if what != top), _REST, top]
    for what in order:
        if found[what]:
            yield what, found[what]


def _config(
    job: Job, image_labels: Mapping[str, str], created: str, archive: Archive, base: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the image's configuration: no entry point, no user, nothing secret in its environment."""
    inherited = list((base.get("Config") or {}).get("Env") or [])
    return {
        "architecture": ARCHITECTURES[str(job.wanted.plan["machine"])],
        "os": "linux",
        "created": created,
        "config": {
            "Env": inherited or [_PATH],
            "WorkingDir": "/work",
            "Labels": dict(image_labels),
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in archive.layers]},
        "history": [{"created": created, "created_by": layer.what} for layer in archive.layers],
    }


def _date(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@contextlib.contextmanager
def _alone(shop: Workshop) -> Iterator[None]:
    """Hold the workshop. Raises Problem "image.busy" when another build does."""
    descriptor = os.open(shop.path(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(
                "image.busy",
                "another build is at work",
                shop.root,
                "one build at a time in one directory",
                "Wait for it to end, then run again; a build that was killed holds no lock.",
            ) from None
        yield
    finally:
        os.close(descriptor)
