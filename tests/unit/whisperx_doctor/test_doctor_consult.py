"""A whole consultation, on small environments that are run for real."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from module_utils.whisperx_doctor import __main__ as command
from module_utils.whisperx_doctor.consult import Where, consult
from module_utils.whisperx_doctor.records import Asked
from module_utils.whisperx_problem import Problem
from tests.unit.whisperx_doctor.small_venv import make_release, make_venv, site_of
from tools.troubleshooting import knowledge

DOCUMENT = knowledge()


def ask(path: Path, **asked: Any) -> dict[str, Any]:
    return consult(Where([str(path)]), Asked(**{"level": "import", **asked}), DOCUMENT)


def one(told: dict[str, Any]) -> dict[str, Any]:
    (environment,) = told["environments"]
    return environment


def state(place: Path) -> dict[str, tuple[int, int, int]]:
    paths = [place, *place.rglob("*")]
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_size, path.lstat().st_mode) for path in paths
    }


def test_well(tmp_path: Path) -> None:
    venv = make_venv(tmp_path / "venv", {"numpy": "", "av": ""})
    before = state(tmp_path)
    told = ask(venv)
    assert (told["verdict"], told["exit_code"]) == ("fit", 0)
    assert {check["name"] for check in one(told)["checks"]} == {"import numpy", "import av"}
    assert told["page"][0] == f"{venv}    FIT: it works"
    assert state(tmp_path) == before


def test_unfit_names_row_evidence_cure_and_command(tmp_path: Path) -> None:
    make_release(
        tmp_path / "root", {"numpy": "raise ImportError('libsndfile.so.1: cannot open shared object file')"}
    )
    before = state(tmp_path)
    told = ask(tmp_path / "root", host="gpu-01", inventory="hosts.yml")
    assert (told["verdict"], told["exit_code"]) == ("unfit", 1)
    (failure,) = one(told)["failures"]
    assert failure["id"] == "failure.library-missing"
    assert failure["sentence"].startswith("The library libsndfile.so.1 is not")
    assert "numpy/__init__.py:1" in failure["evidence"][0]["text"]
    assert failure["toolkit"]["applies"] == "here"
    assert (
        failure["toolkit"]["commands"][0]["command"] == 'make site INVENTORY=hosts.yml ARGS="--limit gpu-01"'
    )
    page = "\n".join(told["page"])
    for words in ("UNFIT", "How it shows:", "What to do:", "This toolkit does it", failure["cure"][:40]):
        assert words in page
    assert state(tmp_path) == before


def test_an_environment_of_others_is_left_alone(tmp_path: Path) -> None:
    venv = make_venv(tmp_path / "venv", {"numpy": "import gone"})
    (failure,) = one(ask(venv))["failures"]
    assert failure["id"] == "failure.module-missing"
    assert failure["toolkit"]["applies"] == "beside"


def test_what_no_row_knows_is_shown_as_it_is(tmp_path: Path) -> None:
    told = ask(make_venv(tmp_path / "venv", {"numpy": "raise RuntimeError('never seen')"}))
    assert told["verdict"] == "unfit" and one(told)["failures"] == []
    assert "never seen" in one(told)["unexplained"][0]["text"]
    assert any("never seen" in line for line in told["page"])


def test_a_crash_and_a_hang(tmp_path: Path) -> None:
    packages = {"numpy": "import os; os.abort()", "av": "import time; time.sleep(60)"}
    told = ask(make_venv(tmp_path / "venv", packages), timeout=1.5)
    assert {row["id"] for row in one(told)["failures"]} == {"failure.crash", "failure.hang"}


@pytest.mark.parametrize(
    "record",
    [
        "",
        "[]",
        "{}",
        '{"plan": []}',
        '{"plan": {"imports": 3, "environment": [1], "sonames": "x", "loader_paths": {}, "device": "tpu"}}',
        '{"plan": {"imports": [1, {}, {"package": "x"}], "sonames": {"optional": 1}}}',
    ],
)
def test_a_record_that_somebody_wrote_over(tmp_path: Path, record: str) -> None:
    release = make_release(tmp_path, {"numpy": ""})
    (release / "release.json").write_text(record)
    told = ask(tmp_path)
    assert told["verdict"] == "fit"
    assert [check["name"] for check in one(told)["checks"]] == ["import numpy"]


@pytest.mark.parametrize(
    "line", ["x\0y.py,sha256=a,3", "a.py,,²", f"a.py,,{'9' * 5000}", '"', "a,b", "../../x.py,,1"]
)
def test_a_record_of_files_that_says_nonsense(tmp_path: Path, line: str) -> None:
    venv = make_venv(tmp_path / "venv", {"numpy": ""})
    (site_of(venv) / "numpy-1.0.dist-info/RECORD").write_text(line + "\n")
    assert ask(venv)["verdict"] == "fit"


@pytest.mark.parametrize("managed", [False, True])
def test_an_interpreter_that_is_gone(tmp_path: Path, managed: bool) -> None:
    place = make_release(tmp_path, {"numpy": ""}) if managed else make_venv(tmp_path / "venv", {"numpy": ""})
    (place / "bin/python").unlink()
    (place / "bin/python").symlink_to("/usr/bin/python3.0")
    told = ask(tmp_path if managed else place)
    assert told["exit_code"] == 1
    assert [row["id"] for row in one(told)["failures"]] == ["failure.interpreter-gone"]
    assert one(told)["unexplained"] == []


def test_malware_is_unfit_although_it_runs(tmp_path: Path) -> None:
    venv = make_venv(tmp_path / "venv", {"lightning": ""}, version="2.6.2")
    told = ask(venv)
    assert one(told)["checks"][0]["ok"] and told["exit_code"] == 1
    assert one(told)["failures"][0]["id"] == "failure.lightning-malware"


def test_a_changed_file_of_what_works_is_a_note(tmp_path: Path) -> None:
    venv = make_venv(tmp_path / "venv", {"numpy": "", "extra": ""})
    (site_of(venv) / "extra/__init__.py").write_text("# edited\n")
    told = ask(venv)
    assert told["verdict"] == "fit"
    assert [row["id"] for row in one(told)["notes"]] == ["failure.file-changed"]
    # What looks wrong was imported as well.
    assert "import extra" in {check["name"] for check in one(told)["checks"]}


@pytest.mark.parametrize("broken", [False, True])
def test_what_is_not_run_is_unfit_or_unknown(tmp_path: Path, broken: bool) -> None:
    venv = make_venv(tmp_path / "venv", {"numpy": ""})
    if broken:
        (site_of(venv) / "numpy/__init__.py").unlink()
    told = ask(venv, level="audit")
    assert told["exit_code"] == (1 if broken else 2)
    assert one(told)["checks"] == []


def test_an_environment_without_anything_we_know(tmp_path: Path) -> None:
    told = ask(make_venv(tmp_path / "venv", {"requests": ""}))
    assert told["verdict"] == "unknown"
    assert any("none of the packages" in line.lower() for line in told["page"])


def test_several_environments_have_the_worst_verdict(tmp_path: Path) -> None:
    good = make_venv(tmp_path / "good", {"numpy": ""})
    bad = make_venv(tmp_path / "bad", {"numpy": "import gone"})
    paths = [str(good), str(bad), str(tmp_path / "none")]
    told = consult(Where(paths), Asked(level="import"), DOCUMENT)
    assert [item["verdict"] for item in told["environments"]] == ["fit", "unfit"]
    assert told["verdict"] == "unfit" and "there is no such path" in told["page"][-1]
    assert consult(Where(paths[::2]), Asked(level="import"), DOCUMENT)["verdict"] == "unknown"


def test_variables_of_a_service(tmp_path: Path) -> None:
    venv = make_venv(tmp_path / "venv", {"numpy": "import os; os.environ['NEEDED']"})
    assert ask(venv)["verdict"] == "unfit"
    assert ask(venv, variables={"NEEDED": "1"})["verdict"] == "fit"


@pytest.mark.parametrize("name", ["LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH"])
def test_a_given_variable_that_breaks_it_is_the_cause(tmp_path: Path, name: str) -> None:
    """What is known (it works without) comes before what the words look like: a damaged library."""
    source = f"import os\nif {name!r} in os.environ: raise ImportError('/bad/libz.so.1: file too short')"
    venv = make_venv(tmp_path / "venv", {"numpy": source})
    told = ask(venv, variables={name: str(tmp_path / "bad")})
    assert [row["id"] for row in one(told)["failures"]] == ["failure.given-variable"]
    assert f"{name}={tmp_path}/bad" in one(told)["failures"][0]["sentence"]
    assert "file too short" in one(told)["failures"][0]["evidence"][0]["text"]
    assert one(told)["unexplained"] == [] and told["verdict"] == "unfit"


def test_nothing_of_the_callers_session_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "x"))
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.rtld.execstack=2")
    source = "import os; assert not {'PYTHONPATH', 'GLIBC_TUNABLES'} & set(os.environ), 'leaked'"
    assert ask(make_venv(tmp_path / "venv", {"numpy": source}))["verdict"] == "fit"


def test_a_log_is_explained_with_and_without_an_environment(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text("start\nRuntimeError: Library libcublas.so.12 is not found or cannot be loaded\nstop\n")
    venv = make_venv(tmp_path / "venv", {"numpy": ""})
    told = consult(Where([str(venv)], logs=[str(log)]), Asked(level="import"), DOCUMENT)
    assert told["verdict"] == "fit"
    # It works here and not there: the variables of the service are what differs.
    assert {row["id"] for row in one(told)["notes"]} == {
        "failure.cublas-missing",
        "failure.service-variables",
    }
    alone = consult(Where(logs=[str(log)]), Asked(), DOCUMENT)
    assert alone["exit_code"] == 2
    assert [row["id"] for row in one(alone)["notes"]] == ["failure.cublas-missing"]
    with pytest.raises(Problem) as caught:
        consult(Where(logs=[str(tmp_path / "none")]), Asked(), DOCUMENT)
    assert caught.value.rule == "doctor.log"


@pytest.mark.parametrize("words", [["--json"], []])
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    venv = make_venv(tmp_path / "venv", {"numpy": "import gone"})
    assert command.main([str(venv), "--level", "import", *words]) == 1
    said = capsys.readouterr().out
    assert json.loads(said)["verdict"] == "unfit" if words else "UNFIT" in said


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--set", "NAME"], "NAME=VALUE"),
        (["--root", "/no/such/root"], "no such directory"),
        (["--log", "/no/such/log"], "cannot read"),
        (["--knowledge", "/no/such/rows"], "failure rows cannot be read"),
    ],
)
def test_the_command_asked_wrongly(
    capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert command.main(words) == 2
    said = capsys.readouterr()
    assert complaint in said.err and len(said.err.splitlines()) == 1 and said.out == ""


def test_the_command_runs_from_any_directory(tmp_path: Path) -> None:
    import subprocess

    doctor = Path(__file__).resolve().parents[3] / "tools/doctor"
    environment = {"PATH": os.environ["PATH"], "PYTHON": sys.executable}
    done = subprocess.run(
        [doctor, "/no/such/environment"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "there is no such path" in done.stdout
