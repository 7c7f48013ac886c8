"""What is read from a dead child."""

from __future__ import annotations

import pytest

from module_utils.whisperx_verify.process import Ending
from module_utils.whisperx_verify.remains import Remains, interpret, read_events

CRASH = """Fatal Python error: Segmentation fault

Thread 0x00007f7d77fff6c0 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 327 in wait

Current thread 0x00007f7e0d0cc040 (most recent call first):
  File "<frozen importlib._bootstrap>", line 241 in _call_with_frames_removed
  File "/opt/x/site-packages/torch/__init__.py", line 290 in _load_global_deps
  File "/opt/x/site-packages/pyannote/audio/__init__.py", line 29 in <module>

Extension modules: numpy._core._multiarray_umath (total: 1)
"""
# Python 3.14 names threads and adds the stack of the C code.
CRASH_3_14 = """Fatal Python error: Aborted

Current thread 0x00007f7e0d0cc040 [python] (most recent call first):
  File "/opt/x/site-packages/ctranslate2/models.py", line 7 in encode

Current thread's C stack trace (most recent call first):
  Binary file "/usr/bin/python3.14", at _Py_DumpStack+0x36 [0x54f5a6]
"""
HANG = """Timeout (0:00:05)!
Thread 0x00007f7d77fff6c0 (most recent call first):
  File "/usr/lib/python3.13/threading.py", line 359 in wait

Thread 0x00007f7e0d0cc040 (most recent call first):
  File "/opt/x/site-packages/whisperx/vads/pyannote.py", line 44 in load_vad_model
"""
BEGIN = {"event": "begin", "name": "import torch", "optional": False, "at": 10.0}
END = {
    "event": "end",
    "name": "import av",
    "ok": True,
    "seconds": 0.1,
    "detail": "av 1",
    "error": "",
    "optional": False,
}


@pytest.mark.parametrize(
    ("trace", "place"),
    [
        (CRASH, "/opt/x/site-packages/torch/__init__.py:290"),
        (CRASH_3_14, "/opt/x/site-packages/ctranslate2/models.py:7"),
        (HANG, "/opt/x/site-packages/whisperx/vads/pyannote.py:44"),
        ("", ""),
        ("Fatal Python error: Illegal instruction\n\nCurrent thread 0x00 (most recent call first):\n", ""),
    ],
)
def test_where_it_was(trace: str, place: str) -> None:
    checks, again = interpret(Remains(Ending(-11, False, "words\n\n"), [END, BEGIN], trace, 12.5), 60)
    assert again
    assert [check.name for check in checks] == ["import av", "import torch"]
    assert checks[1]._asdict() == {
        "name": "import torch",
        "ok": False,
        "seconds": 2.5,
        "detail": place,
        "error": "words",
        "signal": "SIGSEGV",
        "optional": False,
    }


@pytest.mark.parametrize(
    ("events", "ending", "name", "error"),
    [
        ([], Ending(127, False, "sh: 1: exec: python: not found"), "start", "sh: 1: exec: python: not found"),
        ([], Ending(1, False, ""), "start", "the process ended with exit code 1"),
        (
            [{"event": "hello"}, END],
            Ending(2, False, ""),
            "between checks",
            "the process ended with exit code 2",
        ),
        ([{"event": "done"}], Ending(None, True, ""), "exit", "no end after 120 s"),
    ],
)
def test_deaths_outside_of_a_check(events: list, ending: Ending, name: str, error: str) -> None:
    checks, again = interpret(Remains(ending, events, "", 1.0), 300)
    assert not again
    assert (checks[-1].name, checks[-1].ok, checks[-1].error) == (name, False, error)


def test_a_real_time_signal_has_a_name_too() -> None:
    checks, _ = interpret(Remains(Ending(-40, False, ""), [BEGIN], "", 11.0), 60)
    assert checks[0].signal == "signal 40"


def test_an_event_that_is_half_written_is_not_read(tmp_path) -> None:
    path = tmp_path / "events"
    path.write_text('{"event": "hello"}\n{"event": "beg')
    assert read_events(str(path)) == [{"event": "hello"}]
    assert read_events(str(tmp_path / "absent")) == []
