"""What a complete list teaches the account ledger, and which current tokens must be probed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from worker.account_ledger import (
    AccountLedger,
    changed,
    date_anew,
    end_outage,
    learn_profile,
    note_outage,
    observe_list,
    set_dangling,
)
from worker.journal import RecordState
from worker.models import Profile, TokenList
from worker.policy.facts import AccountFacts, AccountState, CredentialFacts
from worker.policy.refusals import live_records
from worker.policy.safety import account_hold
from worker.policy.steps import Action, Reason, Step

_LISTS_TO_PROBE = 2
_ENDED = frozenset({RecordState.REVOKING, RecordState.REVOKED})


def observe(facts: AccountFacts, now: datetime) -> AccountLedger | None:
    """Return the account ledger as it should be after this list (or none), or None when it could not be read."""
    if facts.state is None:
        return None
    if facts.other_profile is not None:
        return facts.state.ledger
    if facts.tokens is None:
        return note_outage(facts.state.ledger, now)
    currents = currents_of(facts)
    ended = {
        record.token_id
        for one in facts.credentials
        for record in (one.ledger.ledger if one.ledger else ())
        if record.token_id is not None and record.state in _ENDED
    }
    listed = {token.token_id for token in facts.tokens.tokens}
    tolerance = min((one.credential.policy.max_clock_skew for one in facts.credentials), default=timedelta())
    agree = account_hold(facts, tolerance) is None
    before = date_anew(facts.state.ledger, now, tolerance) if agree else facts.state.ledger
    ledger = observe_list(
        end_outage(before, now),
        listed,
        ended=ended,
        currents=currents,
        guards=facts.settings.guards,
        # What was read a while ago confirms no doubt that is younger, and a clock that is off dates none too early.
        now=min(now, facts.listed_at) if agree else max([now, *_other_clocks(facts, now)]),
        confirm=agree,
        expected=sorted(_surely_listed(facts, now)),
    )
    if not any(one.unreadable for one in facts.credentials):
        # A token that is listed again is proved no longer: else it would be rotated in spite of a freeze.
        ledger = set_dangling(ledger, (), currents - listed)
    if ledger.suspicion is None:
        # A list that is doubted may be that of another profile.
        ledger = learn_profile(ledger, facts.tokens.profile or Profile(), now)
    return changed(ledger, known=tuple(sorted(_known(facts, ledger))))


def _surely_listed(facts: AccountFacts, now: datetime) -> Iterator[str]:
    """Yield the current tokens that every list shows by now, unless somebody revoked them."""
    for one in facts.credentials:
        current, lag = one.current, one.credential.policy.lastused_lag
        if current is not None and current.token_id and current.promoted_at and now - current.promoted_at > lag:
            yield current.token_id


def _other_clocks(facts: AccountFacts, now: datetime) -> Iterator[datetime]:
    """Yield what the exchange's and Vault's clocks say, as far as that is known."""
    for skew in (facts.exchange_skew, facts.vault_skew):
        if skew is not None:
            yield now + skew


def lacks_known(facts: CredentialFacts, tokens: TokenList) -> bool:
    """Whether a list lacks any token of the last believed one that this credential's own journal has not ended.

    Where no list was ever believed (or it was forgotten) one may that is empty, or lacks this credential's own token.
    """
    baseline = facts.state.ledger.baseline if facts.state else None
    if baseline is None:
        return not tokens.tokens or (facts.current is not None and tokens.by_id(facts.current.token_id or "") is None)
    lost = [one for one in baseline.token_ids if tokens.by_id(one) is None]
    records = [facts.ledger.record_of(one) if facts.ledger else None for one in lost]
    return any(record is None or record.state not in _ENDED for record in records)


def _known(facts: AccountFacts, ledger: AccountLedger) -> set[str]:
    """Return the credentials that would be missed if they left the settings.

    One that is retired, with nothing left to end, may leave. One whose path another name is configured for has not
    vanished: that is told as `moved`, and the journal is the other one's once it is taken over.
    """
    journals = [(one, one.ledger) for one in facts.credentials if one.ledger is not None]
    renamed = {
        journal.credential
        for one, journal in journals
        if journal.credential != one.credential.name and journal.account == facts.account
    }
    ended = {
        journal.credential
        for one, journal in journals
        if journal.retired_at is not None and not live_records(journal) and not one.serves_ours
    }
    own = {journal.credential for one, journal in journals if journal.credential == one.credential.name}
    return ({*ledger.known} - renamed | own) - ended


def currents_of(facts: AccountFacts) -> set[str]:
    """Return the token ids that the account's journals say are current."""
    return {one.current.token_id for one in facts.credentials if one.current and one.current.token_id}


def with_ledger(facts: AccountFacts, version: int, ledger: AccountLedger) -> AccountFacts:
    """Return the facts with another account ledger, for the account and each of its credentials."""
    if facts.state is None:
        return facts
    state = AccountState(facts.state.versioned._replace(version=version, ledger=ledger), facts.state.freezes)
    credentials = tuple(one if one.unreadable else replace(one, state=state) for one in facts.credentials)
    return replace(facts, state=state, credentials=credentials)


def observed(facts: AccountFacts, now: datetime) -> AccountFacts:
    """Return the facts as a sweep would plan on them, without writing anything."""
    ledger = observe(facts, now)
    if ledger is None or facts.state is None:
        return facts
    return with_ledger(facts, facts.state.versioned.version, ledger)


def plan_probes(facts: AccountFacts, now: datetime) -> tuple[Step, ...]:
    """Return a PROBE step for each current token that two lists in a row lacked and that is not proved dangling yet.

    While a rotation may be in somebody's hands its journal is left alone; a staged token that only waits is no reason.
    """
    if facts.state is None or facts.other_profile is not None:
        return ()
    ledger = facts.state.ledger
    absent = {one.token_id for one in ledger.missing if one.lists >= _LISTS_TO_PROBE}
    return tuple(
        _probe(one)
        for one in facts.credentials
        if one.current is not None
        and one.current.token_id in absent
        and one.served_token_id == one.current.token_id
        and _may_note(one, now)
        and ledger.dangling_token(one.current.token_id) is None
    )


def _may_note(facts: CredentialFacts, now: datetime) -> bool:
    intent = facts.intent
    if intent is None:
        return True
    return intent.token is not None and now - intent.opened_at > facts.credential.policy.derive_deadline


def _probe(facts: CredentialFacts) -> Step:
    current = facts.current
    label = current.label if current else ""
    return Step(
        action=Action.PROBE,
        account=facts.credential.account,
        credential=facts.credential.name,
        reason=Reason.CURRENT_NOT_LIVE,
        sentence=f"The current token {label} is in no list any more; a call signed with it tells whether it works.",
        token_id=current.token_id if current else None,
        label=label,
        rotation_id=current.rotation_id if current else None,
    )
