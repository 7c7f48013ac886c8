"""Put wheels into one directory, and make of one of them a wheel that glibc 2.41 does not load.

python poison.py GOOD BAD BUNDLE-WHEELS ...

GOOD gets all wheels of the bundles, BAD CTranslate2 4.8.5 for Python 3.13 with what old releases had:
a library that asks for an executable stack. RECORD fits, so only the check of shared objects can tell.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from module_utils.whisperx_abi.header import MAGIC, PF_X, PT_GNU_STACK, Header  # noqa: E402


def asking(data: bytes, name: str) -> bytes:
    """Return the library with PF_X set in its PT_GNU_STACK header."""
    head = Header(lambda offset, size: data[offset : offset + size], len(data), name)
    fresh = bytearray(data)
    for item in head.segments:
        if item.type == PT_GNU_STACK:
            struct.pack_into(head.mark + "I", fresh, item.flags_at, item.flags | PF_X)
    return bytes(fresh)


def poisoned(source: Path, target: Path) -> None:
    """Write the wheel with its largest library changed."""
    quick = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 1}
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", **quick) as new:
        contents = {entry.filename: old.read(entry) for entry in old.infolist() if not entry.is_dir()}
        libraries = [name for name, data in contents.items() if data[:4] == MAGIC]
        largest = max(libraries, key=lambda name: len(contents[name]))
        contents[largest] = asking(contents[largest], largest)
        record = next(name for name in contents if name.endswith(".dist-info/RECORD"))
        lines = []
        for name, data in contents.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(data)}" if name != record else f"{record},,")
        contents[record] = ("\n".join(lines) + "\n").encode()
        for name, data in contents.items():
            new.writestr(name, data)


good, bad = Path(sys.argv[1]), Path(sys.argv[2])
good.mkdir(parents=True)
for wheel in {path.name: path for bundle in sys.argv[3:] for path in Path(bundle).glob("*/*.whl")}.values():
    (good / wheel.name).hardlink_to(wheel)
bad.mkdir()
(victim,) = good.glob("ctranslate2-4.8.5-cp313-*")
poisoned(victim, bad / victim.name)
