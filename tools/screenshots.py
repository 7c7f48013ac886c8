#!/usr/bin/env python3
"""Write docs/images/plan.png and doctor.png: what two verbs really answer, as a browser shows it.

    tools/screenshots.py plan       # the page of a plan of inventory/example; takes chromium or google-chrome
    tools/screenshots.py doctor     # an environment of Debian 12 upgraded to 13; also podman and root

The doctor runs in a test host of tools/lab/build_images, on the real packages.
"""

from __future__ import annotations

import html
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.integration.doctor_lab import Lab  # noqa: E402
from tools.report_example import picture  # noqa: E402

__all__ = ["main"]

IMAGES = ROOT / "docs/images"
BIN = Path(sys.executable).parent
_HELD = {"whisperx_plan_packages": {"whisperx": "==3.4.5"}, "whisperx_plan_remedies": ["upgrade"]}
_NEWER = """{{ {'libc': {'family': 'glibc', 'version': '2.41'}} if 'cpu_workers' in group_names else {} }}"""
_PLAN_HEIGHT = 1400
_OLD = ("ctranslate2==4.4.0", "numpy==1.26.4", "pyyaml", "setuptools<81")
_TERMINAL = """\
<!doctype html>
<meta charset="utf-8">
<style>body {{ margin: 0; background: #1e1e1e; color: #e6e6e6; }}
pre {{ margin: 1.5rem; font: 1.15rem/1.45 monospace; }}</style>
<pre>{text}</pre>
"""
# In pixels of the page: a line of that text, and what is around the text.
_LINE, _AROUND = 27, 48


def plan(scratch: Path) -> None:
    """Write the picture of a plan: WhisperX is held back, and the example's CPU hosts move to glibc 2.41."""
    before, page = scratch / "before.json", scratch / "plan.html"
    _plan({**_HELD, "whisperx_plan_output": str(before)})
    after = {"whisperx_plan_compare": str(before), "whisperx_plan_page": str(page)}
    _plan({**_HELD, **after, "whisperx_host_override": _NEWER})
    picture(page, IMAGES / "plan.png", height=_PLAN_HEIGHT)


def _plan(variables: dict[str, Any]) -> None:
    play = ["playbooks/plan.yml", "--inventory", "inventory/example/hosts.yml"]
    command = [str(BIN / "ansible-playbook"), *play, "--extra-vars", json.dumps(variables)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def doctor(scratch: Path) -> None:
    """Write the picture of what tools/doctor prints for CTranslate2 4.4.0 on Debian 13."""
    subprocess.run([str(ROOT / "tools/lab/build_images"), "bookworm", "trixie"], check=True)
    lab = Lab(scratch, str(BIN / "uv"))
    python = lab.interpreter("bookworm", "3.11")
    venv = lab.elsewhere("venv", "3.11", "x86_64-manylinux_2_28", *_OLD)
    place = "/srv/app/venv"
    _code, told = lab.ask_in("trixie", python, venv, at=place)
    text = "\n".join([f"$ tools/doctor {place}", *told["page"], ""])
    page = scratch / "doctor.html"
    page.write_text(_TERMINAL.format(text=html.escape(text)), "utf-8")
    picture(page, IMAGES / "doctor.png", height=_AROUND + _LINE * text.count("\n"))


def main(arguments: Sequence[str]) -> int:
    """Write the pictures that are named; return the exit status."""
    known = {"plan": plan, "doctor": doctor}
    if not arguments or set(arguments) - set(known):
        print(__doc__, file=sys.stderr)
        return 2
    for name in arguments:
        scratch = Path(tempfile.mkdtemp(prefix="whisperx-screenshot-"))
        try:
            known[name](scratch)
        finally:
            shutil.rmtree(scratch)
        print(f"docs/images/{name}.png: {(IMAGES / f'{name}.png').stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
