"""Files that are written on the controller at a path that a variable names: checked, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass

from ..whisperx_problem import Problem
from . import trust

__all__ = ["Output", "check_place"]

_UNWRITTEN = {
    "audit": "audit.output",
    "doctor": "doctor.output",
    "host": "host.output",
    "plan": "plan.output",
    "report": "report.output",
}


@dataclass(frozen=True)
class Output:
    """``path`` of a file, and the ``variable`` that names it; AREA in rules is the word of its role."""

    variable: str
    path: str

    def check(self) -> None:
        """Raise Problem "AREA.untrusted-directory" where others can change the file's directory.

        A directory like /tmp will do: the file is written under a random name and renamed.
        """
        users = trust.controller_users()
        trust.check_file(self.path, self.variable, f"{area(self.variable)}.untrusted-directory", users)

    def write(self, text: str, remedy: str = "") -> None:
        """Put the text in place of the file, readable by all.

        ``remedy``: of Problem "AREA.output", when it cannot be written. Raises also what `check` raises.
        """
        self.check()
        try:
            _write_whole(self.path, text)
        except OSError as error:
            raise self.failed(error, remedy) from None

    def failed(self, error: OSError, remedy: str = "") -> Problem:
        """Return Problem "AREA.output"."""
        return Problem(
            _UNWRITTEN[area(self.variable)],
            error.strerror or str(error),
            self.path,
            "a file that can be written",
            remedy or f"Name a file in an existing directory of the controller ({self.variable}).",
        )


def check_place(variable: str, path: str, file: bool = False) -> None:
    """Raise Problem "AREA.untrusted-directory" where others can change a directory, or that of a file.

    For what other programs write there under names that are known beforehand: unlike `Output.check` this
    refuses a directory like /tmp itself, where somebody may have put a link of that name.
    """
    whole = os.path.join(os.getcwd(), path)
    place = os.path.dirname(whole) if file else whole
    trust.check({place: variable}, f"{area(variable)}.untrusted-directory", trust.controller_users())


def area(variable: str) -> str:
    """Return the first word of the rules about a variable: "doctor" of ``whisperx_doctor_output``."""
    return variable.split("_")[1]


def _write_whole(path: str, text: str) -> None:
    folder = os.path.dirname(os.path.abspath(path))
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=folder, prefix=".whisperx-", delete=False
    ) as file:
        try:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.replace(file.name, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(file.name)
            raise
