"""The command of the mutants: each applies exactly once, and one that lives fails it."""

import subprocess
from pathlib import Path

import pytest

from tests.mutants.__main__ import main
from tests.mutants.mutant import Mutant
from tests.mutants.table import MUTANTS
from tests.mutants.tree import ROOT, Change, MutantError, Suite, Verdict, copy_of, run_suite

RULE = "def is_due(age: int) -> bool:\n    return age >= 7\n"
CHECK = "from worker import rule; raise SystemExit(0 if rule.is_due(7) and not rule.is_due(6) else 1)"
SUITE = Suite("the check", ("-c", CHECK))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in {"worker/__init__.py": "", "worker/rule.py": RULE, "tests/__init__.py": ""}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)  # noqa: S607 - as everybody calls it
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)  # noqa: S607 - the same
    return tmp_path


def mutant(old: str, new: str, *suites: Suite) -> Mutant:
    return Mutant("m", "what is seven days old is due", (Change("worker/rule.py", old, new),), suites or (SUITE,))


@pytest.mark.parametrize("one", MUTANTS, ids=lambda one: one.name)
def test_every_mutant_of_the_table_applies_exactly_once(one: Mutant) -> None:
    for change in one.changes:
        assert change.check(ROOT) != (ROOT / change.file).read_text()


def test_the_names_of_the_table_differ() -> None:
    assert len({one.name for one in MUTANTS}) == len(MUTANTS)


def test_a_mutant_that_a_suite_sees_is_killed(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([mutant(">= 7", "> 7")], [], tree) == 0
    assert "killed by the check" in capsys.readouterr().out


def test_a_mutant_that_lives_fails_the_command(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([mutant("age >= 7", "age > 6")], [], tree) == 1
    assert "LIVES under the check" in capsys.readouterr().out


def test_a_mutant_whose_text_is_gone_fails_the_command(tree: Path) -> None:
    assert main([mutant(">= 8", "> 8")], [], tree) == 1
    assert main([mutant(">= 8", "> 8")], ["--list"], tree) == 1


def test_a_text_that_is_there_twice_is_refused(tree: Path) -> None:
    with pytest.raises(MutantError, match="2 times"):
        Change("worker/rule.py", "age", "years").check(tree)


def test_a_suite_that_is_red_without_any_mutant_proves_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    red = Suite("red", ("-c", "raise SystemExit(1)"))
    assert main([mutant(">= 7", "> 7", red)], [], tree) == 1
    assert "red without any mutant" in capsys.readouterr().out


def test_a_suite_that_cannot_be_run_proves_nothing(tree: Path) -> None:
    with pytest.raises(MutantError, match="could not be run"):
        run_suite(tree, Suite("no such file", ("no_such_file.py",)))


def test_a_suite_that_hangs_proves_nothing(tree: Path) -> None:
    with pytest.raises(MutantError, match="longer than"):
        run_suite(tree, Suite("slow", ("-c", "import time; time.sleep(60)")), limit=0.5)


def test_the_next_suite_is_asked_when_the_first_sees_nothing(tree: Path) -> None:
    blind = Suite("blind", ("-c", "pass"))
    assert main([mutant(">= 7", "> 7", blind, SUITE)], [], tree) == 0


def test_what_runs_is_the_copy_and_not_the_tree(tree: Path) -> None:
    with copy_of(tree) as folder:
        (folder / "worker/rule.py").write_text("def is_due(age: int) -> bool:\n    return True\n")
        assert run_suite(folder, SUITE).verdict is Verdict.KILLED
    assert run_suite(tree, SUITE).verdict is Verdict.LIVES


def test_an_unknown_name_is_refused(tree: Path) -> None:
    assert main([mutant(">= 7", "> 7")], ["nobody"], tree) == 2
