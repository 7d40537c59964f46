"""Which tokens are revoked now, which wait, and why. Nothing is revoked on a guess.

Rules in docs/architecture.md: only tokens of our ledger or with the full label of one of our intents; never the one
that Vault serves; superseded ones after grace *and* when use proves the cut-over.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from worker.journal import Journal, RecordState, TokenRecord
from worker.models import ListedToken, RevokeResult, Severity, TokenList
from worker.policy.caps import within_cap
from worker.policy.copies import waiting
from worker.policy.due import age_of
from worker.policy.ended import came_back
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.guards import credential_held_back, freezes_of, held_back
from worker.policy.quiet import quiet_for_sure, why_not_quiet
from worker.policy.safety import AT_THE_PATH, account_hold, hands_off
from worker.policy.steps import ORDERED, Action, Hold, Plan, Reason, Step
from worker.policy.usage import is_adopted, stale_verdict, used_by_others
from worker.policy.wording import span


def plan_revocations(facts: AccountFacts, now: datetime) -> Plan:
    """Return REVOKE and DESTROY steps, what was ordered first, then orphans, and a hold for everything that waits."""
    ordered = tuple(step for one in facts.credentials for step in plan_ordered(one))
    hold = _account_hold(facts, now)
    if hold is not None or facts.tokens is None:
        _, alerts = waiting((), facts, now)
        return Plan(steps=ordered, holds=(*((hold,) if hold else ()), *alerts))
    unrecorded = facts.unrecorded(facts.tokens)
    verdicts = [verdict for one in facts.credentials for verdict in _of_credential(one, facts.tokens, unrecorded, now)]
    judged, alerts = waiting(verdicts, facts, now)
    steps, held = within_cap(facts, facts.tokens, [one for one in judged if isinstance(one, Step)])
    holds = tuple(one for one in judged if isinstance(one, Hold))
    return Plan((*ordered, *steps), (*alerts, *holds, *held, *_foreign(facts, facts.tokens)))


def _account_hold(facts: AccountFacts, now: datetime) -> Hold | None:
    tolerance = min((one.credential.policy.max_clock_skew for one in facts.credentials), default=None)
    if tolerance is None:
        return None
    hold = account_hold(facts, tolerance)
    if hold is not None or facts.state is None:
        return hold
    ledger = facts.state.ledger
    return held_back(facts.account, "", ledger, freezes_of(facts.account, facts.state.freezes, ledger, now), now)


def plan_ordered(facts: CredentialFacts) -> tuple[Step, ...]:
    """Return what a person ordered and is not done yet: take a retired path out of service, revoke marked tokens.

    The tombstone comes first: only versions before the latest are destroyed with their token. What is at the path does
    not save a token that was ordered to end, and stays there unless it is a token of our ledger. A journal that belongs
    to another name or account does: at another account a live token is as unknown as one that is gone.
    """
    hold = hands_off(facts)
    if facts.ledger is None or facts.intent is not None or (hold is not None and hold.reason not in AT_THE_PATH):
        return ()
    served = facts.ledger.record_of(facts.served_token_id) if facts.served_token_id else None
    steps = [_tombstone(facts, served)] if facts.ledger.retired_at and served else []
    for record in facts.ledger.ledger:
        if record.state is RecordState.REVOKING and record.revoking_reason in ORDERED:
            sentence = f"{record.label} is revoked at once, because a person ordered it ({record.revoking_reason})."
            steps.append(_step(facts, Action.REVOKE, Reason(record.revoking_reason), sentence, record, None))
    return tuple(steps)


def _tombstone(facts: CredentialFacts, served: TokenRecord) -> Step:
    sentence = f"Credential {facts.credential.name} is retired; its path still serves {served.label} and is emptied."
    return _step(facts, Action.RETIRE, Reason.RETIRED, sentence, served, None)


def _of_credential(
    facts: CredentialFacts, tokens: TokenList, unrecorded: Sequence[ListedToken], now: datetime
) -> Iterator[Step | Hold]:
    hold = hands_off(facts) or credential_held_back(facts, now)
    if hold is not None:
        yield hold
        return
    journal = facts.ledger
    if journal is None:
        return
    name = f"credential {facts.credential.name} (account {facts.credential.account})"
    if journal.intent is not None:
        sentence = f"Nothing of {name} is revoked while rotation {journal.intent.rotation_id} is under way."
        yield _hold(facts, Reason.INTENT_OPEN, sentence)
        return
    current = journal.current
    if current is not None and current.token_id is not None and tokens.by_id(current.token_id) is None:
        young = current.promoted_at is not None and now - current.promoted_at <= facts.credential.policy.lastused_lag
        yield _hold(
            facts,
            Reason.CURRENT_NOT_LIVE,
            f"The current token {current.label} of {name} is not in the exchange's list; nothing else of it is revoked "
            f"until it is. If it was revoked by hand, that is proved within two sweeps and it is rotated at once.",
            Severity.INFO if young else Severity.ERROR,
        )
        return
    stale = facts.credential.policy.on_stale == "revoke" and stale_verdict(
        journal, tokens, facts.credential.policy, now
    )
    for record in journal.ledger:
        ended = record.state is RecordState.REVOKED and record.secret_destroyed
        if ended and not came_back(record, tokens, facts, now):
            continue  # most of a ledger: ended in every way
        verdict = _of_record(facts, journal, record, tokens, now, stale=bool(stale))
        if verdict is not None:
            yield verdict
    yield from strays_of(facts, unrecorded)


def _of_record(
    facts: CredentialFacts, journal: Journal, record: TokenRecord, tokens: TokenList, now: datetime, *, stale: bool
) -> Step | Hold | None:
    if record.token_id is None or record.token_id == facts.served_token_id:
        return None
    listed = tokens.by_id(record.token_id)
    match record.state:
        case RecordState.CURRENT:
            return None
        case RecordState.REVOKED if came_back(record, tokens, facts, now):
            sentence = f"{record.label} is listed although the exchange said that it is gone; it is revoked again."
            step = _step(facts, Action.REVOKE, Reason.LISTED_AGAIN, sentence, record, listed)
            return replace(step, severity=Severity.WARNING)
        case RecordState.REVOKED:
            sentence = f"Old versions of the consumers' path still hold the secret of revoked token {record.label}."
            return _step(facts, Action.DESTROY, Reason.SECRET_LEFT, sentence, record, None)
        case RecordState.REVOKING if record.revoking_reason in ORDERED:
            return None  # planned already, whatever else holds
        case RecordState.REVOKING if (
            record.superseded_at and now - record.superseded_at < facts.credential.policy.grace
        ):
            sentence = (
                f"{record.label} is marked, but somebody put it back at its path meanwhile; it has its grace anew."
            )
            return _hold(facts, Reason.IN_GRACE, sentence, record=record)
        case RecordState.REVOKING:
            sentence = f"The revocation of {record.label} was begun but the exchange's answer is not in the ledger."
            return _step(facts, Action.REVOKE, Reason.REVOKE_UNFINISHED, sentence, record, listed)
        case RecordState.ABANDONED:
            sentence = f"{record.label} was abandoned: its token is an orphan, its secret is in no Vault path."
            return _step(facts, Action.REVOKE, Reason.ORPHAN, sentence, record, listed)
        case RecordState.SUPERSEDED:
            return _superseded(facts, journal, record, tokens, now, stale=stale)


def _superseded(
    facts: CredentialFacts, journal: Journal, record: TokenRecord, tokens: TokenList, now: datetime, *, stale: bool
) -> Step | Hold:
    policy = facts.credential.policy
    listed = tokens.by_id(record.token_id) if record.token_id else None
    if record.superseded_at is None or record.derived_at is None:
        sentence = f"When {record.label} was superseded is unknown; it is not revoked."
        return _hold(facts, Reason.TIME_UNKNOWN, sentence, Severity.WARNING, record)
    overlap = now - record.superseded_at
    if overlap < policy.grace:
        left = span(policy.grace - overlap)
        return _hold(facts, Reason.IN_GRACE, f"{record.label} is in its grace for another {left}.", record=record)
    since = f"{record.label} was superseded {span(overlap)} ago, its grace of {span(policy.grace)} is over"
    age = age_of(record, now)
    if age is not None and age > policy.max_age:
        sentence = f"{since}, and it is older than max_age {span(policy.max_age)}."
        return _step(facts, Action.REVOKE, Reason.AGE_OVER, sentence, record, listed)
    overlap_over = overlap >= policy.max_overlap
    if listed is None:
        # A list may lag or be cut short, so whether anybody uses the token is unknown, and max_overlap does not waive
        # quiet. Past max_age the exchange is asked, and its own answer ends the entry.
        sentence = (
            f"{since}, but it is not in the list, so whether it is in use is unknown; it is asked for at max_age."
        )
        return _hold(facts, Reason.NOT_LISTED, sentence, record=record)
    last = listed.last_used_at
    quiet_for = policy.quiet_period + policy.lastused_lag
    if last is not None and quiet_for_sure(facts, last, now) < quiet_for:
        sentence = why_not_quiet(since, facts, last, now, quiet_for)
        if overlap_over and policy.on_overlap == "revoke":
            limit = f"max_overlap {span(policy.max_overlap)}"
            sentence = f"{since}, and so is {limit}; on_overlap says to revoke it, in use or not."
            return _step(facts, Action.REVOKE, Reason.OVERLAP_OVER, sentence, record, listed)
        severity = Severity.WARNING if overlap_over else Severity.INFO
        return _hold(facts, Reason.STILL_USED, sentence, severity, record)
    if stale:
        sentence = f"{since}, it is quiet, and nobody uses the credential; on_stale says to revoke what is not served."
        return _step(facts, Action.REVOKE, Reason.STALE_REVOKED, sentence, record, listed)
    if not policy.require_adoption:
        sentence = f"{since} and it is quiet; require_adoption is off."
        return _step(facts, Action.REVOKE, Reason.GRACE_OVER, sentence, record, listed)
    if is_adopted(record, journal, tokens, policy):
        sentence = f"{since}, it is quiet, and services use its successor."
        return _step(facts, Action.REVOKE, Reason.GRACE_OVER, sentence, record, listed)
    if overlap_over:
        sentence = (
            f"{since}, it is quiet, and max_overlap {span(policy.max_overlap)} has passed without a successor used."
        )
        return _step(facts, Action.REVOKE, Reason.OVERLAP_OVER, sentence, record, listed)
    sentence = f"{since} and it is quiet, but no service has used its successor yet."
    return _hold(facts, Reason.NOT_ADOPTED_YET, sentence, record=record)


def strays_of(facts: CredentialFacts, tokens: Sequence[ListedToken]) -> tuple[Step, ...]:
    """Return a step for each live token that carries one of our labels although no record knows its id: an orphan.

    A sweep passes only the tokens that no ledger of the account has; what another one has is that one's affair.
    """
    journal = facts.ledger
    if journal is None or journal.intent is not None or not tokens:
        return ()
    ours = journal.labels
    return tuple(
        Step(
            action=Action.REVOKE,
            account=facts.credential.account,
            credential=facts.credential.name,
            reason=Reason.ORPHAN,
            sentence=f"A live token carries our label {token.label}, but its secret is in no Vault path: an orphan.",
            token_id=token.token_id,
            label=token.label,
            rotation_id=token.label.rsplit("/", 1)[-1],
        )
        for token in tokens
        if token.label is not None
        and token.label in ours
        and token.token_id != facts.served_token_id
        and journal.record_of(token.token_id) is None
    )


def _foreign(facts: AccountFacts, tokens: TokenList) -> Iterator[Hold]:
    if any(one.unreadable for one in facts.credentials):
        return  # whose it is cannot be said before every journal was read
    for token in facts.strangers(tokens):
        label = token.label or "(no label)"
        sentence = f"Token {label} of account {facts.account} is not ours; it is never touched."
        yield Hold(facts.account, "", Reason.FOREIGN, sentence, token_id=token.token_id)


def may_end(record: TokenRecord, answer: RevokeResult, facts: CredentialFacts, now: datetime) -> bool:
    """Whether the exchange's answer ends the ledger's entry.

    A 200 does. A 404 does only for a token old enough to be listed: one that was minted a moment ago may not be
    visible everywhere yet.
    """
    if answer is RevokeResult.REVOKED:
        return True
    born = record.derived_at or record.abandoned_at or record.revoking_at
    return born is not None and now - born > facts.credential.policy.lastused_lag


def _step(
    facts: CredentialFacts,
    action: Action,
    reason: Reason,
    sentence: str,
    record: TokenRecord,
    listed: ListedToken | None,
) -> Step:
    return Step(
        action=action,
        account=facts.credential.account,
        credential=facts.credential.name,
        reason=reason,
        sentence=sentence,
        token_id=record.token_id,
        label=record.label,
        rotation_id=record.rotation_id,
        last_used_by_others=used_by_others(record, listed, facts.credential.policy),
    )


def _hold(
    facts: CredentialFacts,
    reason: Reason,
    sentence: str,
    severity: Severity = Severity.INFO,
    record: TokenRecord | None = None,
) -> Hold:
    token_id = record.token_id if record else None
    return Hold(facts.credential.account, facts.credential.name, reason, sentence, severity, token_id)
