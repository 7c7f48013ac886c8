"""What Ansible sends in a zip is compiled once: by the real zipimport, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from module_utils.whisperx_common import zipped

# Counts how often each file of the zip is compiled, and imports what is in it.
_COUNTED = """\
import builtins, json, sys
sys.path[:0] = [{archive!r}, {home!r}]
real, seen = builtins.compile, []
def counted(source, path, *rest, **more):
    seen.append(str(path))
    return real(source, path, *rest, **more)
builtins.compile = counted
if {once}:
    from zipped import compile_once
    compile_once()
    compile_once()
from inside import outer
print(json.dumps([seen, outer.VALUE, outer.__file__]))
"""


@pytest.mark.parametrize("once", [True, False])
def test_what_is_imported_from_a_zip_is_compiled_once(tmp_path: Path, once: bool) -> None:
    archive = tmp_path / "sent.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("inside/__init__.py", "")
        file.writestr("inside/outer.py", "from .inner import VALUE\n")
        file.writestr("inside/inner.py", "VALUE = 7\n")
    script = _COUNTED.format(archive=str(archive), home=str(Path(zipped.__file__).parent), once=once)
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    seen, value, path = json.loads(done.stdout)
    assert (value, path) == (7, f"{archive}/inside/outer.py")
    times = Counter(name for name in seen if name.startswith(str(archive)))
    assert set(times) == {f"{archive}/inside/{name}.py" for name in ("__init__", "outer", "inner")}
    if once:
        assert set(times.values()) == {1}
