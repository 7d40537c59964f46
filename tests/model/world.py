"""The world of one run: two accounts, three credentials, workers with clocks of their own, one Vault, one exchange."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any, cast

from pydantic import SecretStr

from config.schema import Account, Credential, Guards, Infrastructure, Policy, Schedule, Settings, VaultLayout
from tests.fakes.vault import FakeKv
from tests.model.clocks import ModelClock
from tests.model.exchange import ModelExchange
from tests.model.readers import Holdings, Placement
from tests.model.scheduler import Crash, Scheduler, Task
from tests.model.weather import Weather
from tests.model.wire import Wire, hooked
from worker.engine import Engine
from worker.models import PathLocation
from worker.policy.steps import Outcome
from worker.ports import Exchange
from worker.snapshot import Gatherer
from worker.vault.account_ledgers import VaultAccountLedgers
from worker.vault.consumers import VaultConsumers
from worker.vault.journals import VaultJournals

CREDENTIALS = {"mm": "main", "taker": "main", "hedge": "alt"}
ACCOUNTS = ("main", "alt")
LAYOUT = VaultLayout()


def location(credential: str) -> PathLocation:
    return PathLocation("trading", f"limitless/{credential}")


def journal_location(credential: str) -> PathLocation:
    return PathLocation(LAYOUT.journal_mount, f"{LAYOUT.journal_prefix}/trading/limitless/{credential}")


def ledger_location(account: str) -> PathLocation:
    return PathLocation(LAYOUT.journal_mount, f"{LAYOUT.account_prefix}/{account}")


@dataclass
class About:
    """What a task is, and what it has seen so far."""

    kind: str
    name: str
    process: "Process"
    path_read: dict[PathLocation, float] = field(default_factory=dict)
    read_back: list[str] = field(default_factory=list)
    """Journals that it read from Vault since it last wrote one."""
    listed: dict[str, frozenset[str]] = field(default_factory=dict)
    """What the first list of each account told it."""
    shrunk: dict[str, str] = field(default_factory=dict)
    """Accounts whose last list, as this task was told it, had shrunk, and how far."""
    confirmed: set[str] = field(default_factory=set)
    """Accounts whose doubted list, as this task was told it, is to be believed by now."""
    deleted: int = 0
    acted_until: float = 0.0
    """When the last of its calls landed, late ones included."""


@dataclass
class Process:
    """One worker: its clock, and what it cannot reach until when."""

    name: str
    clock: ModelClock
    vault_away: float = 0.0
    engine: Engine = field(init=False)
    gatherer: Gatherer = field(init=False)


class World:
    """Everything that one run is made of; the observer and the people are given it."""

    def __init__(self, random: Random, weather: Weather, policy: Policy, processes: int = 3) -> None:
        self.random = random
        self.weather = weather
        self.policy = policy
        self.scheduler = Scheduler()
        self.vault_clock = ModelClock(self.scheduler)
        self.exchange_clock = ModelClock(self.scheduler)
        self.kv = FakeKv(clock=self.vault_clock)
        self.profiles = {
            one: ModelExchange(number, self.exchange_clock, random) for number, one in enumerate(ACCOUNTS, 1001)
        }
        self.identity = {one: one for one in ACCOUNTS}
        self.exchange_away = dict.fromkeys(ACCOUNTS, 0.0)
        self.mute_until: dict[str, float] = {}
        """Until when an account's derives are never answered, whether or not they are carried out."""
        self.cut: dict[str, tuple[float, float]] = {}
        """Until when an account's list is cut short, and which part of it is shown."""
        self.unknown_until: dict[tuple[str, str], float] = {}
        """Until when a new token is answered 401 to a worker, because it is not known everywhere yet."""
        self.leases: dict[str, tuple[float, Process]] = {}
        self.redis_away_until = 0.0
        self.shrink_limit = Guards().shrink_limit
        self.holdings = Holdings(self._use)
        self.about: dict[Task, About] = {}
        self.outcomes: list[tuple[Task | None, Outcome]] = []
        self.on_outcome: Callable[[Task | None, Outcome], None] = lambda _task, _outcome: None
        self.tracing = False
        self.trace: list[tuple[float, str, str]] = []
        self._ids = count(1)
        self.settings = Settings(
            infrastructure=Infrastructure(redis_url=SecretStr("redis://unused"), vault_addr="http://unused"),
            vault=LAYOUT,
            schedule=Schedule(),
            accounts=tuple(Account(name=one) for one in ACCOUNTS),
            credentials=tuple(
                Credential(name=name, account=account, mount="trading", path=f"limitless/{name}", policy=policy)
                for name, account in CREDENTIALS.items()
            ),
        )
        self.processes = [Process(f"w{number + 1}", ModelClock(self.scheduler)) for number in range(processes)]

    @property
    def now(self) -> float:
        return self.scheduler.now

    def tell(self, who: str, what: str) -> None:
        """Write a line of the trace, when one is wanted."""
        if self.tracing:
            self.trace.append((self.now, who, what))

    def who(self) -> str:
        return self.scheduler.current.name if self.scheduler.current else "-"

    def about_current(self) -> About | None:
        task = self.scheduler.current
        return self.about.get(task) if task else None

    # --- workers

    def equip(self, wire: Wire) -> None:
        """Give every worker an engine whose calls go over the wire."""
        for process in self.processes:
            self._equip(process, wire)

    def _equip(self, process: Process, wire: Wire) -> None:
        kv = hooked(self.kv, "vault", wire)
        exchanges: dict[str, Exchange] = {
            one: cast("Exchange", hooked(self.profiles[one], f"exchange {one}", wire, self._reached_by(one)))
            for one in ACCOUNTS
        }
        ports: dict[str, Any] = {
            "settings": self.settings,
            "exchanges": exchanges,
            "consumers": VaultConsumers(kv=kv, fields={}, max_versions=LAYOUT.max_versions),
            "journals": VaultJournals(kv=kv, mount=LAYOUT.journal_mount, prefix=LAYOUT.journal_prefix),
            "accounts": VaultAccountLedgers(kv=kv, mount=LAYOUT.journal_mount, prefix=LAYOUT.account_prefix),
            "clock": process.clock,
        }
        process.gatherer = Gatherer(**ports)
        process.engine = Engine(
            gatherer=process.gatherer,
            leases=_Leases(self, process),
            outcomes=_Sink(self),
            new_rotation_id=lambda: f"id{next(self._ids):04}",
            jitter=self.random.random,
            **ports,
        )

    def _reached_by(self, account: str) -> Callable[[str, dict[str, Any]], ModelExchange]:
        def target(method: str, arguments: dict[str, Any]) -> ModelExchange:
            token_id = arguments.get("token_id")
            if method == "list_tokens_as" and isinstance(token_id, str):
                # Signed by a token, the call is of whichever profile that token belongs to.
                return next((one for one in self.profiles.values() if one.has(token_id)), self.profiles[account])
            return self.profiles[self.identity[account]]

        return target

    def start(self, kind: str, name: str, process: Process, work: Callable[[], object], *, after: float = 0.0) -> Task:
        """Let a worker (or a command on its machine) begin a run."""
        task = self.scheduler.start(f"{process.name}:{kind}:{name}", work, after=after)
        self.about[task] = About(kind, name, process)
        return task

    # --- what is true

    def token(self, token_id: str) -> tuple[ModelExchange, str] | None:
        """Return whose profile a token is of, and its secret; None when there never was such a token."""
        for profile in self.profiles.values():
            if profile.has(token_id):
                return profile, profile.token(token_id).secret.get_secret_value()
        return None

    def is_live(self, token_id: str) -> bool:
        found = self.token(token_id)
        return found is not None and found[0].token(token_id).live

    def born(self, token_id: str) -> float:
        found = self.token(token_id)
        return found[0].born[token_id] if found else self.now

    def put(self, where: PathLocation, data: dict[str, Any], *, forged: bool = False) -> None:
        """Write as a person does, without check-and-set."""
        self.kv.put(where, data)
        self.place(where, data, by_person=True, forged=forged)

    def place(self, where: PathLocation, data: dict[str, Any] | None, *, by_person: bool, forged: bool = False) -> None:
        """Take note of what a consumers' path serves from now on."""
        data = data or {}
        token_id, secret = data.get("token_id"), data.get("secret")
        self.holdings.place(Placement(where, token_id, secret, self.now, by_person, forged))

    def _use(self, token_id: str, secret: str, at: float) -> None:
        found = self.token(token_id)
        if found is not None and found[1] == secret:
            found[0].used(token_id, at)


class _Sink:
    def __init__(self, world: World) -> None:
        self._world = world

    def record(self, outcome: Outcome) -> None:
        world = self._world
        if world.tracing:
            world.tell(world.who(), f"{outcome.result.value} {outcome.reason.value}: {outcome.sentence[:150]}")
        world.on_outcome(world.scheduler.current, outcome)


class _Leases:
    """Leases that expire while their holder stands still, and that anybody gets while Redis is away."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    @contextmanager
    def hold(self, name: str, ttl: timedelta) -> Iterator[bool]:
        world = self._world
        until, _ = world.leases.get(name, (0.0, self._process))
        if world.now < world.redis_away_until:
            yield True
            return
        if world.now < until:
            yield False
            return
        mine = (world.now + ttl.total_seconds(), self._process)
        world.leases[name] = mine
        try:
            yield True
        except Crash:
            raise
        except BaseException:
            self._release(name, mine)
            raise
        else:
            self._release(name, mine)

    def _release(self, name: str, mine: tuple[float, Process]) -> None:
        if self._world.leases.get(name) is mine:
            del self._world.leases[name]
