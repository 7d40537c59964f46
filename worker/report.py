"""The read model: what an operator sees of accounts, credentials and tokens. No secret is in any of its types."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from config.schema import Policy
from worker.journal import Journal, RecordState, TokenRecord
from worker.models import ListedToken, Severity, TokenList
from worker.policy.due import judge_due
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.steps import Hold, Plan, Reason
from worker.policy.usage import used_by_others


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

    `last_used_at` is what the exchange says, `used_by_others_at` leaves out our own verify calls.
    """

    token_id: str
    label: str | None
    state: TokenState
    listed: bool | None
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    used_by_others_at: datetime | None = None
    grace_ends_at: datetime | None = None


class IntentView(_View):
    """The attempt under way."""

    rotation_id: str
    stage: Literal["deriving", "staged", "promoted"]
    reason: str
    opened_at: datetime


class StaleView(_View):
    """The stale verdict that was announced."""

    kind: str
    since: datetime


class FlagView(_View):
    """One verdict that began, was announced, and lasts."""

    kind: str
    since: datetime
    severity: Severity
    token_id: str | None = None


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

    `age` and `due_at` are None before the first token (then it is due now) and when the journal cannot be read.
    """

    name: str
    account: str
    path: str
    rotation_period: timedelta | None
    rotation_schedule: str | None = None
    max_age: timedelta
    age: timedelta | None = None
    promoted_at: datetime | None = None
    due_at: datetime | None = None
    current_token_id: str | None = None
    tokens: tuple[TokenView, ...] = ()
    intent: IntentView | None = None
    stale: StaleView | None = None
    flags: tuple[FlagView, ...] = ()
    failures: int = 0
    unreadable: str | None = None

    @property
    def needs_attention(self) -> bool:
        """Whether anything about it is abnormal."""
        orphans = any(token.state is TokenState.ORPHAN for token in self.tokens)
        overdue = self.age is not None and self.age > self.max_age
        return bool(self.alerts or self.flags or self.failures or orphans or overdue or self.unreadable)


class AccountView(_Watched):
    """One account: whether its list could be read, how many tokens live there, and which of them are not ours."""

    name: str
    list_error: str | None
    live_tokens: int | None
    foreign: tuple[TokenView, ...] = ()

    @property
    def needs_attention(self) -> bool:
        """Whether anything about it is abnormal."""
        return bool(self.list_error or self.alerts)


class Report(_View):
    """Everything, at one moment."""

    at: datetime
    accounts: tuple[AccountView, ...]
    credentials: tuple[CredentialView, ...]

    @property
    def needs_attention(self) -> bool:
        """Whether a person should look."""
        return any(one.needs_attention for one in self.accounts) or any(one.needs_attention for one in self.credentials)


def build_report(facts: Sequence[AccountFacts], plans: Iterable[Plan], now: datetime) -> Report:
    """Return the report of those accounts.

    Args:
        facts: of each account.
        plans: what is planned for them; only their holds are shown.
        now: the present, UTC.
    """
    holds = [hold for plan in plans for hold in plan.holds]
    return Report(
        at=now,
        accounts=tuple(_account(one, holds) for one in facts),
        credentials=tuple(
            _credential(one, account.tokens, holds, now) for account in facts for one in account.credentials
        ),
    )


def _account(facts: AccountFacts, holds: Iterable[Hold]) -> AccountView:
    journals = [one.ledger for one in facts.credentials if one.ledger is not None]
    readable = not any(one.unreadable for one in facts.credentials)
    tokens = facts.tokens.tokens if facts.tokens else ()
    # Whose a token is cannot be said before every journal was read.
    foreign = [token for token in tokens if readable and not any(_is_of(journal, token) for journal in journals)]
    return AccountView(
        name=facts.account,
        list_error=facts.list_error,
        live_tokens=len(tokens) if facts.tokens else None,
        foreign=tuple(_listed_view(token, TokenState.FOREIGN) for token in foreign),
        # What is foreign is listed already.
        holds=_holds(holds, facts.account, "", but=Reason.FOREIGN),
    )


def _is_of(journal: Journal, token: ListedToken) -> bool:
    staged = journal.intent.token if journal.intent else None
    return (
        journal.owns_label(token.label)
        or journal.record_of(token.token_id) is not None
        or (staged is not None and staged.token_id == token.token_id)
    )


def _credential(
    facts: CredentialFacts, tokens: TokenList | None, holds: Iterable[Hold], now: datetime
) -> CredentialView:
    settings, journal, current = facts.credential, facts.ledger, facts.current
    promoted_at = current.promoted_at if current else None
    flags = tuple(_flags(facts))
    stale = next((one for one in flags if one.kind in {Reason.STALE, Reason.UNUSED}), None)
    return CredentialView(
        name=settings.name,
        account=settings.account,
        path=f"{settings.mount}/{settings.path}",
        rotation_period=settings.policy.rotation_period,
        rotation_schedule=settings.policy.rotation_schedule,
        max_age=settings.policy.max_age,
        age=now - promoted_at if promoted_at else None,
        promoted_at=promoted_at,
        due_at=judge_due(settings.name, settings.policy, promoted_at, now).next_at if promoted_at else None,
        current_token_id=current.token_id if current else None,
        tokens=tuple(_tokens(facts, journal, tokens)) if journal else (),
        intent=_intent(facts),
        stale=StaleView(kind=stale.kind, since=stale.since) if stale else None,
        flags=flags,
        failures=journal.failures.count if journal else 0,
        unreadable=facts.unreadable,
        holds=_holds(holds, settings.account, settings.name),
    )


def _flags(facts: CredentialFacts) -> Iterator[FlagView]:
    for flag in facts.state.ledger.flags if facts.state else ():
        if flag.credential == facts.credential.name:
            yield FlagView(kind=flag.kind, since=flag.since, severity=flag.severity, token_id=flag.token_id)


def _intent(facts: CredentialFacts) -> IntentView | None:
    intent = facts.intent
    if intent is None:
        return None
    stage: Literal["deriving", "staged", "promoted"] = "staged" if intent.token else "deriving"
    if intent.token and intent.token.token_id == facts.served_token_id:
        stage = "promoted"
    return IntentView(rotation_id=intent.rotation_id, stage=stage, reason=intent.reason, opened_at=intent.opened_at)


def _tokens(facts: CredentialFacts, journal: Journal, tokens: TokenList | None) -> Iterator[TokenView]:
    """Yield the tokens of one credential, the newest first among those that are served or were."""
    staged = journal.intent.token if journal.intent else None
    promoted = staged is not None and staged.token_id == facts.served_token_id
    if journal.intent and staged:
        state = TokenState.CURRENT if promoted else TokenState.STAGED
        yield _view(staged.token_id, journal.intent.label, state, tokens, created_at=staged.derived_at)
    for record in reversed(journal.ledger):
        if record.token_id is None or record.state is RecordState.REVOKED:
            continue
        state = _STATES[record.state]
        if promoted and state is TokenState.CURRENT:
            state = TokenState.SUPERSEDED
        view = _view(record.token_id, record.label, state, tokens, created_at=record.derived_at)
        yield view.model_copy(update=_of_record(record, tokens, facts.credential.policy))
    for token in tokens.tokens if tokens else ():
        known = journal.record_of(token.token_id) or (staged and staged.token_id == token.token_id)
        if not known and journal.owns_label(token.label):
            open_label = journal.intent.label if journal.intent and not staged else None
            yield _listed_view(token, TokenState.DERIVING if token.label == open_label else TokenState.ORPHAN)


_STATES = {
    RecordState.CURRENT: TokenState.CURRENT,
    RecordState.SUPERSEDED: TokenState.SUPERSEDED,
    RecordState.REVOKING: TokenState.REVOKING,
    RecordState.ABANDONED: TokenState.ORPHAN,
}


def _view(
    token_id: str,
    label: str,
    state: TokenState,
    tokens: TokenList | None,
    *,
    created_at: datetime | None,
) -> TokenView:
    listed = tokens.by_id(token_id) if tokens else None
    return TokenView(
        token_id=token_id,
        label=label,
        state=state,
        listed=listed is not None if tokens else None,
        created_at=created_at or (listed.created_at if listed else None),
        last_used_at=listed.last_used_at if listed else None,
    )


def _of_record(record: TokenRecord, tokens: TokenList | None, policy: Policy) -> dict[str, datetime | None]:
    listed = tokens.by_id(record.token_id) if tokens and record.token_id else None
    return {
        "used_by_others_at": used_by_others(record, listed, policy),
        "grace_ends_at": record.superseded_at + policy.grace if record.superseded_at else None,
    }


def _listed_view(token: ListedToken, state: TokenState) -> TokenView:
    return TokenView(
        token_id=token.token_id,
        label=token.label,
        state=state,
        listed=True,
        created_at=token.created_at,
        last_used_at=token.last_used_at,
    )


def _holds(holds: Iterable[Hold], account: str, credential: str, but: Reason | None = None) -> tuple[HoldView, ...]:
    return tuple(
        dict.fromkeys(
            HoldView(severity=hold.severity, reason=hold.reason, sentence=hold.sentence, token_id=hold.token_id)
            for hold in holds
            if hold.account == account and hold.credential == credential and hold.reason is not but
        )
    )
