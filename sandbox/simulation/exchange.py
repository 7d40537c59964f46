"""One account's exchange for simulated years: fast, dated by the virtual clock, late and faulty on demand."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from pydantic import SecretStr

from tests.simulation.outages import Outages
from worker.errors import AmbiguousDeriveError, AuthenticationRefusedError, ExchangeUnavailableError
from worker.models import Capabilities, DerivedToken, ListedToken, RevokeResult, TokenList
from worker.ports import Clock


@dataclass(slots=True)
class SimulatedToken:
    """One token, from its derive to its end; `answered` is False when its secret was lost on the way."""

    token_id: str
    label: str | None
    scopes: tuple[str, ...]
    created_at: datetime
    visible_at: datetime
    answered: bool = True
    derived: bool = True
    revoked_at: datetime | None = None
    revoked_by: str = ""
    used_at: datetime | None = None
    shown_use: datetime | None = None
    pending_uses: deque[datetime] = field(default_factory=deque)


class SimulatedExchange:
    """`worker.ports.Exchange` of one account.

    Args:
        name: of the account; part of every token id.
        clock: dates everything.
        random: draws faults, lags and how long a new token stays hidden.
        outages: when nothing is answered.
        on_revoke: told of each revocation that the worker asks for, before it is carried out.
    """

    def __init__(
        self,
        *,
        name: str,
        clock: Clock,
        random: Random,
        outages: Outages,
        on_revoke: Callable[[SimulatedToken], None],
    ) -> None:
        self.name = name
        self._clock = clock
        self._random = random
        self._outages = outages
        self._on_revoke = on_revoke
        self.live: dict[str, SimulatedToken] = {}
        self.ended: dict[str, SimulatedToken] = {}
        self.derives: list[datetime] = []
        self.lost_share = 0.005
        self.fault_share = 0.002
        self.lag = timedelta(minutes=random.uniform(0, 14))
        self.cut_until: datetime | None = None
        self._count = 0

    # --- the port

    def get_capabilities(self) -> Capabilities:
        return Capabilities(1, token_management_enabled=True, allowed_scopes=("trading", "delegated_signing"))

    def list_tokens(self) -> TokenList:
        now = self._arrive()
        rows = [self._row(token, now) for token in self.live.values() if token.visible_at <= now]
        if self.cut_until is not None and now < self.cut_until:
            rows = rows[: len(rows) // 3]
        return TokenList(tuple(rows), now.replace(microsecond=0))

    def derive_token(self, label: str, scopes: Sequence[str], *, deadline: timedelta) -> DerivedToken:
        now = self._arrive()
        hidden = timedelta(minutes=self._random.uniform(1, 12)) if self._random.random() < 0.05 else timedelta()
        token = self._issue(label, tuple(scopes), now + hidden)
        self.derives.append(now)
        if self._random.random() < self.lost_share:
            token.answered = False
            raise AmbiguousDeriveError("the answer to a derive was lost")
        return DerivedToken(token.token_id, SecretStr(f"of {token.token_id}"), token.scopes, token.created_at)

    def revoke_token(self, token_id: str) -> RevokeResult:
        self._arrive()
        token = self.live.get(token_id)
        if token is None:
            return RevokeResult.ALREADY_GONE
        self._on_revoke(token)
        self._end(token, "worker")
        return RevokeResult.REVOKED

    def list_tokens_as(self, token_id: str, secret: SecretStr) -> TokenList:
        self._arrive()
        if not self.use(token_id):
            raise AuthenticationRefusedError("Invalid HMAC authentication", status=401)
        return self.list_tokens()

    # --- services and people

    def use(self, token_id: str) -> bool:
        """Let somebody sign a call with that token now; return whether it was accepted."""
        token = self.live.get(token_id)
        if token is None:
            return False
        token.used_at = self._clock.now()
        token.pending_uses.append(token.used_at)
        return True

    def away(self) -> bool:
        """Whether the exchange answers nobody now."""
        return self._outages.at(self._clock.now())

    def issue_by_person(self, label: str | None) -> SimulatedToken:
        """Return a token that a person made beside everything the worker knows."""
        token = self._issue(label, ("trading",), self._clock.now())
        token.derived = False
        return token

    def revoke_by_person(self, token_id: str) -> None:
        """End a token as a person does at the exchange's own page."""
        if token_id in self.live:
            self._end(self.live[token_id], "person")

    # --- inside

    def _arrive(self) -> datetime:
        now = self._clock.now()
        if self._outages.at(now) or self._random.random() < self.fault_share:
            raise ExchangeUnavailableError(f"the exchange does not answer account {self.name}")
        return now

    def _issue(self, label: str | None, scopes: tuple[str, ...], visible_at: datetime) -> SimulatedToken:
        self._count += 1
        token_id = f"{self.name}-token-{self._count}"
        token = SimulatedToken(token_id, label, scopes, self._clock.now(), visible_at)
        self.live[token_id] = token
        return token

    def _end(self, token: SimulatedToken, by: str) -> None:
        del self.live[token.token_id]
        token.revoked_at, token.revoked_by = self._clock.now(), by
        self.ended[token.token_id] = token

    def _row(self, token: SimulatedToken, now: datetime) -> ListedToken:
        while token.pending_uses and token.pending_uses[0] <= now - self.lag:
            token.shown_use = token.pending_uses.popleft()
        return ListedToken(token.token_id, token.label, token.scopes, token.created_at, token.shown_use)
