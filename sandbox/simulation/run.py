"""One run: a heap of moments, each of which wakes the engine, the services or the people up."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random
from time import process_time

from sandbox.simulation.audit import Audit
from sandbox.simulation.clock import VirtualClock
from sandbox.simulation.exchange import SimulatedExchange
from sandbox.simulation.fleet import BEGIN, DAY, HOUR, MINUTE, Fleet, build_fleet
from sandbox.simulation.intervals import Intervals, drawn
from sandbox.simulation.judge import Judge
from sandbox.simulation.people import People
from sandbox.simulation.promises import Promise
from sandbox.simulation.services import Reader
from sandbox.simulation.sweeps import Sweeper
from sandbox.simulation.truth import Truth, freeze_intervals
from sandbox.simulation.vault import SimulatedVault
from worker.engine import Engine
from worker.models import PathLocation
from worker.policy.due import judge_due
from worker.policy.steps import Outcome, Reason, Result
from worker.snapshot import Gatherer

_LETTERS = str.maketrans("0123456789", "abcdefghij")
"""Rotation ids have no 0, 1, 8 or 9."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """How large and how long a run is; the same seed gives the same run."""

    days: int = 365
    credentials: int = 208
    accounts: int = 8
    seed: int = 1


class Simulation:
    """The real engine in a world of its own.

    Attributes:
        seconds: of processor time that the run took.
        calls: of the engine.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        random = Random(f"simulation:{scenario.seed}")  # noqa: S311 - it is to be repeatable
        self.clock = VirtualClock(BEGIN)
        fleet = build_fleet(
            credentials=scenario.credentials, accounts=scenario.accounts, days=scenario.days, random=random
        )
        self.truth = _truth(fleet, scenario.days, random)
        self.judge = Judge(fleet, days=scenario.days, clock=self.clock, truth=self.truth)
        self.vault = SimulatedVault(
            clock=self.clock,
            random=random,
            outages=self.truth.vault,
            on_journal=self.judge.on_journal,
            on_served=self.judge.on_served,
        )
        self.exchanges = {
            account.name: SimulatedExchange(
                name=account.name,
                clock=self.clock,
                random=random,
                outages=self.truth.exchange,
                sluggish=self.truth.sluggish[account.name],
                on_derive=self.judge.on_derive,
                on_revoke=self.judge.on_revoke,
            )
            for account in fleet.settings.accounts
        }
        self.judge.watch(self.vault, self.exchanges)
        self.readers = [
            Reader(
                one.name,
                PathLocation(one.mount, one.path),
                behaviour,
                self.exchanges[one.account],
                self.vault,
                random,
                self._rejected,
            )
            for one in fleet.settings.credentials
            for behaviour in fleet.members[one.name].readers
        ]
        self.audit = Audit(self.judge, self.readers)
        self.engine = self._engine(fleet, random)
        self.people = People(
            random=random,
            exchanges=self.exchanges,
            vault=self.vault,
            judge=self.judge,
            rotate=lambda name: self._rotate(name, requested=True),
            resume=self._resume,
        )
        self.sweeper = Sweeper(self.judge, self.engine, at=self._at, wake=self._wake)
        self.seconds, self.calls = 0.0, 0
        self._order = count()
        self._heap: list[tuple[datetime, int, Callable[[str], None], str]] = []
        self._wakes: dict[str, datetime] = {}

    def run(self) -> None:
        """Let the time pass."""
        began, end = process_time(), BEGIN + self.scenario.days * DAY
        for reader in self.readers:
            reader.start(BEGIN, days=self.scenario.days)
        self._at(BEGIN, self._hour, "")
        self._at(BEGIN + 9 * HOUR, self._morning, "")
        for one in self.judge.fleet.settings.credentials:
            self._wake(one.name, BEGIN)
        for number, account in enumerate(self.exchanges):
            self.sweeper.start(account, BEGIN + (7 + 13 * number) * MINUTE, self.truth.exchange)
        with _without_cycles():
            while self._heap and self._heap[0][0] < end:
                moment, _, act, name = heappop(self._heap)
                self.clock.go_to(moment)
                act(name)
        self.clock.go_to(end)
        self.audit.finish()
        self.judge.scales.test(Promise.SERVED, times=sum(one.uses for one in self.readers))
        self.seconds = process_time() - began
        self.calls += self.sweeper.calls

    def _at(self, moment: datetime, act: Callable[[str], None], name: str) -> None:
        heappush(self._heap, (moment, next(self._order), act, name))

    def _wake(self, credential: str, moment: datetime) -> None:
        self._wakes[credential] = moment
        self._at(moment, self._woken, credential)

    def _woken(self, credential: str) -> None:
        if self._wakes[credential] <= self.clock.now():
            self._rotate(credential)

    def _hour(self, _: str) -> None:
        now = self.clock.now()
        vault_away, exchange_away = self.truth.vault.at(now), self.truth.exchange.at(now)
        for reader in self.readers:
            reader.act(now, vault_away=vault_away, exchange_away=exchange_away)
        self._at(now + HOUR, self._hour, "")

    def _morning(self, _: str) -> None:
        now = self.clock.now()
        self.people.morning(now)
        self.audit.day()
        if (now - BEGIN).days % 7 == 0:
            for reader in self.readers:
                reader.new_week(now)
        for account in self.exchanges:
            if self.judge.is_broken(account) or self.truth.cut[account].at(now):
                self.sweeper.soon(account)
        self._at(BEGIN + 9 * HOUR + ((now - BEGIN).days + 1) * DAY, self._morning, "")

    def _resume(self, credential: str) -> None:
        self.engine.resume(credential)
        self.calls += 1
        self._wake(credential, self.clock.now() + MINUTE)

    def _rotate(self, credential: str, *, requested: bool = False) -> None:
        outcomes = self.engine.rotate(credential, requested=requested)
        self.calls += 1
        now, settings = self.clock.now(), self.judge.fleet.settings.credential(credential)
        journal = self.judge.journal_of(settings)
        free_at = self.truth.free_at(settings.account, credential, now)
        if free_at > now:
            self._wake(credential, free_at)
            return
        current, retry_at = (journal.current, journal.failures.retry_at) if journal else (None, None)
        if journal is None or journal.intent is not None or current is None or current.promoted_at is None:
            self._wake(credential, max(now + 3 * MINUTE, retry_at or now))
            return
        due = judge_due(credential, settings.policy, current.promoted_at, now)
        overdue_at = (current.derived_at or now) + settings.policy.max_age + timedelta(seconds=1)
        following = min(due.next_at, overdue_at)
        if following > now:
            self._wake(credential, following)
            self.sweeper.promoted(settings, current.promoted_at)
        else:
            self._wake(credential, max(now + _again(outcomes), retry_at or now))

    def _rejected(self, reader: Reader, token_id: str) -> None:
        token = reader.exchange.ended.get(token_id)
        self.judge.on_rejected(reader, token, token_id)
        self.audit.on_rejected(reader, token, token_id)

    def _engine(self, fleet: Fleet, random: Random) -> Engine:
        ids = count(1)
        gatherer = Gatherer(
            settings=fleet.settings,
            exchanges=self.exchanges,
            consumers=self.vault.consumers,
            journals=self.vault.journals,
            accounts=self.vault.accounts,
            clock=self.clock,
        )
        return Engine(
            gatherer=gatherer,
            settings=fleet.settings,
            exchanges=self.exchanges,
            consumers=self.vault.consumers,
            journals=self.vault.journals,
            accounts=self.vault.accounts,
            leases=_FreeLeases(),
            outcomes=self.audit,
            clock=self.clock,
            new_rotation_id=lambda: f"id{next(ids):018}".translate(_LETTERS),
            jitter=random.random,
        )


class _FreeLeases:
    """`worker.ports.Leases` of a worker that is alone."""

    @contextmanager
    def hold(self, name: str, ttl: timedelta) -> Iterator[bool]:  # noqa: ARG002 - the port's
        yield True


def _again(outcomes: tuple[Outcome, ...]) -> timedelta:
    """Return when something that is due is looked at again; a person resumes what is parked, and wakes it up."""
    if any(one.reason is Reason.PARKED for one in outcomes):
        return 6 * HOUR
    return MINUTE if any(one.result is Result.FAILED for one in outcomes) else 6 * MINUTE


def _truth(fleet: Fleet, days: int, random: Random) -> Truth:
    frozen, sluggish = {}, {}
    for account in fleet.settings.accounts:
        mine = [one for one in fleet.settings.freezes if not one.accounts or account.name in one.accounts]
        frozen[account.name] = Intervals(each for one in mine for each in freeze_intervals(one, days=days))
        sluggish[account.name] = drawn(random, begin=BEGIN, days=days, every=60, longest=10 * HOUR)
    return Truth(
        vault=drawn(random, begin=BEGIN, days=days, every=20, longest=4 * HOUR),
        exchange=drawn(random, begin=BEGIN, days=days, every=12, longest=8 * HOUR),
        sluggish=sluggish,
        frozen=frozen,
    )


@contextmanager
def _without_cycles() -> Iterator[None]:
    """Keep the collector from walking over a year's tokens again and again; nothing here makes cycles in number."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
