"""One run: a heap of moments, each of which wakes the engine, the services or the people up."""

import gc
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random
from time import perf_counter

from tests.fakes.clock import FakeClock
from tests.harness import HeldLeases
from tests.simulation.exchange import SimulatedExchange
from tests.simulation.fleet import BEGIN, DAY, HOUR, Fleet, build_fleet
from tests.simulation.judge import Judge
from tests.simulation.outages import Outages
from tests.simulation.people import People
from tests.simulation.services import Reader
from tests.simulation.vault import SimulatedVault
from worker.engine import Engine
from worker.models import PathLocation
from worker.policy.due import judge_due
from worker.policy.steps import Outcome, Result
from worker.snapshot import Gatherer


@dataclass(frozen=True, slots=True)
class Scenario:
    """How large and how long a run is.

    `sweep_every` is the grid on which accounts are swept; a real worker sweeps every minute.
    """

    days: int = 365
    credentials: int = 208
    accounts: int = 8
    seed: int = 1
    sweep_every: timedelta = 4 * HOUR


@dataclass
class Run:
    """What is left of a run: the judge's findings and everything that a report or picture needs."""

    scenario: Scenario
    fleet: Fleet
    judge: Judge
    exchanges: dict[str, SimulatedExchange]
    vault: SimulatedVault
    people: People
    seconds: float = 0.0
    engine_calls: int = 0
    first_day_peak: int = 0
    later_peak: int = 0
    outages: dict[str, Outages] = field(default_factory=dict)


class Simulation:
    """The real engine in a world of its own."""

    def __init__(self, scenario: Scenario) -> None:
        random = Random(scenario.seed)
        clock = self.clock = FakeClock(BEGIN)
        fleet = build_fleet(credentials=scenario.credentials, accounts=scenario.accounts, random=random)
        judge = Judge(fleet, clock)
        outages = {
            name: Outages(random=random, begin=BEGIN, days=scenario.days, every=every, longest=longest)
            for name, every, longest in [("Vault", 20, 5 * HOUR), ("exchange", 12, 8 * HOUR)]
        }
        vault = SimulatedVault(
            clock=clock,
            random=random,
            outages=outages["Vault"],
            on_journal=judge.on_journal,
            on_ledger=judge.on_ledger,
        )
        judge.watch(vault)
        exchanges = {
            account.name: SimulatedExchange(
                name=account.name, clock=clock, random=random, outages=outages["exchange"], on_revoke=judge.on_revoke
            )
            for account in fleet.settings.accounts
        }
        names = {
            name: [(one.name, PathLocation(one.mount, one.path)) for one in fleet.settings.credentials_of(name)]
            for name in exchanges
        }
        people = People(random=random, exchanges=exchanges, vault=vault, names=names)
        self.run = Run(scenario, fleet, judge, exchanges, vault, people, outages=outages)
        self.engine = _engine(self.run, clock, random)
        self._readers = [
            Reader(
                one.name,
                PathLocation(one.mount, one.path),
                behaviour,
                exchanges[one.account],
                vault,
                random,
                self._rejected,
            )
            for one in fleet.settings.credentials
            for behaviour in fleet.members[one.name].readers
        ]
        self._order = count()
        self._heap: list[tuple[datetime, int, str, str]] = []
        self._wakes: dict[str, datetime] = {}

    def _rejected(self, reader: Reader, token_id: str) -> None:
        self.run.judge.on_rejected(reader, reader.exchange.ended.get(token_id), token_id)

    def go(self) -> Run:
        """Let the time pass, and return what is left."""
        began, end = perf_counter(), BEGIN + timedelta(days=self.run.scenario.days)
        gc.freeze()
        for reader in self._readers:
            reader.start(BEGIN)
        self._at(BEGIN, "hour", "")
        self._at(BEGIN, "day", "")
        for one in self.run.fleet.settings.credentials:
            self._wake(one.name, BEGIN)
        for number, account in enumerate(self.run.exchanges):
            self._at(BEGIN + timedelta(minutes=7 + 13 * number), "sweep", account)
        acts = {"hour": self._hour, "day": self._day, "rotate": self._rotate, "sweep": self._sweep}
        while self._heap and self._heap[0][0] < end:
            moment, _, kind, name = heappop(self._heap)
            if kind == "rotate" and self._wakes.get(name) != moment:
                continue
            self.clock.advance(max(timedelta(), moment - self.clock.now()))
            acts[kind](name)
        self.run.judge.finish(self.run.exchanges)
        self.run.seconds = perf_counter() - began
        gc.unfreeze()
        return self.run

    def _at(self, moment: datetime, kind: str, name: str) -> None:
        heappush(self._heap, (moment, next(self._order), kind, name))

    def _wake(self, credential: str, moment: datetime) -> None:
        self._wakes[credential] = moment
        self._at(moment, "rotate", credential)

    def _hour(self, _: str) -> None:
        now = self.clock.now()
        for reader in self._readers:
            reader.act(now)
        self._at(now + HOUR, "hour", "")

    def _day(self, _: str) -> None:
        now = self.clock.now()
        self.run.people.day(now)
        if (now - BEGIN).days % 7 == 0:
            for reader in self._readers:
                reader.new_week(now)
        self._at(now + DAY, "day", "")

    def _rotate(self, credential: str) -> None:
        outcomes = self.engine.rotate(credential)
        self.run.engine_calls += 1
        now = self.clock.now()
        settings = self.run.fleet.settings.credential(credential)
        stored = self.run.vault.journals.stored.get(PathLocation(settings.mount, settings.path))
        current = stored.journal.current if stored else None
        if stored is None or stored.journal.intent is not None or current is None or current.promoted_at is None:
            self._wake(credential, now + timedelta(minutes=3))
            return
        self.run.judge.note_holds(credential, outcomes, age_matters=True)
        due = judge_due(credential, settings.policy, current.promoted_at, now)
        late = (current.derived_at or now) + settings.policy.max_age + timedelta(seconds=1)
        following = min(due.next_at, late)
        # What is due but was held back, backs off or failed is looked at again within the hour.
        self._wake(credential, following if following > now else now + timedelta(minutes=_again(outcomes)))

    def _sweep(self, account: str) -> None:
        engine, run = self.engine, self.run
        before = self._doomed(account)
        outcomes = (*engine.revoke(account), *engine.flag(account))
        run.engine_calls += 2
        self._judge_orphans(account, before, outcomes)
        for proof in run.vault.accounts.peek(account).ledger.dangling:
            self._wake(proof.credential, self.clock.now())
        missing = run.vault.accounts.peek(account).ledger.missing
        soon = timedelta(minutes=10) if missing or run.vault.accounts.peek(account).ledger.suspicion else None
        self._at(self.clock.now() + (soon or run.scenario.sweep_every), "sweep", account)

    def _doomed(self, account: str) -> set[str]:
        """The orphans that this sweep can see and must end: their attempt is given up and no intent is open."""
        run, now = self.run, self.clock.now()
        doomed = set()
        for token in run.exchanges[account].live.values():
            if token.answered or token.visible_at > now or token.label is None:
                continue
            one = run.fleet.settings.credential(token.label.split("/")[0])
            stored = run.vault.journals.stored.get(PathLocation(one.mount, one.path))
            if stored is not None and stored.journal.intent is None:
                doomed.add(token.token_id)
        return doomed

    def _judge_orphans(self, account: str, doomed: set[str], outcomes: tuple[Outcome, ...]) -> None:
        left = doomed & set(self.run.exchanges[account].live)
        cut = self.run.exchanges[account].cut_until
        if not left or (cut is not None and self.clock.now() < cut):
            return
        told = any(one.result is not Result.DONE and (one.token_id in left or _stops(one)) for one in outcomes)
        if not told:
            self.run.judge.fail(f"orphans {sorted(left)} survived a sweep that saw them, and nothing was said")


def _again(outcomes: tuple[Outcome, ...]) -> float:
    return 5 if any(one.result is Result.FAILED for one in outcomes) else 45


def _stops(outcome: Outcome) -> bool:
    return outcome.reason.value in {
        "paused", "frozen", "list_shrank", "unreadable", "clocks_differ", "time_unknown", "failed", "current_not_live",
    }  # fmt: skip


def _engine(run: Run, clock: FakeClock, random: Random) -> Engine:
    ids = count(1)
    gatherer = Gatherer(
        settings=run.fleet.settings,
        exchanges=run.exchanges,
        consumers=run.vault.consumers,
        journals=run.vault.journals,
        accounts=run.vault.accounts,
        clock=clock,
    )
    return Engine(
        gatherer=gatherer,
        settings=run.fleet.settings,
        exchanges=run.exchanges,
        consumers=run.vault.consumers,
        journals=run.vault.journals,
        accounts=run.vault.accounts,
        leases=HeldLeases(),
        outcomes=run.judge,
        clock=clock,
        new_rotation_id=lambda: f"id{next(ids):06}",
        jitter=random.random,
    )
