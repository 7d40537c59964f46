"""Tokens that had ended in the ledger and are alive all the same."""

from datetime import datetime

from worker.journal import RecordState, TokenRecord
from worker.models import TokenList
from worker.policy.facts import CredentialFacts


def came_back(record: TokenRecord, tokens: TokenList, facts: CredentialFacts, now: datetime) -> bool:
    """Whether a token is listed for longer after its end than a list may lag."""
    if record.state is not RecordState.REVOKED or record.token_id is None or record.revoked_at is None:
        return False
    return tokens.by_id(record.token_id) is not None and now - record.revoked_at > facts.credential.policy.lastused_lag


def looks_cut_short(tokens: TokenList, asked: str, facts: CredentialFacts, now: datetime) -> bool:
    """Whether a list that lacks a token after a 404 lacks so much else that it proves nothing.

    It should have the credential's current token (unless that one is asked for, or so young that a list may lag), and
    at least half of what the last believed list had beside what this journal has ended.
    """
    current, policy = facts.current, facts.credential.policy
    if current is not None and current.token_id not in {None, asked} and current.promoted_at is not None:
        old = now - current.promoted_at > policy.lastused_lag
        if old and tokens.by_id(current.token_id or "") is None:
            return True
    baseline = facts.state.ledger.baseline if facts.state else None
    known = [one for one in (baseline.token_ids if baseline else ()) if one != asked and not _has_ended(one, facts)]
    lost = [one for one in known if tokens.by_id(one) is None]
    return 2 * len(lost) > len(known)


def _has_ended(token_id: str, facts: CredentialFacts) -> bool:
    record = facts.ledger.record_of(token_id) if facts.ledger else None
    return record is not None and record.state in {RecordState.REVOKING, RecordState.REVOKED}
