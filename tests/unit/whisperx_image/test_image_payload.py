"""What travels into the build container is whole: every module that one of its modules imports, also late."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# In a process of its own: here other tests have loaded modules that a build has not.
_WRITE = (
    "import sys; from module_utils.whisperx_image import payload; payload.write_payload(sys.argv[1], {}, [])"
)


def _imported(path: Path, top: Path) -> Iterator[Path]:
    """Yield the files of this project that a file imports, wherever in it, without their suffix."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            names = [base / alias.name for alias in node.names]
            for place in [base, *names]:
                known = ROOT / place.relative_to(top)
                if known.with_suffix(".py").is_file() or (known / "__init__.py").is_file():
                    yield place


def test_the_payload_has_what_its_modules_import(tmp_path: Path) -> None:
    top = tmp_path / "payload"
    subprocess.run([sys.executable, "-c", _WRITE, str(top)], cwd=ROOT, check=True)
    files = sorted((top / "module_utils").rglob("*.py"))
    assert files
    missing = {
        f"{path.relative_to(top)} imports {place.relative_to(top)}"
        for path in files
        for place in _imported(path, top)
        if not (place.with_suffix(".py").is_file() or (place / "__init__.py").is_file())
    }
    assert missing == set()
