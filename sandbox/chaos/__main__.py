"""`python -m sandbox.chaos`: exit code 0 when every cell is green and no secret was seen outside Vault, else 1.

With two subjects the worker alone decides: what becomes of the script beside it is there to be compared with.
"""

import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Final

import click
from rich.console import Console

from config.logs import configure_logging
from sandbox.chaos.cell import Verdict
from sandbox.chaos.cells import Cell, build_matrix, check_names, quick_subset, select, spread_out
from sandbox.chaos.naive import NaiveSubject
from sandbox.chaos.report import as_text, failures, line
from sandbox.chaos.run import Matrix
from sandbox.chaos.subject import Subject
from sandbox.chaos.waiting import Halt, Halted
from sandbox.chaos.workers import WorkerSubject
from sandbox.chaos.world import open_stack
from sandbox.leaks import Finding
from sandbox.servers import ServerError
from sandbox.stack import Interrupted, Stack, StackError

DEFAULT_SEED: Final = 1
SUBJECTS: Final = ("worker", "naive")
WIDTH: Final = 140
QUICK_LANES: Final = 5
FULL_LANES: Final = 8
QUICK_NAMES: Final = 240
PART_NAMES: Final = 640
FULL_NAMES: Final = 2000
"""Credentials that are made: one for each cell, and some to spare. Making them takes a moment: no more than needed."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--seed", default=DEFAULT_SEED, help="Of the order of the cells, and of the choice of --quick.")
@click.option("--cell", "wanted", multiple=True, help="Only this cell, or all that begin so; repeatable.")
@click.option("--quick", is_flag=True, help="One cell for each remote call, a few for each order, in under 3 minutes.")
@click.option("--most", type=click.IntRange(1), help="At most so many cells, evenly spread over those chosen.")
@click.option(
    "--lanes", type=click.IntRange(1, 32), help=f"Cells at once.  [default: {FULL_LANES}, quick {QUICK_LANES}]"
)
@click.option("--subject", type=click.Choice([*SUBJECTS, "both"]), default="worker", help="Who is struck.")
@click.option("--list", "only_list", is_flag=True, help="Record, list the cells, and run none.")
def main(
    *,
    seed: int,
    wanted: tuple[str, ...],
    quick: bool,
    most: int | None,
    subject: str,
    lanes: int | None,
    only_list: bool,
) -> None:
    """Strike workers and commands at the remote calls of rotations, revocations and orders; judge what comes of it."""
    # Everything is on this machine; a proxy of the caller's is for elsewhere.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    halt = _halt_on_signals()
    # Piped, the table would be squeezed into 80 columns.
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    count = QUICK_NAMES if quick or only_list else PART_NAMES if wanted else FULL_NAMES
    names = [f"cell-{number:04}" for number in range(1, count + 1)]
    try:
        with tempfile.TemporaryDirectory(prefix="rotator-chaos-") as folder:
            stack = open_stack(Path(folder) / "rotator.toml", names=names, seed=seed, interrupted=lambda: halt.asked)
            with stack:
                run = Run(stack=stack, halt=halt, console=console, seed=seed, most=most)
                lanes = lanes or (QUICK_LANES if quick else FULL_LANES)
                subjects = SUBJECTS if subject == "both" else (subject,)
                sys.exit(run.run(subjects, wanted, quick=quick, lanes=lanes, only_list=only_list))
    except (Interrupted, Halted):
        console.print("Ended before every cell was run.")
    except (StackError, ServerError, ValueError) as error:
        console.print(str(error), markup=False, highlight=False)
    sys.exit(1)


class Run:
    """One run on a started stack.

    Args:
        stack: started.
        halt: ends it.
        console: where it is shown.
        seed: of order and choice.
        most: how many cells of each subject at most; None for all that are chosen.
    """

    def __init__(self, *, stack: Stack, halt: Halt, console: Console, seed: int, most: int | None) -> None:
        self._stack = stack
        self._halt = halt
        self._console = console
        self._seed = seed
        self._most = most

    def run(self, subjects: Sequence[str], wanted: Sequence[str], *, quick: bool, lanes: int, only_list: bool) -> int:
        """Record, run, judge and print; return the exit code."""
        began = time.monotonic()
        with (
            (self._stack.logs / "chaos.log").open("a", encoding="utf-8") as log,
            closing(Matrix(stack=self._stack, halt=self._halt, lanes=lanes)) as matrix,
        ):
            # The worker's code runs in this process too, to prepare; what it logs is searched like the rest.
            configure_logging("INFO", log)
            chosen = self._chosen([self._subject(name, matrix) for name in subjects], matrix, wanted, quick=quick)
            if only_list:
                self._print(*(cell.id for _, cells in chosen for cell in sorted(cells)))
                return 0
            teller = _Teller(self._print, sum(len(cells) for _, cells in chosen))
            ran = [verdict for subject, cells in chosen for verdict in matrix.run(subject, cells, teller)]
            verdicts, findings = matrix.judge_leaks(
                ran, [needle for subject, _ in chosen for needle in subject.needles()]
            )
        return self._finish(verdicts, findings, subjects[0], time.monotonic() - began)

    def _subject(self, name: str, matrix: Matrix) -> Subject:
        if name == "naive":
            return NaiveSubject(stack=self._stack, halt=self._halt)
        return WorkerSubject(stack=self._stack, halt=self._halt, vault=matrix.vault)

    def _chosen(
        self, subjects: Sequence[Subject], matrix: Matrix, wanted: Sequence[str], *, quick: bool
    ) -> list[tuple[Subject, tuple[Cell, ...]]]:
        """Return each subject's cells in the order in which they are run; raises ValueError for an unknown name."""
        chance = random.Random(self._seed)  # noqa: S311 - orders tests
        recorded = [(subject, matrix.record(subject)) for subject in subjects]
        whole = [(one, quick_subset(calls, self._seed) if quick else build_matrix(calls)) for one, calls in recorded]
        check_names((cell for _, cells in whole for cell in cells), wanted)
        chosen = [(subject, self._at_most(select(cells, wanted))) for subject, cells in whole]
        for (subject, calls), (_, cells) in zip(recorded, chosen, strict=True):
            self._print(f"{subject.name}: {len(calls)} remote calls, {len(cells)} cells, seed {self._seed}")
        return [(subject, tuple(chance.sample(cells, len(cells)))) for subject, cells in chosen]

    def _at_most(self, cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
        return cells if self._most is None else spread_out(cells, self._most)

    def _finish(self, verdicts: Sequence[Verdict], findings: Sequence[Finding], judged: str, seconds: float) -> int:
        self._console.print(as_text(verdicts, seconds=seconds))
        own = [one for one in verdicts if one.subject == judged]
        self._print(*failures(own, seed=self._seed))
        told = {violation.how for one in verdicts for violation in one.violations}
        loose = [str(finding) for finding in findings if str(finding) not in told]
        self._print(*(f"RED {finding} was seen outside Vault" for finding in loose))
        green = sum(one.green for one in own)
        self._print(f"{judged}: {green} of {len(own)} cells are green; {len(findings)} secrets seen outside Vault")
        return 0 if green == len(own) and not loose else 1

    def _print(self, *lines: str) -> None:
        for one in lines:
            self._console.print(one, soft_wrap=True, markup=False, highlight=False)


class _Teller:
    """Prints a line for each verdict; lanes call it from their threads."""

    def __init__(self, show: Callable[[str], None], of: int) -> None:
        self._show = show
        self._of = of
        self._number = 0
        self._lock = threading.Lock()

    def __call__(self, verdict: Verdict) -> None:
        with self._lock:
            self._number += 1
            self._show(line(verdict, self._number, self._of))


def _halt_on_signals() -> Halt:
    halt = Halt()

    def ask(_number: int, _frame: FrameType | None) -> None:
        halt.ask()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ask)
    return halt


if __name__ == "__main__":
    main()
