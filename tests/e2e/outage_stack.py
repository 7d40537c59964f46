"""A whole system whose servers a test can take away, and what must be true of it at any time."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import redis

from sandbox.chaos.proxy import PausingProxy
from sandbox.chaos.wire import Message
from sandbox.exchange.records import AuthKind, Call, TokenEntry
from sandbox.inspection import VaultInspector, find_orphans, refusals
from sandbox.processes import ROOT, private_environment
from sandbox.stack import Stack, StackOptions
from tests.e2e.processes import until
from worker.journal import Journal, RecordState
from worker.redis import connect

CONFIG = Path(__file__).parent / "outages.toml"
SCHEDULED = ("market-maker", "hedger")
BY_HAND = "by-hand"
RESUME_SECONDS = 30.0
"""Within this time after a server came back, everything goes on by itself."""


class MoodyVault(PausingProxy):
    """Stands between the workers and Vault; may answer in Vault's place."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self._instead: Message | None = None

    def stand_before(self, addr: str) -> None:
        port = int(addr.rsplit(":", 1)[1])
        self._upstream = ("127.0.0.1", port)

    def answer(self, status: int | None, body: str = "{}") -> None:
        """Answer every request with that status from now on; None: let Vault answer again."""
        head = f"HTTP/1.1 {status} Instead\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._instead = None if status is None else Message(head.splitlines()[0], {}, f"{head}{body}".encode())

    def _ask(self, request: Message) -> Message:
        return self._instead or super()._ask(request)


class OutageStack(Stack):
    """A stack whose workers reach Vault through a proxy."""

    front: MoodyVault

    def start(self) -> None:
        self.front = MoodyVault()
        self._exit.callback(self.front.close)
        super().start()

    @property
    def worker_environment(self) -> dict[str, str]:
        self.front.stand_before(self.vault.addr)
        return {**super().worker_environment, "VAULT_ADDR": self.front.url}


@dataclass
class System:
    """A running stack and the questions that tests ask of it."""

    stack: OutageStack
    inspector: VaultInspector
    redis: redis.Redis
    pids: dict[str, int] = field(default_factory=dict)

    def remember_processes(self) -> None:
        self.pids = {child.name: child.pid for child in self.stack.children}

    # --- what happened

    def seq(self) -> int:
        """Return how many requests the exchange has seen."""
        requests = self.stack.control.requests()
        return requests[-1].seq if requests else 0

    def sweeps(self, after: int) -> int:
        """Return how many lists the workers got since then."""
        lists = self.stack.control.requests(after=after, call=Call.LIST)
        return sum(1 for one in lists if one.auth is AuthKind.IDENTITY and one.status == 200)

    def derives(self, after: int = 0) -> int:
        return len(self.stack.control.requests(after=after, call=Call.DERIVE))

    def journal(self, name: str) -> Journal:
        journal = self.inspector.journals()[name]
        assert journal is not None, f"{name} has no journal"
        return journal

    def promotions(self) -> dict[str, int]:
        return {name: one.promotions for name, one in self.inspector.holdings().items()}

    def alerts(self, reason: str) -> Counter[str]:
        """Return how often Sentry was told that reason, by credential."""
        told: list[dict[str, Any]] = [event.get("tags", {}) for event in self.stack.sentry.events()]
        return Counter(tags.get("credential", "") for tags in told if tags.get("reason") == reason)

    def log(self, name: str) -> str:
        return (self.stack.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    # --- waiting

    def wait_for_sweeps(self, count: int = 2) -> None:
        """Return when the schedule's sweeps reach the exchange (again)."""
        since = self.seq()
        until(lambda: self.sweeps(since) >= count, RESUME_SECONDS, "sweeps")

    def wait_until_nothing_is_left_to_revoke(self, name: str) -> None:
        """Return when no token of that credential is superseded or on its way out: nobody writes its journal then."""

        def is_quiet() -> bool:
            others = [one for one in self.journal(name).ledger if one.state is not RecordState.CURRENT]
            return all(one.state is RecordState.REVOKED and one.secret_destroyed for one in others)

        until(is_quiet, RESUME_SECONDS, f"the last revocation of {name}")

    def wait_for_rotations(self) -> None:
        """Return when every scheduled credential was rotated once more."""
        before = self.promotions()
        until(
            lambda: all(self.promotions()[name] > before[name] for name in SCHEDULED),
            RESUME_SECONDS,
            "a rotation of every credential",
        )

    def rotator(self, *argv: str, seconds: float = 30.0) -> tuple[int, dict[str, Any]]:
        """Run the command line as a person would; return its exit code and its JSON."""
        told = private_environment(self.stack.folder, self.stack.worker_environment)
        command = [str(Path(sys.executable).with_name("rotator")), *argv, "--json"]
        done = subprocess.run(
            command, env=told, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
        answer: dict[str, Any] = json.loads(done.stdout or b"{}")
        return done.returncode, answer

    # --- what must be true

    def faults(self) -> list[str]:
        """Return everything that must never be, as sentences; nothing when all is well."""
        return [*self._ended_processes(), *self._rejections(), *self._wrongly_revoked(), *self._too_many_rotations()]

    def orphans(self) -> tuple[TokenEntry, ...]:
        return find_orphans(self.stack, self.inspector)

    def _ended_processes(self) -> Iterator[str]:
        now = {child.name: child.pid for child in self.stack.children if child.exit_code is None}
        for name, pid in self.pids.items():
            if now.get(name) != pid:
                yield f"{name} ended:\n{self.log(name)[-2000:]}"

    def _rejections(self) -> Iterator[str]:
        if refusals(self.stack):
            yield "the trader was rejected"

    def _wrongly_revoked(self) -> Iterator[str]:
        """A token that was served may go when its successor was served for the length of the grace."""
        grace = {one.name: one.policy.grace for one in self.stack.settings.credentials}
        revoked = {token.token_id: token.revoked_at for token in self.stack.control.tokens() if token.revoked_at}
        for name, journal in self.inspector.journals().items():
            for record in journal.ledger if journal else ():
                at = revoked.get(record.token_id or "")
                if at is None or record.promoted_at is None:
                    continue
                if record.superseded_at is None or at - record.superseded_at < grace[name] - timedelta(seconds=0.5):
                    yield f"{record.label} was revoked at {at}, superseded at {record.superseded_at}"

    def _too_many_rotations(self) -> Iterator[str]:
        for name in SCHEDULED:
            journal = self.inspector.journals()[name]
            times = sorted(one.promoted_at for one in journal.ledger if one.promoted_at) if journal else []
            period = self.stack.settings.credential(name).policy.nominal_period
            for earlier, later in pairwise(times):
                if later - earlier < period - timedelta(seconds=0.5):
                    yield f"{name} was rotated at {earlier} and again at {later}"


@contextmanager
def running_system(
    *,
    workers: int = 2,
    beats: int = 2,
    config: Path = CONFIG,
    make: Callable[[StackOptions], OutageStack] = OutageStack,
) -> Iterator[System]:
    """Start everything without faults, and return when every credential has a token."""
    options = StackOptions(
        config=config, faults="none", workers=workers, beats=beats, unread=frozenset(), reread_seconds=1.0, rate=5.0
    )
    with (
        make(options) as stack,
        closing(
            VaultInspector(addr=stack.vault.addr, token=stack.vault.root_token, settings=stack.settings)
        ) as inspector,
        connect(stack.settings.infrastructure.redis_url) as client,
    ):
        system = System(stack, inspector, client)
        system.remember_processes()
        if beats:
            until(lambda: min(system.promotions().values()) >= 1, RESUME_SECONDS, "a token for every credential")
        yield system


def send_signal(pid: int | None, signal_number: int) -> None:
    """Send a signal to a process that runs."""
    assert pid is not None
    os.kill(pid, signal_number)
