"""Celery applications for tests: nothing is read from the environment, nothing is sent."""

from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import SecretStr

from config.schema import Account, Credential, Infrastructure, Schedule, Settings, VaultLayout
from tests.fakes.clock import FakeClock
from worker.app import RotatorApp
from worker.engine import Engine
from worker.snapshot import Gatherer
from worker.wiring import Container


def settings_of(
    credentials: dict[str, str], *, accounts: tuple[str, ...] = (), redis_url: str = "redis://unused:1/0"
) -> Settings:
    """Return settings with those credentials (name: account), and more accounts that have none."""
    names = dict.fromkeys((*credentials.values(), *accounts))
    return Settings(
        infrastructure=Infrastructure(redis_url=SecretStr(redis_url), vault_addr="http://unused"),
        vault=VaultLayout(),
        schedule=Schedule(),
        accounts=tuple(Account(name=name) for name in names),
        credentials=tuple(
            Credential(name=name, account=account, mount="trading", path=f"limitless/{name}")
            for name, account in credentials.items()
        ),
    )


@dataclass
class FakeEngine:
    """Remembers what it was asked for."""

    asked: list[tuple[str, str]] = field(default_factory=list)

    def rotate(self, credential: str) -> None:
        self.asked.append(("rotate", credential))

    def revoke(self, account: str) -> None:
        self.asked.append(("revoke", account))

    def flag(self, account: str) -> None:
        self.asked.append(("flag", account))


@dataclass(frozen=True)
class Sent:
    """One task that was to be sent."""

    task: str
    args: tuple[str, ...]
    expires: float


class RecordingApp(RotatorApp):
    """Keeps what it is told to send; `before_send` may raise, or let time pass."""

    def __init__(self, settings: Settings, engine: FakeEngine | None = None) -> None:
        super().__init__(lambda: settings)
        self.sent: list[Sent] = []
        self.clock = FakeClock()
        self.engine = engine or FakeEngine()
        self.use(
            Container(
                settings=settings,
                clock=self.clock,
                gatherer=cast("Gatherer", None),
                engine=cast("Engine", self.engine),
            )
        )

    def before_send(self, name: str) -> None:
        """Called with the credential's or account's name."""

    def send_task(self, name: str, args: Any = None, *positional: Any, **options: Any) -> Any:
        self.before_send(args[0])
        self.sent.append(Sent(name, tuple(args), options["expires"]))

    def run(self, task: str, *args: str) -> object:
        """Call a task's function; return what it returns."""
        return self.tasks[task](*args)
