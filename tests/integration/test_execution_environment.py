"""The execution environment: its definition, the image made from it, and runs in that image.

No registry and no Galaxy are used: the base is the lab's Debian 13, and the collections, which only
containers as a runtime need, are left out of what is built here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
IMAGE = f"localhost/whisperx-lab-ee:{os.getpid()}"
BASE = "localhost/whisperx-lab:trixie"
CA = "/etc/ssl/lab-ca.crt"
SETTINGS = os.environ | {"CONTAINERS_CONF": str(ROOT / "tools/lab/containers.conf")}
HOSTS = "all: {hosts: {here: {ansible_connection: local, ansible_become: false}}}\n"
WANTED = {"whisperx_plan_packages": {"ctranslate2": ""}, "whisperx_venv_verify_level": "import"}


def create(definition: Path, context: Path) -> str:
    """Let ansible-builder check a definition and write the context; return the Containerfile."""
    words = ["--file", definition, "--context", context, "--output-filename", "Containerfile"]
    subprocess.run([BIN / "ansible-builder", "create", *words], check=True, capture_output=True)
    return (context / "Containerfile").read_text()


def mounts() -> list[str]:
    """Return the builder's certificates as mounts, and as an environment, where it names its own."""
    own = os.environ.get("SSL_CERT_FILE")
    return ["--volume", f"{os.path.realpath(own)}:{CA}:ro"] if own else []


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image, built by podman from what ansible-builder writes."""
    if os.getuid() != 0 or not all(shutil.which(tool) for tool in ("podman", "runc", "mmdebstrap")):
        pytest.skip("takes root, podman, runc and mmdebstrap")
    base = tmp_path_factory.mktemp("ee")
    lines = (ROOT / "execution-environment.yml").read_text().splitlines(keepends=True)
    (base / "ee.yml").write_text("".join(line for line in lines if "galaxy:" not in line))
    (base / "requirements").symlink_to(ROOT / "requirements")
    create(base / "ee.yml", base / "context")
    (base / "pip.conf").write_text(f"[global]\ncert = {CA}\n")
    subprocess.run([ROOT / "tools/lab/build_images", "trixie"], check=True, env=SETTINGS)
    words = ["--build-arg", f"EE_BASE_IMAGE={BASE}", *mounts()]
    words += ["--volume", f"{base}/pip.conf:/etc/pip.conf:ro"] if mounts() else []
    command = ["podman", "build", "--quiet", "--layers=false", "--tag", IMAGE, *words, base / "context"]
    done = subprocess.run(command, env=SETTINGS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    yield IMAGE
    subprocess.run(["podman", "rmi", "--force", IMAGE], env=SETTINGS, capture_output=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout, as AWX makes one."""
    folder = tmp_path / "project"
    named = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(named, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listing.split("\0")):
        if not name.startswith(("tests/", "docs/")) and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def test_the_definition_is_one(tmp_path: Path) -> None:
    text = create(ROOT / "execution-environment.yml", tmp_path / "context")
    assert "--require-hashes -r /opt/ee.txt" in text
    assert 'PYCMD="/opt/ansible/bin/python3"' in text and 'ENTRYPOINT ["dumb-init"]' in text
    names = {
        line.split("==")[0] for line in (tmp_path / "context/_build/locked/ee.txt").read_text().splitlines()
    }
    assert {"ansible-core", "ansible-runner", "uv"} <= names
    assert "containers.podman" in (tmp_path / "context/_build/requirements.yml").read_text()


def test_a_job_as_awx_starts_it(image: str, tmp_path: Path, project: Path) -> None:
    """ansible-runner starts site.yml in the image; its host is the container itself."""
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.yml").write_text(HOSTS)
    (tmp_path / "env").mkdir()
    (tmp_path / "env/extravars").write_text(json.dumps(WANTED))
    own = {"ANSIBLE_SHOW_CUSTOM_STATS": "1", **({"SSL_CERT_FILE": CA} if mounts() else {})}
    (tmp_path / "env/envvars").write_text(json.dumps(own))
    words = ["--process-isolation", "--process-isolation-executable", "podman", "--container-image", image]
    words += ["--container-option=--user=root"]  # this test is root, and so are its files
    words += [f"--container-volume-mount={mounts()[1]}"] if mounts() else []
    command = [BIN / "ansible-runner", "run", tmp_path, "--playbook", "site.yml", "--ident", "job", *words]
    command += ["--cmdline=--check"]  # the host that pulls, below, is really provisioned
    done = subprocess.run(command, env=SETTINGS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert re.search("here: would build release ctranslate2", done.stdout), done.stdout[-3000:]
    # AWX keeps these as the job's artifacts; the files lie in the project, which AWX throws away.
    events = [json.loads(path.read_text()) for path in (tmp_path / "artifacts/job/job_events").glob("*.json")]
    (stats,) = (one["event_data"] for one in events if one["event"] == "playbook_on_stats")
    assert stats["artifact_data"]["whisperx"]["states"] == {"planned": 1}
    assert (project / "reports/site-check.html").exists()


def test_a_host_that_pulls(image: str, tmp_path: Path, project: Path) -> None:
    """ansible-pull takes the project from a repository and provisions the machine it runs on, then rests."""
    git = ["git", "-c", "user.name=lab", "-c", "user.email=lab@example.org"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "As it is"]):
        subprocess.run([*git, *words], cwd=project, check=True)
    script = (
        "git config --global --add safe.directory '*'\n"
        "pull() { ansible-pull --url file:///srv/project --directory /srv/checkout -i inventory/local.yml"
        " --only-if-changed --extra-vars @/srv/vars.json site.yml; }\n"
        "pull; /opt/whisperx/current/launch/python -c 'import ctranslate2 as it; print(it.__file__)'; pull"
    )
    (tmp_path / "vars.json").write_text(json.dumps(WANTED))
    command = ["podman", "run", "--rm", "--user", "root", *mounts(), "--env", f"SSL_CERT_FILE={CA}"]
    command += [
        "--volume",
        f"{project}:/srv/project:ro",
        "--volume",
        f"{tmp_path}/vars.json:/srv/vars.json:ro",
    ]
    done = subprocess.run(
        [*command, image, "sh", "-euc", script], env=SETTINGS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "localhost: ctranslate2 " in done.stdout
    assert "/opt/whisperx/" in done.stdout
    # Nothing new was there the second time, so nothing ran.
    assert done.stdout.count("PLAY RECAP") == 1
    assert '"changed": false' in done.stdout.partition("PLAY RECAP")[2]
