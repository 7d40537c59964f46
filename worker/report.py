"""Builds the read model: what an operator sees, without any secret."""

from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from config.schema import Policy
from worker.account_ledger import Pause
from worker.journal import Journal, RecordState, TokenRecord
from worker.models import ListedToken, TokenList
from worker.policy.due import is_overdue, judge_due
from worker.policy.facts import AccountFacts, AccountState, CredentialFacts
from worker.policy.guards import freezes_of, pause_of
from worker.policy.steps import Hold, Plan, Reason
from worker.policy.thaw import turn_of
from worker.policy.usage import used_by_others
from worker.views import (
    AccountView,
    CredentialView,
    FlagView,
    FreezeView,
    HoldView,
    IntentView,
    PauseView,
    Report,
    StaleView,
    TokenState,
    TokenView,
)


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
        accounts=tuple(_account(one, holds, now) for one in facts),
        credentials=tuple(
            _credential(one, account.tokens, holds, now) for account in facts for one in account.credentials
        ),
    )


def _account(facts: AccountFacts, holds: Iterable[Hold], now: datetime) -> AccountView:
    readable = not any(one.unreadable for one in facts.credentials)
    # Whose a token is cannot be said before every journal was read.
    foreign = facts.strangers(facts.tokens) if readable and facts.tokens else ()
    return AccountView(
        name=facts.account,
        list_error=facts.list_error,
        state_error=facts.state_error,
        pauses=tuple(_pauses(facts, now)),
        freezes=tuple(_freezes(facts, now)),
        flags=_flags(facts.state, {"", *facts.unconfigured}),
        live_tokens=len(facts.tokens.tokens) if facts.tokens else None,
        foreign=tuple(_listed_view(token, TokenState.FOREIGN) for token in foreign),
        # What is foreign is listed already.
        holds=_holds(holds, facts.account, "", but=Reason.FOREIGN),
    )


def _credential(
    facts: CredentialFacts, tokens: TokenList | None, holds: Iterable[Hold], now: datetime
) -> CredentialView:
    settings, journal, current = facts.credential, facts.ledger, facts.current
    promoted_at = current.promoted_at if current else None
    flags = _flags(facts.state, {facts.credential.name})
    pause = pause_of(facts.state.ledger, settings.name, now) if facts.state else None
    stale = next((one for one in flags if one.kind in {Reason.STALE, Reason.UNUSED}), None)
    return CredentialView(
        name=settings.name,
        account=settings.account,
        path=f"{settings.mount}/{settings.path}",
        rotation_period=settings.policy.rotation_period,
        rotation_schedule=settings.policy.rotation_schedule,
        max_age=settings.policy.max_age,
        age=now - promoted_at if promoted_at else None,
        overdue=current is not None and is_overdue(current, settings.policy, now),
        promoted_at=promoted_at,
        due_at=_due_at(facts, promoted_at, now) if promoted_at else None,
        current_token_id=current.token_id if current else None,
        tokens=(*_served_unknown(facts, tokens), *(_tokens(facts, journal, tokens) if journal else ())),
        intent=_intent(facts),
        stale=StaleView(kind=stale.kind, since=stale.since) if stale else None,
        flags=flags,
        pause=_pause_view(pause) if pause else None,
        retired_at=journal.retired_at if journal else None,
        emergency_at=journal.emergency_at if journal else None,
        failures=journal.failures.attempts if journal else 0,
        unreadable=facts.unreadable,
        holds=_holds(holds, settings.account, settings.name),
    )


def _due_at(facts: CredentialFacts, promoted_at: datetime, now: datetime) -> datetime:
    next_at = judge_due(facts.credential.name, facts.credential.policy, promoted_at, now).next_at
    return turn_of(facts, next_at, now)


def _flags(state: AccountState | None, names: Container[str]) -> tuple[FlagView, ...]:
    return tuple(
        FlagView(
            kind=flag.kind,
            since=flag.since,
            severity=flag.severity,
            credential=flag.credential or None,
            token_id=flag.token_id,
            sentence=flag.sentence,
            evidence=flag.evidence,
        )
        for flag in (state.ledger.flags if state else ())
        if flag.credential in names
    )


def _pauses(facts: AccountFacts, now: datetime) -> Iterator[PauseView]:
    for pause in facts.state.ledger.pauses if facts.state else ():
        if pause.until is None or now < pause.until:
            yield _pause_view(pause)


def _pause_view(pause: Pause) -> PauseView:
    return PauseView(
        credential=pause.credential, since=pause.since, until=pause.until, by=pause.by, reason=pause.reason
    )


def _freezes(facts: AccountFacts, now: datetime) -> Iterator[FreezeView]:
    if facts.state is None:
        return
    sight = max((one.credential.policy.freeze_sight for one in facts.credentials), default=timedelta())
    for freeze in freezes_of(facts.account, facts.state.freezes, facts.state.ledger, now, sight):
        yield FreezeView(start=freeze.start, until=freeze.until, reason=freeze.reason, in_force=freeze.start <= now)


def _intent(facts: CredentialFacts) -> IntentView | None:
    intent = facts.intent
    if intent is None:
        return None
    stage: Literal["deriving", "staged", "promoted"] = "staged" if intent.token else "deriving"
    if intent.token and intent.token.token_id == facts.served_token_id:
        stage = "promoted"
    return IntentView(rotation_id=intent.rotation_id, stage=stage, reason=intent.reason, opened_at=intent.opened_at)


def _served_unknown(facts: CredentialFacts, tokens: TokenList | None) -> Iterator[TokenView]:
    """Yield the token that services are served although no journal of this credential knows it."""
    served = tokens.by_id(facts.served_token_id) if tokens and facts.served_token_id else None
    if served is None or facts.knows(served):
        return
    staged = facts.intent.token if facts.intent else None
    if staged is None or staged.token_id != served.token_id:
        yield _listed_view(served, TokenState.FOREIGN)


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


def _of_record(record: TokenRecord, tokens: TokenList | None, policy: Policy) -> dict[str, datetime | str | None]:
    listed = tokens.by_id(record.token_id) if tokens and record.token_id else None
    return {
        "used_by_others_at": used_by_others(record, listed, policy),
        "grace_ends_at": record.superseded_at + policy.grace if record.superseded_at else None,
        # Whoever compares with the exchange looks for what it is called there.
        "exchange_label": record.adopted_as or None,
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
