"""One account's exchange for simulated years: fast, dated by the virtual clock, late and faulty on demand."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from pydantic import SecretStr

from sandbox.simulation.clock import VirtualClock
from sandbox.simulation.intervals import Intervals
from worker.errors import AmbiguousDeriveError, AuthenticationRefusedError, ExchangeUnavailableError
from worker.models import Capabilities, DerivedToken, ListedToken, Profile, RevokeResult, TokenList


@dataclass(slots=True, eq=False)
class SimulatedToken:
    """One token, from its derive to its end.

    `answered` is False when its secret was lost on the way; `accepted_at` is when its first call is accepted.
    """

    token_id: str
    secret: str
    label: str | None
    scopes: tuple[str, ...]
    created_at: datetime
    visible_at: datetime
    accepted_at: datetime
    answered: bool = True
    by_person: bool = False
    revoked_at: datetime | None = None
    revoked_by: str = ""
    shown_use: datetime | None = None
    pending_uses: deque[datetime] = field(default_factory=deque)
    row: ListedToken | None = None


class SimulatedExchange:
    """`worker.ports.Exchange` of one account.

    Args:
        name: of the account; part of every token id.
        clock: dates everything.
        random: draws faults, lags and how long a new token stays hidden.
        outages: when nothing is answered.
        sluggish: when a fresh token is not accepted before the interval ends.
        on_derive: told of each label that a token was derived for.
        on_revoke: told of each revocation that the worker asks for, before it is carried out.
    """

    def __init__(
        self,
        *,
        name: str,
        clock: VirtualClock,
        random: Random,
        outages: Intervals,
        sluggish: Intervals,
        on_derive: Callable[[SimulatedToken], None],
        on_revoke: Callable[[SimulatedToken], None],
    ) -> None:
        self.name = name
        self._clock = clock
        self._random = random
        self._outages = outages
        self._sluggish = sluggish
        self._on_derive = on_derive
        self._on_revoke = on_revoke
        self.live: dict[str, SimulatedToken] = {}
        self.ended: dict[str, SimulatedToken] = {}
        self.lost_share = 0.005
        self.fault_share = 0.002
        self.lag = timedelta(minutes=random.uniform(0, 14))
        self.cut_until: datetime | None = None
        self._count = 0

    # --- the port

    def get_capabilities(self) -> Capabilities:
        """Return what every simulated profile may do."""
        return Capabilities(1, token_management_enabled=True, allowed_scopes=("trading", "delegated_signing"))

    def profile(self) -> Profile:
        """Return the account's profile; a simulated account never gets another one's identity."""
        return Profile(partner_profile_id=1, subject=f"did:privy:{self.name}")

    def list_tokens(self) -> TokenList:
        """Return the visible tokens, or the first third of them while lists are cut short."""
        now = self._arrive()
        seen = now - self.lag
        rows = [_row(token, seen) for token in self.live.values() if token.visible_at <= now]
        if self.cut_until is not None and now < self.cut_until:
            rows = rows[: len(rows) // 3]
        return TokenList(tuple(rows), now.replace(microsecond=0), self.profile())

    def derive_token(
        self,
        label: str,
        scopes: Sequence[str],
        *,
        deadline: timedelta,  # noqa: ARG002 - the port's
        profile: Profile | None = None,  # noqa: ARG002 - the port's
    ) -> DerivedToken:
        """Return a fresh token; now and then it is hidden for some minutes, or its answer is lost."""
        now = self._arrive()
        hidden = timedelta(minutes=self._random.uniform(1, 12)) if self._random.random() < _HIDDEN else timedelta()
        token = self._issue(label, tuple(scopes), now + hidden)
        token.accepted_at = self._sluggish.end_at(now) or now
        self._on_derive(token)
        if self._random.random() < self.lost_share:
            token.answered = False
            raise AmbiguousDeriveError(f"the answer to the derive of {label} was lost")
        return DerivedToken(token.token_id, SecretStr(token.secret), token.scopes, token.created_at, self.profile())

    def revoke_token(self, token_id: str, *, profile: Profile | None = None) -> RevokeResult:  # noqa: ARG002 - the port's
        """End a token."""
        self._arrive()
        token = self.live.get(token_id)
        if token is None:
            return RevokeResult.ALREADY_GONE
        self._on_revoke(token)
        self._end(token, "worker")
        return RevokeResult.REVOKED

    def list_tokens_as(self, token_id: str, secret: SecretStr) -> TokenList:
        """Return the list as `list_tokens` does, if the token is accepted with that secret."""
        self._arrive()
        if not self.use(token_id, secret.get_secret_value()):
            raise AuthenticationRefusedError("Invalid HMAC authentication", status=401)
        return self.list_tokens()

    # --- services and people

    def use(self, token_id: str, secret: str) -> bool:
        """Let somebody sign a call with that token now; return whether it was accepted."""
        token, now = self.live.get(token_id), self._clock.now()
        if token is None or token.secret != secret or now < token.accepted_at:
            return False
        token.pending_uses.append(now)
        return True

    def away(self) -> bool:
        """Whether the exchange answers nobody now."""
        return self._outages.at(self._clock.now())

    def issue_by_person(self, label: str | None) -> SimulatedToken:
        """Return a token that a person made beside everything the worker knows."""
        token = self._issue(label, ("trading",), self._clock.now())
        token.by_person = True
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
        token_id, now = f"{self.name}-token-{self._count}", self._clock.now()
        token = SimulatedToken(token_id, f"secret of {token_id}", label, scopes, now, visible_at, now)
        self.live[token_id] = token
        return token

    def _end(self, token: SimulatedToken, by: str) -> None:
        del self.live[token.token_id]
        token.revoked_at, token.revoked_by = self._clock.now(), by
        self.ended[token.token_id] = token


_HIDDEN = 0.05
"""The share of new tokens that lists show only after some minutes."""


def _row(token: SimulatedToken, seen: datetime) -> ListedToken:
    """Return the token's row as it is with uses up to `seen`; the same object as before when nothing changed."""
    uses = token.pending_uses
    if token.row is not None and not (uses and uses[0] <= seen):
        return token.row
    while uses and uses[0] <= seen:
        token.shown_use = uses.popleft()
    token.row = ListedToken(token.token_id, token.label, token.scopes, token.created_at, token.shown_use)
    return token.row
