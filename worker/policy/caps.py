"""How many tokens of an account are revoked in one sweep, and which ones go first."""

from collections.abc import Sequence
from datetime import UTC, datetime

from worker.models import TokenList
from worker.policy.facts import AccountFacts
from worker.policy.steps import Action, Hold, Reason, Step

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def within_cap(
    facts: AccountFacts, tokens: TokenList, steps: Sequence[Step]
) -> tuple[tuple[Step, ...], tuple[Hold, ...]]:
    """Return the steps within the account's cap for one sweep: orphans first, then the least recently tried."""
    guards = facts.settings.guards
    ours = len(tokens.tokens) - len(facts.strangers(tokens))
    cap = max(1, min(guards.max_revocations, int(guards.max_revocations_share * ours)))
    tried = {
        record.token_id: record.tried_at
        for one in facts.credentials
        for record in (one.ledger.ledger if one.ledger else ())
        if record.tried_at is not None
    }
    revokes = sorted(
        (step for step in steps if step.action is Action.REVOKE),
        key=lambda step: (
            step.reason is not Reason.ORPHAN,
            tried.get(step.token_id) or _LONG_AGO,
            step.token_id or "",
        ),
    )
    destroys = sorted(
        (step for step in steps if step.action is not Action.REVOKE), key=lambda step: step.token_id or ""
    )
    held = tuple(
        Hold(
            step.account,
            step.credential,
            Reason.CAPPED,
            f"{step.label} waits for a later sweep: at most {cap} tokens of an account are revoked in one.",
            token_id=step.token_id,
        )
        for step in revokes[cap:]
    )
    return (*revokes[:cap], *destroys), held
