"""Podman's images for all users: a storage of their own, which every user reads and root alone changes."""

from __future__ import annotations

import os
import subprocess
from typing import Any, Iterator, Optional

from ..whisperx_common.durable import make_directories
from ..whisperx_common.files import discard, read_text, write_text
from ..whisperx_problem import Problem
from ..whisperx_release.model import Layout
from .engine import Engine
from .model import Options

__all__ = ["RUN_CONF", "STORAGE_CONF", "is_closed", "make", "remove", "run_conf", "storage_conf"]

# The files, in the root, that lead to the store.
STORAGE_CONF = "storage.conf"
RUN_CONF = "run.conf"


def storage_conf(layout: Layout) -> str:
    """Return the path of the file that names the store of images for all users."""
    return layout.path(STORAGE_CONF)


def run_conf(layout: Layout) -> str:
    """Return the path of the file with which root runs what is in that store."""
    return layout.path(RUN_CONF)


def make(engine: Engine, options: Options) -> None:
    """Make the store and the files that lead to it, where one is wanted, and open it to every user."""
    if not engine.storage_conf:
        return
    make_directories(options.store)
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


def remove(store: str, options: Options) -> None:
    """Remove the store. The engine keeps its directory mounted upon itself, which is undone first.

    Raises Problem "container.store-busy".
    """
    own = os.path.join(store, "containers")
    for top in [os.path.join(place, options.storage_driver) for place in (own, store)]:
        ended = _umount(top) if os.path.ismount(top) else None
        if ended is not None:
            raise Problem(
                "container.store-busy",
                ended,
                top,
                "a store in which no container runs",
                "Stop the containers of this release, then run again.",
            )
    discard(store)


def _umount(path: str) -> Optional[str]:
    """Unmount; return what the system says when it fails."""
    ended = subprocess.run(  # no AnsibleModule here  # pylint: disable=ansible-bad-function
        ["umount", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return ended.stdout.decode("utf-8", "replace").strip() or "umount failed" if ended.returncode else None


def _open_store(options: Options) -> None:
    """Let every user read the images: podman makes its directories for root alone."""
    for name in ("", "-images", "-layers"):
        top = os.path.join(options.store, options.storage_driver + name)
        for directory, _folders, files in os.walk(top) if name else _level(top):
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
