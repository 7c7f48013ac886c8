"""Podman's images for all users: a storage of their own, which every user reads and root alone changes."""

from __future__ import annotations

import os
from typing import Any, Iterator

from ..whisperx_common.files import read_text, write_text
from ..whisperx_release.model import Layout
from .engine import Engine
from .model import Options

__all__ = ["is_closed", "make", "run_conf", "storage_conf"]


def storage_conf(layout: Layout) -> str:
    """Return the path of the file that names the store of images for all users."""
    return layout.path("storage.conf")


def run_conf(layout: Layout) -> str:
    """Return the path of the file with which root runs what is in that store."""
    return layout.path("run.conf")


def make(engine: Engine, options: Options) -> None:
    """Make the store and the files that lead to it, where one is wanted, and open it to every user."""
    if not engine.storage_conf:
        return
    os.makedirs(options.store, exist_ok=True)
    head = '# Written by whisperx-fleet.\n[storage]\ndriver = "{}"\ngraphroot = "{}"\nrunroot = "{}"\n'
    driver, run = options.storage_driver, "/run/whisperx-fleet"
    own = os.path.join(options.store, "containers")
    texts = {
        engine.storage_conf: head.format(driver, options.store, run + "/images"),
        engine.run_conf: head.format(driver, own, run + "/containers")
        + '[storage.options]\nadditionalimagestores = ["{}"]\n'.format(options.store),
    }
    for path, text in texts.items():
        if read_text(path) != text:
            write_text(path, text)
    _open_store(options)


def _open_store(options: Options) -> None:
    """Let every user read the images: podman makes its directories for root alone."""
    for name in ("", "-images", "-layers"):
        top = os.path.join(options.store, options.storage_driver + name)
        for directory, _, files in os.walk(top) if name else _level(top):
            os.chmod(directory, os.stat(directory).st_mode | 0o055)
            for file in files:
                path = os.path.join(directory, file)
                if not os.path.islink(path):
                    os.chmod(path, os.stat(path).st_mode | 0o044)


def is_closed(engine: Engine, options: Options) -> bool:
    """Tell whether podman's lists are for root alone, as it writes them, or the way to run them is gone."""
    if not engine.storage_conf:
        return False
    names = [options.storage_driver + "-" + name for name in ("images/images.json", "layers/layers.json")]
    paths = [os.path.join(options.store, name) for name in names]
    if os.path.exists(engine.storage_conf) and not os.path.exists(engine.run_conf):
        return True
    return any(os.path.exists(path) and not os.stat(path).st_mode & 0o004 for path in paths)


def _level(top: str) -> Iterator[Any]:
    """Yield ``top`` and the directories in it as os.walk does; what lies deeper has the image's own modes."""
    if os.path.isdir(top):
        yield top, [], []
        for entry in os.scandir(top):
            if entry.is_dir(follow_symlinks=False):
                files = [name for name in ("link", "lower") if os.path.isfile(os.path.join(entry.path, name))]
                yield entry.path, [], files
