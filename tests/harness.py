"""The engine on fakes: one clock, one Vault, one exchange, as many engines as a test wants."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from pydantic import SecretStr

from config.schema import Account, Credential, Infrastructure, Policy, Schedule, Settings, VaultLayout
from tests.fakes.clock import FakeClock, WrongClock
from tests.fakes.exchange import FakeExchange
from tests.fakes.vault import FakeVault
from worker.engine import Engine
from worker.journal import Journal, RecordState
from worker.models import Capabilities, ConsumersPath, DerivedToken, PathLocation, Profile, RevokeResult, TokenList
from worker.policy.steps import Outcome, Reason
from worker.snapshot import Gatherer

ACCOUNT = "main"


def rotation_id(number: int) -> str:
    """Return the rotation id of that number: of the form that real ones have."""
    return f"id{number:018}".translate(str.maketrans("0123456789", "abcdefghij"))


class HeldLeases:
    """Leases in memory; `taken` names those that another worker holds, `asked` has for how long each was asked."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.asked: dict[str, timedelta] = {}

    @contextmanager
    def hold(self, name: str, ttl: timedelta) -> Iterator[bool]:
        self.asked[name] = ttl
        yield name not in self.taken


@dataclass
class Outcomes:
    """Collects what the engine reports."""

    seen: list[Outcome] = field(default_factory=list)

    def record(self, outcome: Outcome) -> None:
        self.seen.append(outcome)

    def reasons(self) -> list[Reason]:
        return [outcome.reason for outcome in self.seen]


class Crash(BaseException):
    """The process dies here: nothing may catch it."""


class HookedExchange:
    """The fake exchange with a hook before and after each port call, as the fake Vault has."""

    def __init__(self, exchange: FakeExchange) -> None:
        self._exchange = exchange
        self.hook: Callable[[str], None] = lambda _moment: None

    def get_capabilities(self) -> Capabilities:
        with self._hooked("get_capabilities"):
            return self._exchange.get_capabilities()

    def profile(self) -> Profile:
        with self._hooked("profile"):
            return self._exchange.profile()

    def list_tokens(self) -> TokenList:
        with self._hooked("list_tokens"):
            return self._exchange.list_tokens()

    def derive_token(
        self, label: str, scopes: Sequence[str], *, deadline: timedelta, profile: Profile | None = None
    ) -> DerivedToken:
        with self._hooked("derive_token"):
            return self._exchange.derive_token(label, scopes, deadline=deadline, profile=profile)

    def revoke_token(self, token_id: str, *, profile: Profile | None = None) -> RevokeResult:
        with self._hooked("revoke_token"):
            return self._exchange.revoke_token(token_id, profile=profile)

    def list_tokens_as(self, token_id: str, secret: SecretStr) -> TokenList:
        with self._hooked("list_tokens_as"):
            return self._exchange.list_tokens_as(token_id, secret)

    @contextmanager
    def _hooked(self, name: str) -> Iterator[None]:
        self.hook(f"before {name}")
        yield
        self.hook(f"after {name}")


class Harness:
    """A world with one account and the credentials that a test names."""

    def __init__(self, *names: str, policy: Policy | None = None) -> None:
        self.clock = FakeClock()
        self.vault_clock = WrongClock(self.clock)
        self.vault = FakeVault(clock=self.vault_clock)
        self.exchange = FakeExchange(clock=self.clock)
        self.hooked = HookedExchange(self.exchange)
        self.outcomes = Outcomes()
        self.leases = HeldLeases()
        self.policy = policy or Policy()
        self._ids = count(1)
        self.stopping = False
        self.settings = Settings(
            infrastructure=Infrastructure(redis_url=SecretStr("redis://unused"), vault_addr="http://unused"),
            vault=VaultLayout(),
            schedule=Schedule(),
            accounts=(Account(name=ACCOUNT),),
            credentials=tuple(
                Credential(name=name, account=ACCOUNT, mount="trading", path=f"limitless/{name}", policy=self.policy)
                for name in names or ("mm",)
            ),
        )
        self.engine = self.new_engine()

    def new_engine(self, *, off_by: timedelta = timedelta(0)) -> Engine:
        """Return an engine with nothing in its memory, as after a restart, on a clock that is off by that much."""
        exchanges = {ACCOUNT: self.hooked}
        clock = WrongClock(self.clock, off_by)
        return Engine(
            gatherer=Gatherer(
                settings=self.settings,
                exchanges=exchanges,
                consumers=self.vault.consumers,
                journals=self.vault.journals,
                accounts=self.vault.accounts,
                clock=clock,
            ),
            settings=self.settings,
            exchanges=exchanges,
            consumers=self.vault.consumers,
            journals=self.vault.journals,
            accounts=self.vault.accounts,
            leases=self.leases,
            outcomes=self.outcomes,
            clock=clock,
            new_rotation_id=lambda: rotation_id(next(self._ids)),
            stopping=lambda: self.stopping,
            jitter=lambda: 1.0,
        )

    def crash_at(self, moment: int) -> None:
        """Let the process die at that moment, counted over every port call's "before" and "after" from now on."""
        left = count(moment, -1)

        def step(_what: object) -> None:
            if next(left) == 0:
                raise Crash

        self.vault.on_call = step
        self.hooked.hook = step

    def survive(self) -> None:
        """Let nothing crash any more."""
        self.vault.on_call = None
        self.hooked.hook = lambda _moment: None

    def location(self, name: str = "mm") -> PathLocation:
        return PathLocation("trading", f"limitless/{name}")

    def journal(self, name: str = "mm") -> Journal:
        found = self.vault.journals.read(self.location(name))
        assert found is not None, f"{name} has no journal"
        return found.journal

    def path(self, name: str = "mm") -> ConsumersPath:
        return self.vault.consumers.read(self.location(name))

    def served(self, name: str = "mm") -> str | None:
        """Return the token id that services read."""
        document = self.path(name).document
        return document.token_id if document else None

    def states(self, name: str = "mm") -> list[tuple[str | None, RecordState]]:
        return [(record.token_id, record.state) for record in self.journal(name).ledger]

    def live(self) -> set[str]:
        """Return the ids of the tokens that the exchange still accepts."""
        return {token.token_id for token in self.exchange.live}

    def use_served(self, name: str = "mm") -> None:
        """Let a service use what Vault serves it."""
        token_id = self.served(name)
        if token_id is not None:
            self.exchange.use(token_id)

    def settle(self, *, sweeps: int = 8) -> None:
        """Let quiet sweeps pass, services in use, until everything that waits for time had its time."""
        for _ in range(sweeps):
            for credential in self.settings.credentials:
                self.engine.rotate(credential.name)
                self.use_served(credential.name)
            self.engine.revoke(ACCOUNT)
            self.engine.flag(ACCOUNT)
            self.clock.advance(self.policy.derive_deadline + timedelta(minutes=10))


def died(world: Harness, act: Callable[[Harness], object], moment: int) -> bool:
    """Let the process die at that moment of an act, and start anew; return whether the act lasted so long."""
    world.crash_at(moment)
    try:
        act(world)
    except Crash:
        return True
    finally:
        world.survive()
        world.engine = world.new_engine()
    return False
