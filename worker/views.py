"""The read model's types: what an operator sees of accounts, credentials and tokens. No secret is in any of them."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from worker.models import Severity
from worker.policy.steps import Reason


class TokenState(StrEnum):
    """What a token is to us. DERIVING: it carries the open intent's label, and its answer is not in the journal yet."""

    DERIVING = "deriving"
    STAGED = "staged"
    CURRENT = "current"
    SUPERSEDED = "superseded"
    REVOKING = "revoking"
    ORPHAN = "orphan"
    FOREIGN = "foreign"


class _View(BaseModel):
    # Durations are seconds in JSON.
    model_config = ConfigDict(frozen=True, ser_json_timedelta="float")


class TokenView(_View):
    """One token. `listed` is None when the list could not be read; `grace_ends_at` is for superseded ones.

    `last_used_at` is what the exchange says, `used_by_others_at` leaves out our own verify calls. `exchange_label` is
    what an adopted token is called there, when that is another name than ours.
    """

    token_id: str
    label: str | None
    state: TokenState
    listed: bool | None
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    used_by_others_at: datetime | None = None
    grace_ends_at: datetime | None = None
    exchange_label: str | None = None


class IntentView(_View):
    """The attempt under way."""

    rotation_id: str
    stage: Literal["deriving", "staged", "promoted"]
    reason: str
    opened_at: datetime


class StaleView(_View):
    """The verdict on use that was announced: stale or unused."""

    kind: str
    since: datetime


class FlagView(_View):
    """One verdict that began, was announced, and lasts; `credential` is None for one on the whole account."""

    kind: str
    since: datetime
    severity: Severity
    credential: str | None = None
    token_id: str | None = None
    sentence: str = ""
    evidence: dict[str, str] = {}


class PauseView(_View):
    """A person's pause in force; `credential` None means the whole account, `until` None has no end."""

    credential: str | None
    since: datetime
    until: datetime | None
    by: str
    reason: str


class FreezeView(_View):
    """A freeze that is in force, or within sight."""

    start: datetime
    until: datetime
    reason: str
    in_force: bool


class HoldView(_View):
    """Something that is deliberately not done now, and why."""

    severity: Severity
    reason: Reason
    sentence: str
    token_id: str | None = None


class _Watched(_View):
    holds: tuple[HoldView, ...] = ()

    @property
    def alerts(self) -> tuple[HoldView, ...]:
        """The holds that a person should look at."""
        return tuple(hold for hold in self.holds if hold.severity is not Severity.INFO)


class CredentialView(_Watched):
    """One credential: its current token's age against its period, all its tokens, and what is the matter with it.

    `age` and `due_at` are None before the first token (then it is due now) and when the journal cannot be read. `age`
    counts from the promotion, `overdue` from when the token was made: one that was rolled back to may be both young and
    overdue.
    """

    name: str
    account: str
    path: str
    rotation_period: timedelta | None
    rotation_schedule: str | None = None
    max_age: timedelta
    age: timedelta | None = None
    overdue: bool = False
    promoted_at: datetime | None = None
    due_at: datetime | None = None
    current_token_id: str | None = None
    tokens: tuple[TokenView, ...] = ()
    intent: IntentView | None = None
    stale: StaleView | None = None
    flags: tuple[FlagView, ...] = ()
    pause: PauseView | None = None
    retired_at: datetime | None = None
    emergency_at: datetime | None = None
    failures: int = 0
    unreadable: str | None = None

    @property
    def needs_attention(self) -> bool:
        """Whether anything about it is abnormal."""
        orphans = any(token.state is TokenState.ORPHAN for token in self.tokens)
        return bool(
            self.alerts
            or self.flags
            or self.failures
            or self.emergency_at
            or orphans
            or self.overdue
            or self.unreadable
        )


class AccountView(_Watched):
    """One account: whether its list could be read, how many tokens live there, and which of them are not ours."""

    name: str
    list_error: str | None
    live_tokens: int | None
    foreign: tuple[TokenView, ...] = ()
    pauses: tuple[PauseView, ...] = ()
    freezes: tuple[FreezeView, ...] = ()
    flags: tuple[FlagView, ...] = ()
    state_error: str | None = None

    @property
    def needs_attention(self) -> bool:
        """Whether anything about it is abnormal."""
        return bool(self.list_error or self.state_error or self.alerts or self.flags)


class Report(_View):
    """Everything, at one moment."""

    at: datetime
    accounts: tuple[AccountView, ...]
    credentials: tuple[CredentialView, ...]

    @property
    def needs_attention(self) -> bool:
        """Whether a person should look."""
        return any(one.needs_attention for one in self.accounts) or any(one.needs_attention for one in self.credentials)
