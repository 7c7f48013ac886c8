"""What must not stay in an image is found, and what every machine makes anew is removed."""

from __future__ import annotations

from pathlib import Path

from module_utils.whisperx_bake.hygiene import clean, findings

DIRT = {
    "etc/ssh/ssh_host_ed25519_key": "key",
    "etc/machine-id": "0123456789abcdef\n",
    "root/.bash_history": "ls\n",
    "root/.cache/uv/x": "x",
    "tmp/leftover": "x",
    "var/log/apt/history.log": "Start\n",
    "var/lib/apt/lists/mirror_Packages": "x",
    "var/lib/systemd/random-seed": "seed",
    "etc/udev/rules.d/70-persistent-net.rules": "SUBSYSTEM==net\n",
}
PEOPLES = {
    "etc/environment": "https_proxy=http://proxy:3128\n",
    "etc/resolv.conf": "nameserver 10.0.0.2\n",
    "home/me/.ssh/authorized_keys": "ssh-ed25519 AAAA\n",
    "root/.config/pip/pip.conf": "index-url = https://me:secret@index.example/simple\n",
    "root/.netrc": "machine x login y\n",
    "root/.config/containers/auth.json": "{}",
    "etc/dnf/dnf.conf": "[main]\nproxy=http://proxy:3128\n",
    "etc/apt/apt.conf.d/02proxy": 'Acquire::http::Proxy "http://proxy:3128";\n',
}
FINE = {
    "etc/apt/apt.conf.d/01size": 'APT::Install-Recommends "false";\n',
    "etc/hostname": "image\n",
    "etc/pip.conf": "index-url = https://index.example/simple\n",
    "etc/yum.conf": "[main]\nproxy=_none_\n",
    "var/log/lastlog": "",
}


def plant(top: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)


def test_everything_is_found_and_only_the_machines_own_is_removed(tmp_path: Path) -> None:
    plant(tmp_path, DIRT | PEOPLES | FINE)
    found = findings(top=str(tmp_path))
    told = {item["path"].lstrip("/") for item in found if item["does"] == "tell"}
    assert told == set(PEOPLES)
    clean(found, str(tmp_path))
    left = {
        str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert left == PEOPLES | FINE | {"etc/machine-id": "", "var/log/apt/history.log": ""}
    assert {item["path"].lstrip("/") for item in findings(top=str(tmp_path))} == set(PEOPLES)


def test_a_clean_root_has_no_findings(tmp_path: Path) -> None:
    plant(tmp_path, FINE | {"etc/machine-id": "", "etc/resolv.conf": "nameserver 127.0.0.53\n"})
    assert findings(top=str(tmp_path)) == []
