"""Changes at random: each is a program again and another one; the tests that could notice it are found."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.attack.strength import FULL
from tools.mutation.attempt import candidates, noticed
from tools.mutation.changes import draw, mutants

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = '''"""Says 1 + 1."""
from __future__ import annotations

LIMIT = 5


def größer(this: int, that: int = 2) -> bool:
    """Return 3."""
    time.sleep(7)
    with open("lines", "w") as file:
        file.write(f"{this + 1} of " + "two")
    return not (this > that and that != LIMIT)
'''


def forms(folder: Path, text: str) -> dict[str, str]:
    (folder / "one.py").write_text(text, encoding="utf-8")
    return {
        mutant.describe(text).partition(": ")[2]: text[: mutant.start] + mutant.text + text[mutant.end :]
        for mutant in mutants(folder, "one.py")
    }


def test_what_decides_is_changed_and_what_only_tunes_or_tells_is_not(tmp_path: Path) -> None:
    assert set(forms(tmp_path, PROGRAM)) == {
        "2 -> (3)",
        "\"w\" -> ('a')",
        "not (this > that and that != LIMIT) -> (this > that and that != LIMIT)",
        "this > that and that != LIMIT -> (this > that or that != LIMIT)",
        "this > that -> (this >= that)",
        "that != LIMIT -> (that == LIMIT)",
    }


def test_a_change_is_a_program_and_another_one(tmp_path: Path) -> None:
    for path in sorted((ROOT / "module_utils/whisperx_abi").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        whole = ast.dump(ast.parse(text))
        changed = list(forms(tmp_path, text).items())[:: 1 if FULL else 5]
        assert [name for name, new in changed if ast.dump(ast.parse(new)) == whole] == []


def test_the_same_seed_draws_the_same() -> None:
    only = [] if FULL else ["firstboot"]
    first = draw(ROOT, 20, 3, only)
    assert first == draw(ROOT, 20, 3, only) != draw(ROOT, 20, 4, only)
    assert {mutant.package for mutant in draw(ROOT, 20, 3, ["firstboot"])} == {"whisperx_firstboot"}


def test_tests_are_found_however_far_away_the_import_is() -> None:
    own, others = candidates(ROOT, "module_utils/whisperx_abi/elf.py")
    assert str(ROOT / "tests/unit/whisperx_abi/test_elf.py") in own
    assert str(ROOT / "tests/unit/library/test_whisperx_env.py") in others
    assert not set(own) & set(others)


@pytest.mark.parametrize(("tested", "expected"), [("one", "own"), ("two", "other"), ("", "")])
def test_who_noticed_is_said_and_the_file_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tested: str, expected: str
) -> None:
    # The little tests take no plug-in, and each start would load them all.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    program = tmp_path / "module_utils/one/parts.py"
    for package in ("one", "two"):
        (tmp_path / f"tests/unit/{package}").mkdir(parents=True)
        check = "assert parts.more(1)" if package == tested else "assert parts"
        (tmp_path / f"tests/unit/{package}/test_{package}.py").write_text(
            f"from module_utils.one import parts\n\n\ndef test_it():\n    {check}\n"
        )
    program.parent.mkdir(parents=True)
    program.write_text("def more(number):\n    return number == 1\n")
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    mutant = next(one for one in mutants(tmp_path, "module_utils/one/parts.py") if "!=" in one.text)
    assert noticed(tmp_path, mutant) == expected
    assert program.read_text() == "def more(number):\n    return number == 1\n"
