"""`python -m sandbox.chaos`: exit code 0 when every cell is green and no secret was seen outside Vault, else 1."""

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import click
from rich.console import Console

from config.logs import configure_logging
from sandbox.chaos.cell import Verdict
from sandbox.chaos.cells import Cell, build_matrix, quick_subset, select
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
QUICK_LANES: Final = 5
FULL_LANES: Final = 8
QUICK_NAMES: Final = 160
FULL_NAMES: Final = 1600
"""Credentials that are made: one for each cell, and some to spare."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--seed", default=DEFAULT_SEED, help="Of the order of the cells, and of the choice of --quick.")
@click.option("--cell", "wanted", multiple=True, help="Only this cell, or all that begin so; repeatable.")
@click.option("--quick", is_flag=True, help="One cell for each remote call, in under 3 minutes.")
@click.option(
    "--lanes", type=click.IntRange(1, 32), help=f"Cells at once.  [default: {FULL_LANES}, quick {QUICK_LANES}]"
)
@click.option("--list", "only_list", is_flag=True, help="Record, list the cells, and run none.")
def main(seed: int, wanted: tuple[str, ...], *, quick: bool, lanes: int | None, only_list: bool) -> None:
    """Strike real workers at every remote call of a rotation and of a revocation, and judge what comes of it."""
    # Everything is on this machine; a proxy of the caller's is for elsewhere.
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    halt = _halt_on_signals()
    console = Console()
    small = quick or bool(wanted) or only_list
    names = [f"cell-{number:04}" for number in range(1, (QUICK_NAMES if small else FULL_NAMES) + 1)]
    try:
        with tempfile.TemporaryDirectory(prefix="rotator-chaos-") as folder:
            stack = open_stack(Path(folder) / "rotator.toml", names=names, seed=seed, interrupted=lambda: halt.asked)
            with stack:
                chaos = Run(stack=stack, halt=halt, console=console, seed=seed)
                lanes = lanes or (QUICK_LANES if quick else FULL_LANES)
                sys.exit(chaos.run(wanted, quick=quick, lanes=lanes, only_list=only_list))
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
    """

    def __init__(self, *, stack: Stack, halt: Halt, console: Console, seed: int) -> None:
        self._stack = stack
        self._halt = halt
        self._console = console
        self._seed = seed

    def run(self, wanted: Sequence[str], *, quick: bool, lanes: int, only_list: bool) -> int:
        """Record, run, judge and print; return the exit code."""
        began = time.monotonic()
        with (self._stack.logs / "chaos.log").open("a", encoding="utf-8") as log:
            # The worker's code runs in this process too, to prepare; what it logs is searched like the rest.
            configure_logging("INFO", log)
            chaos = Matrix(stack=self._stack, halt=self._halt, lanes=lanes)
            try:
                subject = WorkerSubject(stack=self._stack, halt=self._halt, vault=chaos.vault)
                cells = self._cells(chaos, subject, wanted, quick=quick)
                if only_list:
                    self._print(*(cell.id for cell in cells))
                    return 0
                verdicts = chaos.run(subject, cells, self._teller(len(cells)))
                verdicts, findings = chaos.judge_leaks(verdicts)
            finally:
                chaos.close()
        return self._finish(verdicts, findings, time.monotonic() - began)

    def _cells(self, chaos: Matrix, subject: Subject, wanted: Sequence[str], *, quick: bool) -> tuple[Cell, ...]:
        calls = chaos.record(subject)
        cells = select(quick_subset(calls, self._seed) if quick and not wanted else build_matrix(calls), wanted)
        self._print(f"{subject.name}: {len(calls)} remote calls, {len(cells)} cells, seed {self._seed}")
        chance = random.Random(self._seed)  # noqa: S311 - orders tests
        return tuple(chance.sample(cells, len(cells)))

    def _teller(self, of: int) -> "_Teller":
        return _Teller(self, of)

    def tell(self, verdict: Verdict, number: int, of: int) -> None:
        """Print that a cell has ended."""
        self._print(line(verdict, number, of))

    def _finish(self, verdicts: Sequence[Verdict], findings: Sequence[Finding], seconds: float) -> int:
        self._console.print(as_text(verdicts, seconds=seconds))
        self._print(*failures(verdicts, seed=self._seed))
        self._print(*(f"RED {finding} was seen outside Vault" for finding in findings))
        red = [one for one in verdicts if not one.green]
        self._print(f"{len(verdicts) - len(red)} of {len(verdicts)} cells are green, {len(findings)} leaks")
        return 1 if red or findings else 0

    def _print(self, *lines: str) -> None:
        for one in lines:
            self._console.print(one, soft_wrap=True, markup=False, highlight=False)


class _Teller:
    def __init__(self, run: Run, of: int) -> None:
        self._run = run
        self._of = of
        self._number = 0

    def __call__(self, verdict: Verdict) -> None:
        self._number += 1
        self._run.tell(verdict, self._number, self._of)


def _halt_on_signals() -> Halt:
    halt = Halt()

    def ask(_number: int, _frame: FrameType | None) -> None:
        halt.ask()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ask)
    return halt


if __name__ == "__main__":
    main()
