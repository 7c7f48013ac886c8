"""site.yml for this machine alone, with everything that it writes below one folder."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["counted", "inventory"]

_PLACES = {
    "whisperx_venv_root": "root",
    "whisperx_venv_bin_dir": "bin",
    "whisperx_venv_facts_dir": "facts.d",
    "whisperx_plan_lock_dir": "locks",
    "whisperx_report_dir": "reports",
}


def inventory(folder: Path, **more: str) -> Path:
    """Write an inventory of this machine, to get CTranslate2 below ``folder``; return its path.

    ``more`` are further variables that name a place below it.
    """
    given: dict[str, object] = {name: str(folder / place) for name, place in {**_PLACES, **more}.items()}
    given |= {"whisperx_plan_packages": {"ctranslate2": ""}, "whisperx_venv_ffmpeg": False}
    # That it computes is shown by others.
    given |= {"whisperx_venv_verify_level": "import"}
    given |= {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
    path = folder / "hosts.json"
    path.write_text(json.dumps({"all": {"hosts": {"here": given}}}))
    return path


def counted(said: str) -> str:
    """Return the line with the count of the one host."""
    return next(line.strip() for line in said.splitlines() if "1 host: " in line)
