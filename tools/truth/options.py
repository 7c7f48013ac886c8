"""The options that both truth programs take."""

from __future__ import annotations

import argparse
import os

from . import report

__all__ = ["add_common"]


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add where downloads are kept, which catalogue and uv are used, and whether the page is written."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    parser.add_argument(
        "--cache", default=f"{home}/whisperx-fleet/truth", help="uv's cache for the downloads"
    )
    parser.add_argument("--catalogue", default=report.CATALOGUE, metavar="DIR", help="another catalogue")
    parser.add_argument("--uv", default="", help="the uv program")
    parser.add_argument("--write", action="store_true", help="put the rows into docs/truth.md")
