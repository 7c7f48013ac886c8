"""The runner against environments that are well, break, die or hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from module_utils.whisperx_common import telemetry
from module_utils.whisperx_verify.runner import run
from tests.unit.whisperx_verify.fake_environment import make_environment

WELL = "VALUE = 1"
SEGFAULT = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"


def prove(tmp_path: Path, packages: dict[str, str], optional: tuple[str, ...] = (), **more):
    """Run level import over ``packages`` in their order; return the report."""
    python = make_environment(tmp_path / "env", packages)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    wanted = [{"package": name, "module": name, "optional": name in optional} for name in packages]
    arguments = {"timeout": 20.0, "directory": None, "scratch": str(scratch), **more}
    report = run(python, level="import", device="cpu", imports=wanted, **arguments)
    assert list(scratch.iterdir()) == [], "temporary files are left"
    return report


def by_name(report):
    return {check["name"]: check for check in report["checks"]}


def test_well(tmp_path):
    report = prove(tmp_path, {"first": WELL, "second": WELL})
    assert report["ok"]
    assert [check["name"] for check in report["checks"]] == ["import first", "import second"]
    assert report["findings"] == report["warnings"] == []
    assert set(report["checks"][0]) == {"name", "ok", "seconds", "detail", "error", "signal", "optional"}


def test_an_exception_is_told_untouched_with_its_cause_and_place(tmp_path):
    source = """
        try:
            raise ImportError("libx.so.1: cannot enable executable stack as shared object requires")
        except ImportError as problem:
            raise RuntimeError("no backend") from problem
    """
    report = prove(tmp_path, {"broken": source, "well": WELL})
    check = by_name(report)["import broken"]
    assert not report["ok"]
    assert check["error"] == (
        "RuntimeError: no backend; caused by ImportError: libx.so.1: "
        "cannot enable executable stack as shared object requires"
    )
    assert check["detail"].endswith("site/broken/__init__.py:5")
    assert check["signal"] is None
    assert by_name(report)["import well"]["ok"]
    assert report["findings"] == [f"import broken failed ({check['detail']}): {check['error']}"]
    assert "Traceback" in report["output"]


def test_an_optional_package_is_a_warning(tmp_path):
    report = prove(tmp_path, {"codec": "raise OSError('no libavutil')", "well": WELL}, optional=("codec",))
    assert report["ok"]
    assert report["findings"] == []
    assert len(report["warnings"]) == 1 and "no libavutil" in report["warnings"][0]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGILL, signal.SIGABRT, signal.SIGKILL])
def test_a_signal_is_a_finding_that_names_the_package(tmp_path, number):
    source = f"""
        import os, sys
        print("Could not load library libcudnn_ops_infer.so.8", file=sys.stderr, flush=True)
        os.kill(os.getpid(), {int(number)})
    """
    report = prove(tmp_path, {"before": WELL, "deadly": source, "after": WELL})
    check = by_name(report)["import deadly"]
    assert check["signal"] == number.name
    assert check["error"] == "Could not load library libcudnn_ops_infer.so.8"
    if number in (signal.SIGSEGV, signal.SIGILL, signal.SIGABRT):  # those that faulthandler sees
        assert check["detail"].endswith("site/deadly/__init__.py:4")
    assert by_name(report)["import before"]["ok"] and by_name(report)["import after"]["ok"]
    assert len(report["findings"]) == 1
    assert report["findings"][0].startswith(f"import deadly died of {number.name}")


def test_deaths_one_after_another(tmp_path):
    report = prove(tmp_path, {"a": SEGFAULT, "b": WELL, "c": SEGFAULT, "d": WELL})
    assert [(c["name"], c["ok"]) for c in report["checks"]] == [
        ("import a", False),
        ("import b", True),
        ("import c", False),
        ("import d", True),
    ]


@pytest.mark.parametrize("source", ["import sys; sys.exit('no way')", "import os; os._exit(3)"])
def test_a_package_that_ends_the_process(tmp_path, source):
    report = prove(tmp_path, {"leaver": source, "well": WELL})
    assert not by_name(report)["import leaver"]["ok"]
    assert by_name(report)["import leaver"]["error"]
    assert by_name(report)["import well"]["ok"]


def test_a_hang_is_a_finding_and_the_rest_goes_on(tmp_path):
    source = f"""
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        open({str(tmp_path / "grandchild")!r}, "w").write(str(child.pid))
        print("waiting for the driver", flush=True)
        time.sleep(1000)
    """
    report = prove(tmp_path, {"slow": source, "well": WELL}, timeout=2.0)
    check = by_name(report)["import slow"]
    assert not check["ok"] and check["signal"] is None
    assert check["error"] == "no end after 2 s; last output: waiting for the driver"
    assert check["detail"].endswith("site/slow/__init__.py:6")
    assert by_name(report)["import well"]["ok"]
    assert report["seconds"] < 10
    assert gone(int((tmp_path / "grandchild").read_text()))


def gone(pid: int) -> bool:
    """Return whether the process has ended; a zombie of init's has."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_no_zombie_of_ours_is_left(tmp_path):
    prove(tmp_path, {"a": SEGFAULT, "b": "import time; time.sleep(100)", "c": WELL}, timeout=1.0)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_two_hangs_end_it(tmp_path):
    hang = "import time; time.sleep(1000)"
    report = prove(tmp_path, {"a": hang, "b": hang, "c": WELL}, optional=("a", "b"), timeout=1.0)
    assert not report["ok"], "what was not tried is not proved"
    assert [check["name"] for check in report["checks"]] == ["import a", "import b", "the rest"]
    assert report["findings"] == ["the rest was not tried, because 2 checks hung"]


def test_a_flood_of_output_is_bounded(tmp_path):
    report = prove(
        tmp_path, {"loud": "for i in range(300000): print('x' * 100)\nraise ImportError('at the end')"}
    )
    assert by_name(report)["import loud"]["error"] == "ImportError: at the end"
    assert len(report["output"]) <= 4000


def test_a_death_at_the_very_end(tmp_path):
    source = "import atexit, os, signal\natexit.register(lambda: os.kill(os.getpid(), signal.SIGABRT))"
    report = prove(tmp_path, {"haunted": source})
    assert by_name(report)["import haunted"]["ok"]
    assert by_name(report)["exit"]["signal"] == "SIGABRT"
    assert not report["ok"]


def test_a_hang_at_the_very_end(tmp_path):
    source = "import atexit, time\natexit.register(lambda: time.sleep(1000))"
    report = prove(tmp_path, {"haunted": source}, timeout=2.0)
    assert by_name(report)["import haunted"]["ok"]
    assert by_name(report)["exit"]["error"] == "no end after 2 s"
    assert not report["ok"]


def test_a_package_that_closes_the_output_and_works_on(tmp_path):
    report = prove(tmp_path, {"quiet": "import os, time\nos.close(1); os.close(2)\ntime.sleep(0.5)"})
    assert by_name(report)["import quiet"]["ok"]


def test_network_is_refused_at_once(tmp_path):
    source = "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=60)"
    other = "import urllib.request\nurllib.request.urlopen('http://models.example/')"
    report = prove(tmp_path, {"caller": source, "other": other})
    assert report["seconds"] < 20
    assert "refused to reach 192.0.2.1" in by_name(report)["import caller"]["error"]
    assert "refused to reach models.example" in by_name(report)["import other"]["error"]


def test_what_was_refused_in_the_background_is_not_hidden(tmp_path):
    source = """
        import socket, threading
        def report():
            try:
                socket.getaddrinfo("otel.example", 443)
            except OSError:
                pass
        thread = threading.Thread(target=report)
        thread.start()
        thread.join()
    """
    report = prove(tmp_path, {"reporting": source})
    assert report["ok"] and report["findings"] == []
    assert report["warnings"] == ["network failed: tried to reach otel.example"]


def test_the_proof_sets_none_of_the_variables_against_reports_to_the_makers(tmp_path):
    """What keeps the packages quiet has to be in the launcher, which users' runs have too."""
    names = tuple(telemetry.OPT_OUTS)
    assert prove(tmp_path, {"curious": f"import os\nassert not set({names}) & set(os.environ)"})["ok"]


def test_this_machine_may_be_looked_up(tmp_path):
    source = "import socket\nsocket.getaddrinfo('localhost', 80)\nsocket.getaddrinfo(None, 80)"
    assert prove(tmp_path, {"local": source})["ok"]


def test_the_callers_environment_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    source = """
        import os
        assert "LD_LIBRARY_PATH" not in os.environ and "HTTPS_PROXY" not in os.environ
        assert "/nowhere" not in os.environ["PYTHONPATH"]
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        assert os.environ["HF_HUB_OFFLINE"] == "1"
        assert os.path.isdir(os.environ["HOME"]) and os.environ["HOME"].startswith(os.environ["TMPDIR"])
        assert os.environ["TMPDIR"].startswith(os.getcwd())
        open(os.path.join(os.environ["HOME"], "written"), "w").close()
    """
    assert prove(tmp_path, {"curious": source})["findings"] == []


def test_no_launcher(tmp_path):
    report = run(str(tmp_path / "absent"), None, "import", "cpu", [], scratch=str(tmp_path))
    assert not report["ok"]
    assert report["findings"] == [
        f"start failed: cannot start {tmp_path / 'absent'}: No such file or directory"
    ]


def test_a_launcher_whose_python_is_gone(tmp_path):
    launcher = tmp_path / "python"
    launcher.write_text('#!/bin/sh\nexec /no/such/python "$@"\n')
    launcher.chmod(0o755)
    report = run(str(launcher), None, "import", "cpu", [], scratch=str(tmp_path))
    assert not report["ok"]
    assert "/no/such/python" in report["findings"][0]


def test_nothing_can_be_taken_for_a_package_of_the_environment(tmp_path):
    report = prove(tmp_path, {"well": WELL}, directory=str(tmp_path / "verify"))
    assert report["ok"]
    wanted = [{"package": "p", "module": name} for name in ("probe", "runner", "kernels")]
    report = run(str(tmp_path / "env" / "python"), str(tmp_path / "verify"), "import", "cpu", wanted)
    assert [check["ok"] for check in report["checks"]] == [False, False, False]


def test_read_only_writes_no_byte_code(tmp_path):
    prove(tmp_path, {"well": WELL}, read_only=True)
    assert not (tmp_path / "env" / "site" / "well" / "__pycache__").exists()


def test_without_ctranslate2_there_is_nothing_to_compute(tmp_path):
    python = make_environment(tmp_path / "env", {"well": WELL})
    imports = [{"package": "ctranslate2", "module": "ctranslate2"}]
    report = run(python, None, "pipeline", "cpu", imports, scratch=str(tmp_path))
    assert not report["ok"]
    assert [check["name"] for check in report["checks"]] == ["import ctranslate2", "kernels cpu"]
    assert len(report["findings"]) == 1, "what follows from a finding is no finding of its own"


def test_nothing_to_check_is_no_proof(tmp_path):
    python = make_environment(tmp_path / "env", {"well": WELL})
    report = run(python, None, "import", "cpu", [], scratch=str(tmp_path))
    assert not report["ok"]
    assert "nothing to check" in report["findings"][0]


def test_foundations_go_first(tmp_path):
    python = make_environment(
        tmp_path / "env", {"top": "import middle", "middle": "import base", "base": SEGFAULT}
    )
    for name, requires in (("top", "Middle>=1"), ("middle", "base; python_version > '3'"), ("base", "")):
        folder = tmp_path / "env" / "site" / f"{name}-1.0.dist-info"
        folder.mkdir()
        lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0"]
        lines += [f"Requires-Dist: {requires}"] if requires else ["Requires-Dist: top; extra == 'circle'"]
        (folder / "METADATA").write_text("\n".join(lines) + "\n")
    imports = [{"package": name, "module": name} for name in ("top", "middle", "base")]
    report = run(python, None, "import", "cpu", imports, scratch=str(tmp_path))
    assert [check["name"] for check in report["checks"]] == ["import base", "import middle", "import top"]


def test_what_needs_a_broken_package_is_not_tried(tmp_path):
    packages = {"ctranslate2": SEGFAULT, "torch": SEGFAULT, "faster_whisper": WELL, "whisperx": WELL}
    python = make_environment(tmp_path / "env", packages)
    imports = [{"package": name, "module": name} for name in packages]
    report = run(python, None, "pipeline", "cpu", imports, scratch=str(tmp_path))
    errors = {check["name"]: check["error"] for check in report["checks"] if not check["signal"]}
    reason = "not tried, because 'import {}' failed"
    assert errors["kernels cpu"] == reason.format("ctranslate2")
    assert errors["kernels torch cpu"] == reason.format("torch")
    assert errors["pipeline faster_whisper"] == errors["pipeline whisperx"] == reason.format("ctranslate2")
    assert [c["signal"] for c in report["checks"] if c["name"].startswith("import")].count("SIGSEGV") == 2


@pytest.mark.parametrize(
    ("level", "device", "imports", "word"),
    [
        ("everything", "cpu", [], "everything"),
        ("import", "tpu", [], "tpu"),
        ("import", "cpu", [{"package": "x"}], "no module name"),
    ],
)
def test_a_request_that_makes_no_sense(tmp_path, level, device, imports, word):
    with pytest.raises(ValueError, match=word):
        run("/bin/true", None, level, device, imports, scratch=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_child_dies_with_its_parent(tmp_path):
    mark = tmp_path / "pid"
    source = f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(1000)"
    python = make_environment(tmp_path / "env", {"sleeper": source})
    program = (
        "import sys; from module_utils.whisperx_verify.runner import run\n"
        "imports = [{'package': 'sleeper', 'module': 'sleeper'}]\n"
        "run(sys.argv[1], None, 'import', 'cpu', imports, scratch=sys.argv[2])"
    )
    root = Path(__file__).parents[3]
    runner = subprocess.Popen([sys.executable, "-c", program, python, str(tmp_path)], cwd=root)
    deadline = time.monotonic() + 20
    while not (mark.exists() and mark.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    runner.kill()
    runner.wait()
    assert gone(int(mark.read_text()))
