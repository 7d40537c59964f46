"""Runs one cell: prepare, wake up, hold, strike, recover, judge."""

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from config.schema import Credential
from sandbox.chaos.assertions import Violation, judge
from sandbox.chaos.cells import ORDERS, Cell, Fault, Scenario, Team
from sandbox.chaos.evidence import Witness
from sandbox.chaos.naming import VAULT, Names
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
DOUBT_SECONDS: Final = 20.0
SWEEPS_TO_SEE: Final = 2
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
        self._tokens_before = 0
        self._struck = lane.struck(cell.call.scenario)
        self._is_order = cell.call.scenario in ORDERS
        self._crew: list[Slot] = [self._struck] if cell.team is Team.ONE else [lane.second]
        if self._is_order and cell.team is Team.ONE:
            self._crew.append(lane.second)

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
        self._tokens_before = len(lane.tokens(credential))
        with closing(self._trap()) as trapped:
            self._struck.wake(cell.call.scenario, credential)
            reached = self._halt.until(trapped.hold.reached.is_set, REACH_SECONDS)
            if reached:
                self._strike(trapped.hold)
        struck_at = time.monotonic()
        done_in_doubt = self._doubt() if cell.call.scenario is Scenario.SHRINKING else 0
        unsettled = self._recover()
        recovery = time.monotonic() - struck_at
        if cell.call.scenario is Scenario.PAUSE:
            self._make_the_pause_matter()
        trader.stop()
        evidence = self._witness.evidence(
            scenario=cell.call.scenario,
            credential=credential,
            subject=self._subject,
            lane=lane,
            reached=reached,
            unsettled=unsettled,
            counts=trader.counts,
            insisted=self._is_order and cell.team is Team.ONE,
            done_in_doubt=done_in_doubt,
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
        if self._cell.call.scenario is Scenario.START or not self._struck.asks_again(self._cell.call.server):
            lane.restart(self._struck)
        self._halt.until(lambda: lane.first.ready() and lane.second.ready(), READY_SECONDS)
        self._halt.until(lambda: all(slot.idle() for slot in self._everybody), IDLE_SECONDS)
        for slot in self._everybody:
            for proxy in slot.proxies.values():
                proxy.forget()

    @property
    def _everybody(self) -> tuple[Slot, ...]:
        """Return who may be at work, each once."""
        workers = (self._lane.first, self._lane.second)
        return (self._struck, *workers) if self._is_order else workers

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
        sweepers = self._crew if self._is_order or self._cell.team is Team.ONE else [*self._everybody]
        if self._is_order:
            self._sweep(sweepers)  # an order of which nothing is to be seen looks settled
        while time.monotonic() < end:
            progress = self._progress()
            again = [slot for slot in self._crew if slot.insists() and not progress.taken_over]
            if progress.settled and not again and self._stays_settled():
                return ""
            self._sweep(again if progress.settled else sweepers)
            self._halt.sleep(SWEEP_SECONDS)
        return self._progress().missing or "its workers are never idle"

    def _doubt(self) -> int:
        """Sweep while the list is cut short, make it whole, and return how many tokens were issued or revoked.

        A rotation becomes due when the list is doubted: what a worker has not read yet, it cannot doubt.
        """
        self._halt.until(self._is_doubted, DOUBT_SECONDS, poll=SWEEP_SECONDS)
        self._halt.until(lambda: all(slot.idle() for slot in self._everybody), IDLE_SECONDS)
        self._lane.make_due(self._credential)
        for _ in range(SWEEPS_TO_SEE):
            self._sweep_and_wait()
        before, after = self._tokens_before, self._lane.tokens(self._credential)
        self._lane.make_list_whole(self._credential)
        return sum(not token.live for token in after) + len(after) - before

    def _is_doubted(self) -> bool:
        self._sweep(self._crew)
        return self._progress().taken_over

    def _make_the_pause_matter(self) -> None:
        """Let a rotation be due and a worker sweep, if the pause is there: what is paused is not rotated."""
        if self._progress().taken_over:
            self._lane.make_due(self._credential)
            for _ in range(SWEEPS_TO_SEE):
                self._sweep_and_wait()

    def _sweep_and_wait(self) -> None:
        """Let a worker sweep, and return when it has begun and ended."""
        slot = self._lane.second
        for proxy in slot.proxies.values():
            proxy.forget()
        slot.sweep(self._credential)
        self._halt.until(lambda: bool(slot.proxies[VAULT].passed()), IDLE_SECONDS)
        self._halt.until(slot.idle, IDLE_SECONDS)
        self._halt.sleep(QUIET_SECONDS)
        self._halt.until(slot.idle, IDLE_SECONDS)

    def _stays_settled(self) -> bool:
        """Whether nobody has anything in hand any more, and a moment later still nothing is left to be done."""
        slots = self._everybody
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
