"""A run of the matrix: record, then work through the cells in several lanes at once."""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Final

from config.schema import Credential
from sandbox.chaos.assertions import NO_LEAK, Violation
from sandbox.chaos.cell import CellRun, Verdict
from sandbox.chaos.cells import Cell, RemoteCall
from sandbox.chaos.evidence import Witness
from sandbox.chaos.recording import Recorder
from sandbox.chaos.subject import Lane, Subject
from sandbox.chaos.trading import Desk
from sandbox.chaos.waiting import Halt, Halted
from sandbox.chaos.world import CANARY
from sandbox.inspection import file_leaks, live_leaks
from sandbox.leaks import Finding, LeakScanner
from sandbox.stack import Stack, StackError
from worker.clock import SystemClock
from worker.vault import Vault, build_vault

GENERATION: Final = 16
"""Cells that one pair of workers goes through; then they are replaced, since each knows so many credentials only."""


class Matrix:
    """Runs cells against subjects on one stack.

    Args:
        stack: started.
        halt: ends everything.
        lanes: how many cells run at once.
    """

    def __init__(self, *, stack: Stack, halt: Halt, lanes: int) -> None:
        self._stack = stack
        self._halt = halt
        self._lanes = lanes
        self._exit = ExitStack()
        self.vault: Vault = build_vault(stack.settings.infrastructure, stack.settings.vault, {}, SystemClock())
        self._exit.callback(self.vault.close)
        self._desk = self._exit.enter_context(closing(Desk(stack, most=lanes)))
        self._witness = Witness(stack=stack, vault=self.vault, desk=self._desk)
        self._fresh = iter([one for one in stack.settings.credentials if one.name != CANARY])
        self._numbers = iter(range(1, 100_000))
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close every connection."""
        self._exit.close()

    def record(self, subject: Subject) -> tuple[RemoteCall, ...]:
        """Return the remote calls that the subject really makes; raises StackError."""
        with self._lane(subject, len(subject.scenarios)) as lane:
            recorder = Recorder(lane=lane, layout=self._stack.settings.vault, desk=self._desk, halt=self._halt)
            return recorder.record(subject.scenarios)

    def run(self, subject: Subject, cells: Sequence[Cell], show: Callable[[Verdict], None]) -> tuple[Verdict, ...]:
        """Return a verdict for each cell, in the order in which they ended.

        Args:
            subject: whom to strike.
            cells: in the order in which they are begun.
            show: told of each verdict when it is known.

        Raises:
            Halted: the run was asked to end.
            StackError: the setting broke; nothing can be said about the cells that were left.
        """
        waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
        for cell in cells:
            waiting.put(cell)
        done: list[Verdict] = []
        broken: list[BaseException] = []

        def tell(verdict: Verdict) -> None:
            with self._lock:
                done.append(verdict)
            show(verdict)

        def work() -> None:
            try:
                self._work(subject, waiting, tell, size)
            except BaseException as error:  # noqa: BLE001 - carried to the main thread, where it is raised
                broken.append(error)
                self._halt.ask()

        # Lanes live as long as their thread: the kernel ends a child with the thread that started it.
        size = min(GENERATION, -(-len(cells) // self._lanes))
        threads = [threading.Thread(target=work, name=f"lane-{n}") for n in range(min(self._lanes, len(cells)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for error in sorted(broken, key=lambda one: isinstance(one, Halted)):
            raise error
        return tuple(done)

    def judge_leaks(self, verdicts: Sequence[Verdict]) -> tuple[tuple[Verdict, ...], tuple[Finding, ...]]:
        """Search everything for every secret; return the verdicts with what concerns them, and all findings."""
        scanner = LeakScanner(self._stack.needles())
        findings = tuple(sorted(live_leaks(self._stack, scanner) | file_leaks(self._stack, scanner)))
        token_accounts = {token.token_id: token.profile for token in self._stack.control.tokens()}
        return tuple(_with_leaks(one, findings, token_accounts) for one in verdicts), findings

    def _work(
        self, subject: Subject, waiting: "queue.SimpleQueue[Cell]", tell: Callable[[Verdict], None], size: int
    ) -> None:
        while not waiting.empty():
            with self._lane(subject, size) as lane:
                for credential in lane.credentials:
                    try:
                        cell = waiting.get_nowait()
                    except queue.Empty:
                        return
                    tell(self._run_cell(subject, lane, cell, credential))

    def _run_cell(self, subject: Subject, lane: Lane, cell: Cell, credential: Credential) -> Verdict:
        return CellRun(
            cell=cell,
            subject=subject,
            lane=lane,
            credential=credential,
            desk=self._desk,
            witness=self._witness,
            halt=self._halt,
        ).run()

    @contextmanager
    def _lane(self, subject: Subject, size: int) -> Iterator[Lane]:
        with self._lock:
            credentials = [one for _, one in zip(range(size), self._fresh, strict=False)]
            number = next(self._numbers)
        if len(credentials) < size:
            raise StackError("There are more cells than credentials were made for.")
        with subject.lane(number, credentials) as lane:
            yield lane


def _with_leaks(verdict: Verdict, findings: Sequence[Finding], accounts: Mapping[str, str]) -> Verdict:
    """Return the verdict with the findings that speak of a token of its account."""
    own = [
        Violation(NO_LEAK, str(finding))
        for finding in findings
        if accounts.get(finding.needle.removeprefix("secret of token ")) == verdict.account
    ]
    return replace(verdict, violations=(*verdict.violations, *own))
