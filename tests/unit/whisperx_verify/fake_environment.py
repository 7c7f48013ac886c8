"""A small environment for tests: a real Python and a folder of packages, behind a launcher."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

__all__ = ["make_environment"]


def make_environment(root: Path, packages: dict[str, str], python: str = sys.executable) -> str:
    """Write ``packages`` (module name -> source) under ``root`` and return the path of the launcher."""
    site = root / "site"
    site.mkdir(parents=True)
    for name, source in packages.items():
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(textwrap.dedent(source), encoding="utf-8")
    launcher = root / "python"
    launcher.write_text(f'#!/bin/sh\nPYTHONPATH="{site}" exec "{python}" "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    return str(launcher)
