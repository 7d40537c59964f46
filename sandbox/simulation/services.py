"""Readers of a credential: they hold what they read from Vault, and sign with it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from tests.simulation.exchange import SimulatedExchange
from tests.simulation.fleet import Behaviour
from tests.simulation.vault import SimulatedVault
from worker.models import PathLocation

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Reader:
    """One process of a trading service.

    It signs with what it holds *before* it looks for something newer, so that a token which ended too early is always
    noticed. A rejected one is restarted, and reads Vault then.
    """

    name: str
    location: PathLocation
    behaviour: Behaviour
    exchange: SimulatedExchange
    vault: SimulatedVault
    random: Random
    rejected: Callable[["Reader", str], None]
    held: str | None = None
    next_read: datetime = _NEVER
    next_use: datetime = _NEVER
    away_until: datetime | None = None

    def start(self, now: datetime) -> None:
        """Begin at that moment, at a place in its own rhythm that is drawn."""
        self.next_read = now
        self.next_use = now + self.behaviour.uses_every * self.random.random()

    def new_week(self, now: datetime) -> None:
        """Decide whether it runs this week."""
        if self.random.random() < self.behaviour.away_share:
            self.away_until = now + timedelta(days=7)

    def act(self, now: datetime) -> None:
        """Sign and read, as far as it is time for either."""
        if self.away_until is not None:
            if now < self.away_until:
                return
            self.away_until = None
            self.held = None
        if self.held is not None and now >= self.next_use and not self.exchange.away():
            self.next_use = now + self.behaviour.uses_every
            if not self.exchange.use(self.held):
                self.rejected(self, self.held)
                self.held = None
        if self.vault.away() or not (self.held is None or now >= self.next_read):
            return
        document = self.vault.consumers.peek(self.location).document
        self.held = document.token_id if document else None
        every = self.behaviour.reads_every
        self.next_read = _NEVER if every is None else now + every
