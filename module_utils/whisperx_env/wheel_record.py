"""Target: read the RECORD of a package: one row a file, of path, digest and size."""

from __future__ import annotations

import csv
import io
from typing import Iterator, List

__all__ = ["rows"]


def rows(text: str) -> Iterator[List[str]]:
    """Return the rows of a RECORD; what cannot be read as a table ends it."""
    try:
        yield from csv.reader(io.StringIO(text, newline=""))
    except csv.Error:
        return
