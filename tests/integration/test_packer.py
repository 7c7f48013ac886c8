"""The Packer template with Debian's Packer: every source validates, and its build block bakes over ssh.

Packer's own ssh, its Ansible provisioner and sshd are the real ones. The machine is a container, reached by
the null builder; that Packer starts a machine and keeps its disk is shown by `make boot-proof`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tools" / "lab"
TEMPLATE = ROOT / "packer" / "whisperx.pkr.hcl"
PAGE = ROOT / "docs" / "packer.md"
NULL = """\
source "null" "image" {{
  ssh_host             = "127.0.0.1"
  ssh_port             = {port}
  ssh_username         = "root"
  ssh_private_key_file = "{key}"
}}
"""

pytestmark = pytest.mark.skipif(not shutil.which("packer"), reason="needs packer")


def with_source(source: str) -> str:
    """Return the template with another source, put in as docs/packer.md says."""
    name = re.search(r'source "([\w-]+)" "image"', source)
    assert name is not None
    text, count = re.subn(r'(?ms)^source "qemu" "image" \{.*?^\}\n', lambda _: source, TEMPLATE.read_text())
    assert count == 1 and "source.qemu.image" in text
    return text.replace("source.qemu.image", f"source.{name.group(1)}.image")


def clouds() -> dict[str, str]:
    """Return the sources of the page by the name of their builder."""
    blocks = re.findall(r"(?s)```hcl\n(source .*?)```", PAGE.read_text())
    return {block.split('"')[1]: block for block in blocks}


def packer(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = os.environ | {"PATH": path, "CHECKPOINT_DISABLE": "1"} | environment
    return subprocess.run(
        ["packer", *words], cwd=ROOT, env=settings, capture_output=True, text=True, check=False
    )


def test_the_template_validates() -> None:
    done = packer(
        "validate", "-var", "source_image=disk.qcow2", "-var", "checksum=sha512:" + "0" * 128, str(TEMPLATE)
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("builder", ["amazon-ebs", "googlecompute", "azure-arm"])
def test_the_source_of_every_cloud_validates_in_it(builder: str, tmp_path: Path) -> None:
    template = tmp_path / "cloud.pkr.hcl"
    template.write_text(with_source(clouds()[builder]))
    done = packer("validate", "-var", "source_image=none", "-var", "checksum=none", str(template))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[tuple[str, int, Path]]:
    """A Debian 13 with sshd on a port of the loopback, and the key for its root."""
    if os.getuid() != 0 or not all(
        shutil.which(tool) for tool in ("podman", "runc", "mmdebstrap", "ssh-keygen")
    ):
        pytest.skip("takes root, podman, runc, mmdebstrap and ssh-keygen")
    os.environ.setdefault("CONTAINERS_CONF", str(LAB / "containers.conf"))
    subprocess.run([LAB / "build_ssh_images", "trixie"], check=True)
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    name, port = f"whisperx-packer-test-{os.getpid()}", free_port()
    script = (
        "mkdir -p -m 700 /root/.ssh /run/sshd && cat >/root/.ssh/authorized_keys && ssh-keygen -A "
        f"&& exec /usr/sbin/sshd -D -p {port} -o ListenAddress=127.0.0.1"
    )
    bundle = os.environ.get("SSL_CERT_FILE", "")
    volumes = ["--volume", f"{bundle}:/etc/ssl/certs/ca-certificates.crt:ro"] if bundle else []
    command = ["podman", "run", "--interactive", "--rm", "--network", "host", "--name", name, *volumes]
    child = subprocess.Popen(
        [*command, "localhost/whisperx-lab:trixie-ssh", "sh", "-c", script], stdin=subprocess.PIPE
    )
    assert child.stdin is not None
    child.stdin.write(key.with_suffix(".pub").read_bytes())
    child.stdin.close()
    try:
        wait_for(port)
        yield name, port, key
    finally:
        subprocess.run(["podman", "rm", "--force", "--time", "0", name], check=True, capture_output=True)
        child.wait()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
                assert one.recv(4) == b"SSH-"
                return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_its_build_bakes_a_machine_over_ssh(machine: tuple[str, int, Path], tmp_path: Path) -> None:
    name, port, key = machine
    variables = {
        "whisperx_host_assume": {"cpu": {"flags": ["sse4_1", "avx", "avx2"]}, "gpus": []},
        "whisperx_plan_packages": {"ctranslate2": ""},
        "whisperx_plan_lock_dir": str(tmp_path / "locks"),
        "whisperx_bake_papers": str(tmp_path / "papers"),
    }
    (tmp_path / "variables.json").write_text(json.dumps(variables))
    template = tmp_path / "null.pkr.hcl"
    template.write_text(with_source(NULL.format(port=port, key=key)))
    words = [
        "-var",
        f"variables={tmp_path / 'variables.json'}",
        "-var",
        "source_image=none",
        "-var",
        "checksum=none",
    ]
    done = packer("build", "-color=false", *words, str(template), ANSIBLE_NOCOLOR="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed=0" in done.stdout and "profile default: ctranslate2-" in done.stdout
    assert list((tmp_path / "papers").glob("*.cdx.json"))

    def inside(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["podman", "exec", name, *command], capture_output=True, text=True, check=False)

    # What every machine makes anew is gone, what sshd and Packer need until the end is not.
    assert (
        inside("sh", "-c", "ls -d /etc/ssh/ssh_host_* /root/.bash_history /root/.ansible /tmp/*").stdout == ""
    )
    assert inside("cat", "/root/.ssh/authorized_keys").stdout == key.with_suffix(".pub").read_text()
    before = inside("/opt/whisperx/current/launch/python", "-c", "pass")
    assert before.returncode == 69 and "not been verified yet" in before.stderr
    booted = inside("python3", "-I", "/usr/lib/whisperx-firstboot/firstboot.py")
    assert booted.returncode == 0 and "fit: profile default works here" in booted.stdout
    # What somebody sees who logs in.
    options = [
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "IdentitiesOnly=yes",
    ]
    command = ["ssh", "-tt", "-p", str(port), "-i", str(key), *options, "root@127.0.0.1"]
    login = subprocess.run(command, input="exit\n", capture_output=True, text=True, timeout=120, check=False)
    assert booted.stdout.splitlines()[-1] in login.stdout.splitlines()
