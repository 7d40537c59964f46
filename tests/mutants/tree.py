"""A copy of the tree in which one rule was taken out, and what a suite says of it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
_LIMIT = 600.0
"""Seconds after which a suite is stopped: a mutant that hangs is one that was not seen."""


class MutantError(Exception):
    """A mutant cannot be made, or its suite cannot be run: the table is out of date."""


class Verdict(StrEnum):
    """What became of a mutant under one suite."""

    KILLED = "killed"
    LIVES = "lives"


@dataclass(frozen=True)
class Change:
    """One text of one file, and what stands there in its place; it must be there exactly once."""

    file: str
    old: str
    new: str

    def check(self, root: Path) -> str:
        """Return the file as it would be; raises MutantError when the text is not there exactly once."""
        path = root / self.file
        text = path.read_text() if path.is_file() else ""
        found = text.count(self.old)
        if found != 1:
            raise MutantError(f"{self.file}: the text is there {found} times, not once:\n{self.old}")
        return text.replace(self.old, self.new)

    def apply(self, root: Path) -> None:
        """Change the file; raises as `check` does."""
        (root / self.file).write_text(self.check(root))


@dataclass(frozen=True)
class Suite:
    """A command that is green on the tree as it is and should turn red on a mutant.

    Args:
        name: what the table calls it.
        arguments: of the interpreter, in the copy.
        red: exit codes that mean "something failed"; any other but 0 means that the suite could not be run.
    """

    name: str
    arguments: tuple[str, ...]
    red: frozenset[int] = frozenset({1})


def by_pytest(selection: str) -> Suite:
    """Return the suite of some tests, named as pytest names them."""
    return Suite(selection, ("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *selection.split()))


def model(only: str, examples: int, first: int = 0) -> Suite:
    """Return the suite of some runs of the model, with these disturbances alone."""
    arguments = ("--only", only, "--examples", str(examples), "--from", str(first), "--jobs", "1", "--most", "1")
    return Suite(f"model ({only or 'no disturbance'})", ("-m", "tests.model", *arguments))


@dataclass(frozen=True)
class Ran:
    """How one suite ended, in how many seconds, and the end of what it said."""

    verdict: Verdict
    seconds: float
    said: str


@contextmanager
def copy_of(root: Path) -> Iterator[Path]:
    """Give a folder that holds what git knows of the tree, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - as everybody calls it
        cwd=root,
        check=True,
        capture_output=True,
    ).stdout.decode()
    with TemporaryDirectory(prefix="mutant-") as folder:
        for name in filter(None, listed.split("\0")):
            source, target = root / name, Path(folder) / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        yield Path(folder)


def run_suite(root: Path, suite: Suite, limit: float = _LIMIT) -> Ran:
    """Run a suite in that copy; raises MutantError when it could not be run, or did not run the copy."""
    begun = time.monotonic()
    # Before any editable installation: what is imported must be the copy.
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    where = subprocess.run(
        [sys.executable, "-c", "import worker, tests; print(worker.__file__, tests.__file__)"],
        cwd=root,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    if not all(Path(one).resolve().is_relative_to(root.resolve()) for one in where):
        raise MutantError(f"not the copy is imported, but {', '.join(where)}")
    process = subprocess.Popen(
        [sys.executable, *suite.arguments],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise MutantError(f"{suite.name} took longer than {limit:.0f} s") from None
    seconds = time.monotonic() - begun
    if process.returncode == 0:
        return Ran(Verdict.LIVES, seconds, said)
    if process.returncode in suite.red:
        return Ran(Verdict.KILLED, seconds, said)
    raise MutantError(f"{suite.name} could not be run ({process.returncode}):\n{said[-2000:]}")
