"""What is shown of a unit's journal. SIMULATED: journalctl, as systemd 257 prints a failing docker client."""

from __future__ import annotations

import json

from module_utils.whisperx_service.systemd import Systemd

OWN = "docker: Error response from daemon: No such image"


class Told(Systemd):
    """A systemd whose journal is given: who wrote it, and the line."""

    def __init__(self, *entries: tuple[str, object]) -> None:
        super().__init__()
        self.entries = [{"SYSLOG_IDENTIFIER": whose, "MESSAGE": line} for whose, line in entries]

    def _run(self, argv: list[str], seconds: int) -> tuple[int, str]:
        (lines,) = [int(word.partition("=")[2]) for word in argv if word.startswith("--lines=")]
        return 0, "".join(json.dumps(entry) + "\n" for entry in self.entries[-lines:])


def attempts(*said: tuple[str, object]) -> list[tuple[str, object]]:
    around = [("systemd", f"whisperx-tiny.service: {words}") for words in ("Failed", "Scheduled", "Again")]
    return [*said, *around] * 5 + around


def test_the_words_of_the_service_are_not_hidden_by_those_of_systemd() -> None:
    assert Told(*attempts(("tiny", OWN))).said("whisperx-tiny.service", 2) == [OWN, OWN]


def test_podman_s_events_are_not_what_the_service_said() -> None:
    events = [("podman", "container create 9d353f"), ("conmon", "Failed to open cgroups file")] * 3
    assert Told(("tiny", OWN), *events).said("whisperx-tiny.service", 2) == [OWN]


def test_what_systemd_s_child_says_of_a_command_that_does_not_start_is_the_service_s() -> None:
    told = "whisperx-tiny.service: Failed at step EXEC spawning /x: No such file or directory"
    assert Told(*attempts(("(tiny)", told))).said("whisperx-tiny.service", 1) == [told]


def test_a_service_that_says_nothing_has_what_systemd_says_of_it() -> None:
    assert Told(*attempts()).said("whisperx-tiny.service", 1) == ["whisperx-tiny.service: Again"]


def test_lines_are_text_whatever_a_service_writes() -> None:
    entries = [("tiny", list(b"a\xff\nb")), ("tiny", None), ("tiny", " "), ("tiny", "c\x1b[31m")]
    lines = Told(*entries).journal("whisperx-tiny.service")
    assert lines[:2] == ["a\ufffd", "b"] and len(lines) == 3 and "\x1b" not in lines[2]
