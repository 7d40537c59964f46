"""`make mutants`: take out one rule at a time and show which suite turns red; a mutant that lives fails the command."""

import argparse
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.mutant import Mutant
from tests.mutants.table import MUTANTS
from tests.mutants.tree import ROOT, MutantError, Suite, Verdict, copy_of, run_suite

_WIDTH = 30


def main(mutants: Sequence[Mutant] = MUTANTS, arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run what the command line asks for; return 1 when a mutant lives or cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=main.__doc__)
    parser.add_argument("names", nargs="*", help="these mutants alone")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (2)")
    parser.add_argument("--list", action="store_true", help="show them, and check that each can be made")
    asked = parser.parse_args(arguments)
    chosen = [one for one in mutants if not asked.names or one.name in asked.names]
    unknown = set(asked.names) - {one.name for one in mutants}
    if unknown:
        _say(f"No mutant is named {', '.join(sorted(unknown))}.")
        return 2
    begun = time.monotonic()
    if asked.list:
        good = [_can_be_made(one, root) for one in chosen]
    else:
        judge = _Judge(root)
        with ThreadPoolExecutor(asked.jobs) as pool:
            good = list(pool.map(judge.kills, chosen))
    bad = good.count(False)
    _say(f"{len(chosen)} mutants in {time.monotonic() - begun:.0f} s; {bad or 'none'} in the way of a green command")
    return 1 if bad else 0


class _Judge:
    """Judges mutants by their suites; a suite must be green on the tree as it is."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._locks: dict[Suite, threading.Lock] = {}
        self._green: dict[Suite, bool] = {}

    def kills(self, mutant: Mutant) -> bool:
        """Return whether a suite turns red, and say which."""
        lived: list[str] = []
        try:
            for change in mutant.changes:
                change.check(self._root)
            with copy_of(self._root) as folder:
                for change in mutant.changes:
                    change.apply(folder)
                for suite in mutant.suites:
                    self._must_be_green(suite)
                    ran = run_suite(folder, suite)
                    if ran.verdict is Verdict.KILLED:
                        _say(f"{mutant.name:<{_WIDTH}} killed by {suite.name} in {ran.seconds:.0f} s")
                        return True
                    lived.append(f"{suite.name} ({ran.seconds:.0f} s)")
        except MutantError as error:
            _say(f"{mutant.name:<{_WIDTH}} CANNOT BE JUDGED: {error}")
            return False
        _say(f"{mutant.name:<{_WIDTH}} LIVES under {', '.join(lived)}: {mutant.rule}")
        return False

    def _must_be_green(self, suite: Suite) -> None:
        with self._locks.setdefault(suite, threading.Lock()):
            if suite not in self._green:
                with copy_of(self._root) as folder:
                    self._green[suite] = run_suite(folder, suite).verdict is Verdict.LIVES
        if not self._green[suite]:
            raise MutantError(f"{suite.name} is red without any mutant")


def _can_be_made(mutant: Mutant, root: Path) -> bool:
    """Return whether each text that the mutant changes is there exactly once."""
    try:
        for change in mutant.changes:
            change.check(root)
    except MutantError as error:
        _say(f"{mutant.name:<{_WIDTH}} CANNOT BE MADE: {error}")
        return False
    _say(f"{mutant.name:<{_WIDTH}} {mutant.rule}")
    return True


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
