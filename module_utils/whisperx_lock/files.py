"""Files that travel with a run: wheels made on the controller, uv for the target; and a memory of digests.

Everything here is a cache: below ``cache_dir``, made again when it is gone, and the same bytes each time.

    digests.json               path -> size, time, SHA-256, so that a converged run reads no big file
    known/<recipe>.json        what was read in a wheel or a root file system; <recipe> has its digest
    site/<sha256>/<wheel>      links to wheels that the user built, each alone in a directory for the resolver
    made/<recipe>/<wheel>      built or repaired wheels; <recipe> is a digest of all that goes in
    uv/<key>-<platform>/       uv for machines that the controller's own does not fit
    python/<SHA-256>/<file>    archives of managed Pythons
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import shutil
import ssl
import tempfile
import threading
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..whisperx_abi.elf import read as read_elf
from ..whisperx_common.connection_causes import remedy_of
from ..whisperx_common.digests import Digests
from ..whisperx_common.download import TooLong, TooSlow, Unwritable
from ..whisperx_common.download import download as fetch
from ..whisperx_common.durable import make_directories, replace
from ..whisperx_common.files import link as make_link
from ..whisperx_common.versions import numbers
from ..whisperx_problem import Problem
from .sources import Sources

__all__ = ["Store", "download", "fits_target", "repack"]

# Appended to the name of a made file: what its digest was.
_NOTE = ".sha256"
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass
class Store:
    """The cache directory. Use `save` once at the end, to remember digests."""

    root: Path

    def __post_init__(self) -> None:
        self._digests = Digests(str(self.root / "digests.json"))
        self._making = threading.Lock()

    def digest(self, path: Path) -> str:
        """Return a file's SHA-256; read again only when something of the file changed."""
        return self._digests.of(str(path))

    def save(self) -> None:
        """Write down the digests. A cache that cannot be written costs time, nothing else."""
        self._digests.save()

    def made(self, recipe: Mapping[str, Any], make: Callable[[Path], Path]) -> Path:
        """Return the wheel that ``recipe`` stands for; if need be, ``make`` writes it into a folder."""
        key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
        with self._making:  # classes are locked side by side, and two of them may need the same wheel
            return self._once(self.root / "made" / key, make, "*.whl")

    def shown(self, file: str, sha256: str, path: str) -> Path:
        """Return a link to one of the user's wheels, alone in a directory; its bytes are compared later."""
        link = self.root / "site" / sha256 / file
        if not link.is_symlink() or os.readlink(link) != path:
            try:
                with self._making:
                    make_directories(str(link.parent), None)
                    make_link(str(link), path)
            except OSError as error:
                raise _unwritable(link.parent, error) from None
        return link

    def find(self, file: str, sha256: str) -> Path | None:
        """Return a made wheel by name and SHA-256, whatever recipe it came from."""
        for path in sorted((self.root / "made").glob(f"*/{file}")):
            if self.digest(path) == sha256:
                return path
        return None

    def uv(self, key: str, make: Callable[[Path], Path]) -> Path:
        """Return the executable of uv for another platform; ``make`` installs it into an empty folder."""
        with self._making:
            return self._once(self.root / "uv" / key, make, "bin/uv")

    def python(self, sha256: str, file: str, make: Callable[[Path], Path]) -> Path:
        """Return the archive of a Python; ``make`` fetches it into an empty folder, and compared it there."""
        with self._making:
            return self._once(self.root / "python" / sha256, make, file)

    def forget(self, path: Path) -> None:
        """Remove a made file that is another than it was, with all that was made with it."""
        places = [self.root / "made", self.root / "uv"]
        for folder in path.parents:
            if folder.parent in places:
                shutil.rmtree(folder, ignore_errors=True)

    def _right(self, path: Path) -> bool:
        """Return whether a made file is what was made. What an earlier version made is taken as it is."""
        noted = path.with_name(path.name + _NOTE)
        try:
            wanted = noted.read_text("ascii").strip() if noted.is_file() else ""
            digest = self.digest(path)
            if not wanted:
                noted.write_text(digest + "\n", "ascii")
            return digest != "" and wanted in ("", digest)
        except (OSError, ValueError):
            return False

    def _once(self, folder: Path, make: Callable[[Path], Path], pattern: str) -> Path:
        """Return the one file below ``folder``; made beside it and moved there whole, so that it is whole.

        Its digest is noted beside it. One that has another digest now is removed and made again.
        """
        found = sorted(folder.glob(pattern))
        if found and not self._right(found[0]):
            shutil.rmtree(folder, ignore_errors=True)
            found = []
        if not found:
            try:
                folder.parent.mkdir(parents=True, exist_ok=True)
                scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
            except OSError as error:
                raise _unwritable(folder.parent, error) from None
            try:
                make(scratch)
                for made in sorted(scratch.glob(pattern)):
                    made.with_name(made.name + _NOTE).write_text(self.digest(made) + "\n", "ascii")
                with suppress(OSError):  # another run has made the same meanwhile
                    replace(str(scratch), str(folder))
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            found = sorted(folder.glob(pattern))
        return found[0]


def _unwritable(folder: Path, error: OSError) -> Problem:
    return Problem(
        "lock.cache-dir",
        f"the cache cannot be written: {error.strerror}",
        str(folder),
        "a directory that this user may write",
        "Set whisperx_plan_cache_dir to one.",
    )


def download(
    url: str, sha256: str, target: Path, sources: Sources, setting: str = "whisperx_plan_index_url"
) -> None:
    """Fetch ``url`` into the file ``target``; ``setting`` is the variable that names its server.

    Raises Problem ("lock.download", "lock.wrong-hash").
    """
    request = urllib.request.Request(url)
    username, password = sources.credentials_for(url)
    if username or password:
        pair = base64.b64encode(f"{username}:{password}".encode()).decode()
        # Unredirected: another server, to which this one may point, does not get it.
        request.add_unredirected_header("Authorization", "Basic " + pair)
    try:
        context = ssl.create_default_context()
        fetch(request, str(target), None, lambda size: None, context)
    except Unwritable as error:
        raise Problem(
            "lock.cache-dir",
            f"{target.name} cannot be written: {error.cause.strerror or error.cause}",
            str(target.parent),
            "a directory with free space that this user may write",
            "Free some space, or set TMPDIR to a directory that has it.",
        ) from None
    except (OSError, http.client.HTTPException, TooLong, TooSlow) as error:
        ended = isinstance(error, TooLong | TooSlow)
        why = error.__doc__ if ended else getattr(error, "reason", None) or error
        raise Problem(
            "lock.download",
            sources.scrub(f"{target.name} cannot be fetched: {why}"),
            sources.name_of(url),
            "the file that the index lists",
            remedy_of(str(why), setting),
        ) from None
    with target.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise Problem(
            "lock.wrong-hash",
            f"{target.name} has SHA-256 {found}",
            sources.name_of(url),
            sha256,
            "Do not use this index until it is known why the file changed.",
        )


def repack(source: Path, target: Path) -> None:
    """Copy a wheel so that equal contents are equal bytes: order, dates, rights and compression are fixed.

    Stored, not deflated: the bytes that deflate gives depend on the controller's zlib.
    """
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        names = sorted(entry.filename for entry in old.infolist() if not entry.is_dir())
        for name in sorted(
            names, key=lambda entry: (".dist-info/" in entry, entry.endswith("/RECORD"), entry)
        ):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            new.writestr(entry, old.read(name))


def fits_target(uv: Path, machine: str, libc: Mapping[str, Any]) -> bool:
    """Return whether this uv starts on such a machine: its ELF header and the GLIBC it needs decide."""
    try:
        elf = read_elf(str(uv))
    except Problem:
        return False
    if elf is None or elf.machine != machine:
        return False
    if elf.interp is None and not elf.needed:
        return True
    if libc.get("family") != "glibc" or "musl" in (elf.interp or ""):
        return False
    return numbers(elf.glibc or "0") <= numbers(str(libc.get("version") or "0"))
