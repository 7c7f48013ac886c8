"""Both sides: the one shape in which every part of whisperx-fleet says what is wrong.

Standard library only, Python 3.8: it travels to the targets with every module.
"""

from __future__ import annotations

from typing import Dict

__all__ = ["Problem"]


class Problem(Exception):
    """Something is not as it has to be, and the user can mend it.

    ``rule`` is a stable dotted id ("env.disk-space"), ``found`` what was found, ``where`` the file, host or
    option it was found in (may be empty), ``wanted`` what is needed, ``remedy`` the next step. All are
    plain text fit for a person to read.
    """

    def __init__(self, rule: str, found: str, where: str, wanted: str, remedy: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.found = found
        self.where = where
        self.wanted = wanted
        self.remedy = remedy

    def sentence(self) -> str:
        """Return the problem as one line: what was found and where, what is wanted, the next step."""
        place = " ({})".format(self.where) if self.where else ""
        return "{}{}; wanted: {}. {}".format(self.found, place, self.wanted, self.remedy)

    def record(self) -> Dict[str, str]:
        """Return the fields for a module's result; ``rule`` is what scripts may rely on."""
        return {
            "rule": self.rule,
            "found": self.found,
            "where": self.where,
            "wanted": self.wanted,
            "remedy": self.remedy,
        }

    def __str__(self) -> str:
        return self.sentence()
