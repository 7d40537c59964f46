"""Readers of a credential: they hold what they read from Vault, and sign with it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from sandbox.simulation.exchange import SimulatedExchange
from sandbox.simulation.fleet import DAY, Behaviour
from sandbox.simulation.vault import SimulatedVault
from worker.models import PathLocation

_NEVER = datetime.max.replace(tzinfo=UTC)
_LONGEST_WAIT = 0.4
"""The latest part of the run at which a reader that comes later comes; one that dies lives at least as long."""


@dataclass(slots=True, eq=False)
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
    held: tuple[str, str] | None = None
    next_read: datetime = _NEVER
    next_use: datetime = _NEVER
    rests_until: datetime | None = None
    dies_at: datetime = _NEVER
    uses: int = 0
    first_use: datetime | None = None
    last_use: datetime | None = None

    def start(self, now: datetime, *, days: int) -> None:
        """Begin at that moment, at a place in its own rhythm that is drawn; or later, if it is such a one.

        Args:
            now: the run's begin.
            days: how long the run is.
        """
        self.next_read = now
        self.next_use = now + self.behaviour.uses_every * self.random.random()
        if self.behaviour.born:
            self.rests_until = now + days * DAY * _LONGEST_WAIT * self.random.random()
        if self.behaviour.dies:
            self.dies_at = now + days * DAY * (_LONGEST_WAIT + (1 - _LONGEST_WAIT) * self.random.random())

    def new_week(self, now: datetime) -> None:
        """Decide whether it runs this week."""
        if self.random.random() < self.behaviour.away_share:
            self.rests_until = now + timedelta(days=7)

    def act(self, now: datetime, *, vault_away: bool, exchange_away: bool) -> None:
        """Sign and read, as far as it is time for either."""
        if self.rests_until is not None:
            if now < self.rests_until:
                return
            self.rests_until = self.held = None
        if now >= self.dies_at:
            return
        if self.held is not None and now >= self.next_use and not exchange_away:
            self.next_use = now + self.behaviour.uses_every
            if self.exchange.use(*self.held):
                self.last_use = now
                self.uses += 1
                self.first_use = self.first_use or now
            else:
                self.rejected(self, self.held[0])
                self.held = None
        if vault_away or not (self.held is None or now >= self.next_read):
            return
        document = self.vault.consumers.peek(self.location).document
        self.held = (document.token_id, document.secret.get_secret_value()) if document else None
        every = self.behaviour.reads_every
        self.next_read = _NEVER if every is None else now + every
