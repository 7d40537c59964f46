"""One run from one seed: a world with a past, a storm of everything that was drawn, and quiet at the end."""

from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from random import Random
from unittest import mock

from config.schema import Policy
from tests.model.carrier import Carrier
from tests.model.ending import Ending
from tests.model.observer import Observer
from tests.model.people import People
from tests.model.readers import Reader
from tests.model.violations import Violation
from tests.model.weather import DAY, HOUR, MINUTE, Weather
from tests.model.world import ACCOUNTS, CREDENTIALS, About, World, location
from worker.vault import documents

# What Vault holds is read over and over between two writes of it, and what is read is frozen.
_remembered_parse = lru_cache(maxsize=4096)(documents._parse)

_OFFSETS = (3.0, 20.0, 45.0, 10 * MINUTE, 25 * HOUR, 8 * DAY, 30 * DAY)
STEPS = 40
_MOST_AT_WORK = 8
"""Who takes over is struck as well, and orders meet acts: without a limit each would bring more than one other."""


@dataclass(frozen=True)
class Ran:
    """What became of one run."""

    seed: int
    violations: tuple[Violation, ...]
    counts: dict[str, int] = field(default_factory=dict)
    trace: tuple[str, ...] = ()
    weather: str = ""


class Run:
    """Drives one world from its seed."""

    def __init__(
        self,
        seed: int,
        *,
        only: frozenset[str] | None = None,
        steps: int = STEPS,
        traced: bool = False,
        past: frozenset[str] = frozenset(),
    ) -> None:
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - it is to be repeatable
        self.steps = steps
        self.weather = Weather.drawn(self.random, only)
        self.world = World(self.random, self.weather, self._policy())
        self.world.tracing = traced
        self.observer = Observer(self.world, past)
        self.people = People(self.world, self.observer)
        self.carrier = Carrier(self.world, self.observer)
        self._judged = 0

    def _policy(self) -> Policy:
        random = self.random
        return Policy(
            rotation_period=timedelta(days=random.choice([7, 7, 2])),
            on_overlap=random.choice(["wait", "wait", "revoke"]),
            require_adoption=random.random() < 0.7,
            max_overlap=timedelta(days=1.5),
        )

    def run(self) -> Ran:
        """Run to the end, or to the first broken promise."""
        self._past()
        self.world.equip(self.carrier)
        self.carrier.between_calls = self._act_between_calls
        self.carrier.struck = self._take_over
        for _ in range(self.steps):
            self._something()
            self.world.scheduler.sleep(self.weather.gap())
            if self._is_broken():
                break
        else:
            Ending(self.world, self.observer, self.people).run(self._is_broken)
        self.world.scheduler.end()
        self._judge_tasks()
        return self._ran()

    def _past(self) -> None:
        """Let the credentials have a past, and the services their habits."""
        world, random = self.world, self.random
        world.equip(self.carrier)
        storm, self.weather.often = self.weather.often, {}
        for name in CREDENTIALS:
            for _ in range(random.randint(0, 2)):
                every = random.choice([5 * MINUTE, HOUR, self.observer.readers_hold * 0.9])
                world.holdings.readers.append(Reader(location(name), every, random.uniform(0, every)))
        for name in CREDENTIALS:
            if random.random() < 0.2:
                self.people.begin_by_hand(name)
        for _ in range(random.randint(0, 2)):
            for name in CREDENTIALS:
                if random.random() < 0.8:
                    self._start("rotate", name)
            world.scheduler.sleep(HOUR)
            for account in ACCOUNTS:
                self._start("revoke", account)
            world.scheduler.sleep(world.policy.nominal_period.total_seconds())
            self.people.back_up()
        self.weather.often = storm

    def _start(self, kind: str, name: str, after: float = 0.0) -> None:
        process = self.random.choice(self.world.processes)
        engine = process.engine
        work = {
            "rotate": lambda: engine.rotate(name),
            "revoke": lambda: engine.revoke(name),
            "flag": lambda: engine.flag(name),
        }[kind]
        self.world.start(kind, name, process, work, after=after)

    def _act_between_calls(self) -> None:
        if len(self.world.scheduler.running) < _MOST_AT_WORK:
            self.people.act()

    def _take_over(self, struck: About) -> None:
        """Let others come to the same work soon after a run was struck, often with no lease in their way."""
        world, random = self.world, self.random
        if not world.weather.often or random.random() < 0.5 or len(world.scheduler.running) >= _MOST_AT_WORK:
            return
        account = CREDENTIALS.get(struck.name, struck.name)
        kind = random.choice(["rotate", "rotate", "rotate", "revoke"])
        name = struck.name if struck.name in CREDENTIALS else random.choice(list(CREDENTIALS))
        after = random.choice([0.1, 1.0, 10.0, 100.0]) * random.uniform(0.5, 1.5)
        if random.random() < 0.7:
            world.scheduler.at(world.now + after, world.leases.clear)
        self._start(kind, name if kind == "rotate" else account, after=after)

    def _something(self) -> None:
        """Let one thing begin."""
        random = self.random
        if random.random() < 0.7:
            kind = random.choices(["rotate", "revoke", "flag", "all"], weights=(10, 6, 1, 3))[0]
            if kind == "all":
                for name in CREDENTIALS:
                    self._start("rotate", name)
            for account in ACCOUNTS if kind in {"revoke", "all"} else ():
                self._start("revoke", account)
            if kind == "rotate":
                self._start("rotate", random.choice(list(CREDENTIALS)))
            if kind == "flag":
                self._start("flag", random.choice(ACCOUNTS))
            return
        if random.random() < 0.3:
            self.people.back_up()
        world = self.world
        what = {
            "clocks": lambda: self._set_clock(random.choice(world.processes).clock, "a worker"),
            "vault clock": lambda: self._set_clock(world.vault_clock, "Vault"),
            "exchange clock": lambda: self._set_clock(world.exchange_clock, "the exchange"),
            "identities": self._mix_identities_up,
            "outages": self._take_away,
            "lists": self._cut_a_list,
            "mute": self._fall_silent,
            "leases": self._lose_leases,
        }
        about = [kind for kind in what if kind in self.weather.often]
        mine = sum(self.weather.often[one] for one in about)
        theirs = sum(v for kind, v in self.weather.often.items() if kind not in what and v >= 0.3)
        if mine + theirs and random.random() < mine / (mine + theirs):
            what[random.choices(about, weights=[self.weather.often[one] for one in about])[0]]()
        else:
            self.people.act()

    def _set_clock(self, clock: object, whose: str) -> None:
        offset = self.random.choice([0.0, *_OFFSETS]) * self.random.choice([1, -1])
        self.world.tell("the world", f"the clock of {whose} is {offset:+.0f} s off")
        clock.offset = offset  # type: ignore[attr-defined]
        if offset and self.random.random() < 0.7:
            length = self.random.choice([MINUTE, HOUR, DAY])
            self.world.scheduler.at(self.world.now + length, lambda: setattr(clock, "offset", 0.0))

    def _mix_identities_up(self) -> None:
        world = self.world
        account = self.random.choice(ACCOUNTS)
        other = next(one for one in ACCOUNTS if one != account)
        if "profile" not in self.observer.memory.ledger(account):
            return  # whose identity is right at first contact is for people to see
        world.identity[account] = other if world.identity[account] == account else account
        world.tell("the world", f"account {account} has the identity of {world.identity[account]}")

    def _take_away(self) -> None:
        world, away = self.world, self.weather.away() * self.random.choice([1, 1, 20])
        if self.random.random() < 0.5:
            process = self.random.choice(world.processes)
            process.vault_away = world.now + away
            world.tell("the world", f"Vault is away for {process.name} for {away:.0f} s")
        else:
            account = self.random.choice(ACCOUNTS)
            world.exchange_away[account] = world.now + away
            world.tell("the world", f"the exchange is away for {account} for {away:.0f} s")

    def _cut_a_list(self) -> None:
        account, share = self.random.choice(ACCOUNTS), self.random.choice([0.0, 0.0, 0.3, 0.6])
        length = self.random.choice([MINUTE, 10 * MINUTE, HOUR])
        self.world.cut[account] = (self.world.now + length, share)
        self.world.tell("the world", f"lists of {account} show {share:.0%} for {length:.0f} s")

    def _fall_silent(self) -> None:
        """Let an account's derives go unanswered while a person asks for rotations and sweeps go on as ever."""
        account, length = self.random.choice(ACCOUNTS), self.random.choice([10 * MINUTE, HOUR])
        self.world.mute_until[account] = self.world.now + length
        self.world.tell("the world", f"derives of {account} are not answered for {length:.0f} s")
        name = self.random.choice([one for one, whose in CREDENTIALS.items() if whose == account])
        self.people.order("request", name)
        for number in range(int(length / (3 * MINUTE))):
            self._start("rotate", name, after=(number + 1) * 3 * MINUTE)

    def _lose_leases(self) -> None:
        self.world.leases.clear()
        self.world.redis_away_until = self.world.now + self.random.choice([0.0, HOUR, DAY])
        self.world.tell("the world", "Redis is emptied, or away")

    def _is_broken(self) -> bool:
        self._judge_tasks()
        return bool(self.observer.violations)

    def _judge_tasks(self) -> None:
        tasks = self.world.scheduler.tasks
        for task in [one for one in tasks if one.done]:
            self.observer.ended(task)
            tasks.remove(task)
            if task.killed:
                self._judged += 1

    def _ran(self) -> Ran:
        world = self.world
        counts = {
            "rotations": self.observer.promotions,
            "crashes": self._judged,
            "late landings": self.observer.late,
            "orders": len(self.observer.memory.given),
            "tokens": sum(len(one.issued) for one in world.profiles.values()),
        }
        trace = tuple(f"{at:14.2f}  {who:<22} {what}" for at, who, what in world.trace)
        weather = ", ".join(f"{kind} {often}" for kind, often in sorted(self.weather.often.items()))
        return Ran(self.seed, tuple(self.observer.violations), counts, trace, weather)


def run(
    seed: int,
    *,
    only: frozenset[str] | None = None,
    steps: int = STEPS,
    traced: bool = False,
    past: frozenset[str] = frozenset(),
) -> Ran:
    """Run one seed and return what became of it; the same arguments give the same run.

    Args:
        seed: of everything that is drawn.
        only: the disturbances of the run; drawn unless given.
        steps: events of its storm.
        traced: whether to write down what happens.
        past: names of promises to look past, for as long as a hole is known and open.
    """
    with mock.patch.object(documents, "_parse", _remembered_parse):
        return Run(seed, only=only, steps=steps, traced=traced, past=past).run()
