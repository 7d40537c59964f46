"""How many tokens of an account are revoked in one sweep, and which ones go first."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, zip_longest

from worker.journal import TokenRecord
from worker.models import TokenList
from worker.policy.facts import AccountFacts
from worker.policy.steps import Action, Hold, Reason, Step

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def within_cap(
    facts: AccountFacts, tokens: TokenList, steps: Sequence[Step]
) -> tuple[tuple[Step, ...], tuple[Hold, ...]]:
    """Return the steps within the account's cap for one sweep: orphans and others in turn, least recently tried first.

    Neither kind keeps the other waiting for ever: whoever can issue tokens can give any number of them our labels. An
    orphan goes first, but where only one token may go, the kinds take turns from sweep to sweep.
    """
    guards = facts.settings.guards
    ours = len(tokens.tokens) - len(facts.strangers(tokens))
    cap = max(1, min(guards.max_revocations, int(guards.max_revocations_share * ours)))
    tried = {record.token_id: record for record in _tried(facts)}
    revokes = sorted(
        (step for step in steps if step.action is Action.REVOKE),
        key=lambda step: (_tried_at(tried.get(step.token_id)), step.token_id or ""),
    )
    orphans = [step for step in revokes if step.reason is Reason.ORPHAN]
    others = [step for step in revokes if step.reason is not Reason.ORPHAN]
    first, second = (others, orphans) if cap == 1 and _last_was_orphan(tried.values()) else (orphans, others)
    turns = [step for step in chain.from_iterable(zip_longest(first, second)) if step is not None]
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
        for step in turns[cap:]
    )
    return (*turns[:cap], *destroys), held


def _tried(facts: AccountFacts) -> Iterator[TokenRecord]:
    for one in facts.credentials:
        yield from (record for record in (one.ledger.ledger if one.ledger else ()) if record.tried_at is not None)


def _tried_at(record: TokenRecord | None) -> datetime:
    return (record.tried_at if record else None) or _LONG_AGO


def _last_was_orphan(tried: Collection[TokenRecord]) -> bool:
    last = max(tried, key=_tried_at, default=None)
    return last is not None and last.promoted_at is None
