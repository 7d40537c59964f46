"""Runs one cell: prepare, wake up, hold, strike, recover, judge."""

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from config.schema import Credential
from sandbox.chaos.assertions import Violation, judge
from sandbox.chaos.cells import Cell, Fault, Scenario, Team
from sandbox.chaos.evidence import Witness
from sandbox.chaos.naming import Names
from sandbox.chaos.proxy import Hold
from sandbox.chaos.subject import Lane, Progress, Slot, Subject
from sandbox.chaos.trading import CellTrader, Desk
from sandbox.chaos.waiting import Halt
from sandbox.chaos.wire import Message

REACH_SECONDS: Final = 40.0
READY_SECONDS: Final = 60.0
IDLE_SECONDS: Final = 30.0
SWEEP_SECONDS: Final = 0.4
QUIET_SECONDS: Final = 0.4
TAKEOVER_SECONDS: Final = 12.0
LANDING_SECONDS: Final = 35.0
KEPT_LINES: Final = 30


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a cell.

    Attributes:
        cell: which one.
        subject: who was put through it.
        account: whose tokens it was about.
        violations: the broken promises; none: green.
        seconds: how long it took in all.
        recovery: seconds from the end of the fault until everything was settled.
        requests: the trader's accepted requests.
        logs: what the workers wrote about it; of a red cell only.
    """

    cell: Cell
    subject: str
    account: str
    violations: tuple[Violation, ...]
    seconds: float
    recovery: float
    requests: int
    logs: tuple[str, ...] = field(default=())

    @property
    def green(self) -> bool:
        """Whether every promise was kept."""
        return not self.violations


class CellRun:
    """One cell in one lane.

    Args:
        cell: what happens.
        subject: to whom.
        lane: where.
        credential: fresh.
        desk: where the trader's connections come from.
        witness: gathers the evidence.
        halt: ends every wait.
    """

    def __init__(
        self,
        *,
        cell: Cell,
        subject: Subject,
        lane: Lane,
        credential: Credential,
        desk: Desk,
        witness: Witness,
        halt: Halt,
    ) -> None:
        self._cell = cell
        self._subject = subject
        self._lane = lane
        self._credential = credential
        self._desk = desk
        self._witness = witness
        self._halt = halt
        self._struck = lane.first
        self._crew: list[Slot] = [lane.first] if cell.team is Team.ONE else [lane.second]

    def run(self) -> Verdict:
        """Return the verdict; raises StackError when the cell could not be set up."""
        began = time.monotonic()
        self._ready()
        self._lane.prepare(self._cell.call.scenario, self._credential)
        with self._desk.trader(self._credential) as trader:
            return self._with(trader, began)

    def _with(self, trader: CellTrader, began: float) -> Verdict:
        cell, lane, credential = self._cell, self._lane, self._credential
        if cell.call.scenario is not Scenario.FIRST:
            self._halt.until(lambda: trader.counts.accepted > 0, REACH_SECONDS)
        lane.await_due(cell.call.scenario, credential)
        with closing(self._trap()) as trapped:
            lane.first.wake(cell.call.scenario, credential)
            reached = self._halt.until(trapped.hold.reached.is_set, REACH_SECONDS)
            if reached:
                self._strike(trapped.hold)
        struck_at = time.monotonic()
        unsettled = self._recover()
        recovery = time.monotonic() - struck_at
        trader.stop()
        evidence = self._witness.evidence(
            scenario=cell.call.scenario,
            credential=credential,
            subject=self._subject,
            lane=lane,
            reached=reached,
            unsettled=unsettled,
            counts=trader.counts,
        )
        violations = judge(evidence)
        return Verdict(
            cell=cell,
            subject=self._subject.name,
            account=credential.account,
            violations=violations,
            seconds=time.monotonic() - began,
            recovery=recovery,
            requests=trader.counts.accepted,
            logs=lane.logs(credential)[-KEPT_LINES:] if violations else (),
        )

    # --- before

    def _ready(self) -> None:
        """Wait until both workers are there and have nothing left of the cell before."""
        lane = self._lane
        if self._cell.call.scenario is Scenario.START or not lane.first.asks_again(self._cell.call.server):
            lane.restart(lane.first)
        self._halt.until(lambda: lane.first.ready() and lane.second.ready(), READY_SECONDS)
        self._halt.until(lambda: lane.first.idle() and lane.second.idle(), IDLE_SECONDS)
        for slot in (lane.first, lane.second):
            for proxy in slot.proxies.values():
                proxy.forget()

    def _trap(self) -> "_Trapped":
        call, names = self._cell.call, Names(self._credential, self._witness.layout)
        seen = 0

        def matches(message: Message) -> bool:
            nonlocal seen
            seen += names.of(call.server, message) == call.name
            return seen == call.occurrence

        return _Trapped(self._struck.proxies[call.server].trap(matches, self._cell.moment))

    # --- the fault

    def _strike(self, hold: Hold) -> None:
        match self._cell.fault:
            case Fault.KILL:
                self._struck.kill()
                hold.cut()
                self._struck.revive()
            case Fault.STOP:
                self._stop(hold)
            case Fault.CUT:
                hold.cut()
            case Fault.DELAY:
                self._sweep_for(self._subject.delay_seconds(self._cell.call))
                hold.let_go()
        self._halt.until(hold.over.is_set, LANDING_SECONDS)

    def _stop(self, hold: Hold) -> None:
        self._struck.freeze()
        try:
            if self._cell.team is Team.ONE:
                self._halt.sleep(self._subject.lease_seconds)
            else:
                self._sweep_for(TAKEOVER_SECONDS, until_taken_over=True)
        finally:
            hold.let_go()
            self._struck.thaw()

    def _sweep_for(self, seconds: float, *, until_taken_over: bool = False) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._sweep(self._crew)
            self._halt.sleep(min(SWEEP_SECONDS, left))
            if until_taken_over and self._progress().taken_over:
                return

    # --- after

    def _recover(self) -> str:
        """Sweep until nothing is left to be done; return what is left when the time is up."""
        end = time.monotonic() + self._subject.give_up_seconds
        everybody = [self._lane.first, self._lane.second] if self._cell.team is Team.TWO else [self._lane.first]
        while time.monotonic() < end:
            progress = self._progress()
            if progress.settled and self._stays_settled():
                return ""
            if not progress.settled:
                self._sweep(everybody)
            self._halt.sleep(SWEEP_SECONDS)
        return self._progress().missing or "its workers are never idle"

    def _stays_settled(self) -> bool:
        """Whether nobody has anything in hand any more, and a moment later still nothing is left to be done."""
        slots = (self._lane.first, self._lane.second)
        if not all(slot.idle() for slot in slots):
            return False
        self._halt.sleep(QUIET_SECONDS)
        return all(slot.idle() for slot in slots) and self._progress().settled

    def _sweep(self, slots: Iterable[Slot]) -> None:
        for slot in slots:
            if slot.ready():
                slot.sweep(self._credential)

    def _progress(self) -> Progress:
        return self._lane.progress(self._cell.call.scenario, self._credential)


@dataclass(frozen=True, slots=True)
class _Trapped:
    hold: Hold

    def close(self) -> None:
        """Cut what is still held, so that nobody waits for a decision that will not come."""
        self.hold.cut()
