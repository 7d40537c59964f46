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
