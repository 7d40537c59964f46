"""Who used a token, and when: `lastUsedAt` with our own verify calls discounted.

The exchange keeps one `lastUsedAt` for each token and any signed call moves it, ours included. A value that our own
verify call may have caused says nothing about services, so it counts as unknown, never as use.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from config.schema import Policy
from worker.journal import Journal, RecordState, TokenRecord, VerifyWindow
from worker.models import ListedToken, TokenList
from worker.policy.steps import ORDERED


def used_by_others(record: TokenRecord, listed: ListedToken | None, policy: Policy) -> datetime | None:
    """Return when somebody other than this worker last used the token, as far as that can be known."""
    last = listed.last_used_at if listed else None
    if last is None or _may_be_ours(record, last, policy):
        return record.last_used_by_others
    return max(last, record.last_used_by_others) if record.last_used_by_others else last


def _may_be_ours(record: TokenRecord, last: datetime, policy: Policy) -> bool:
    return any(_covers(window, last, policy) for window in record.windows)


def _covers(window: VerifyWindow, last: datetime, policy: Policy) -> bool:
    """Whether a call of ours in that window may be what `lastUsedAt` shows."""
    before, after = policy.max_clock_skew, policy.lastused_lag + policy.max_clock_skew
    return window.opened_at - before <= last and (window.closed_at is None or last <= window.closed_at + after)


def is_adopted(record: TokenRecord, journal: Journal, tokens: TokenList, policy: Policy) -> bool:
    """Whether any later token of the lineage was used by somebody else: consumers moved on from this one.

    The use must lie after our last verify of that later token ended (plus lag and skew), so that neither our own call
    nor, after a rollback, a use from its earlier life proves anything.
    """
    later = (
        other
        for other in journal.ledger
        if other.promoted_at is not None and record.promoted_at is not None and other.promoted_at > record.promoted_at
    )
    return any(_used_since_promoted(other, _listed(tokens, other), policy) for other in later)


def _used_since_promoted(record: TokenRecord, listed: ListedToken | None, policy: Policy) -> bool:
    use = used_by_others(record, listed, policy)
    ends = [window.closed_at for window in record.windows]
    if use is None or None in ends:
        return False
    after = policy.lastused_lag + policy.max_clock_skew
    return all(use > end + after for end in ends if end is not None)


def lineage_last_use(journal: Journal, tokens: TokenList, policy: Policy) -> datetime | None:
    """Return the latest use by others over all tokens of the credential, the ended ones included."""
    uses = (used_by_others(record, _listed(tokens, record), policy) for record in journal.ledger)
    return max((use for use in uses if use is not None), default=None)


def _listed(tokens: TokenList, record: TokenRecord) -> ListedToken | None:
    return tokens.by_id(record.token_id) if record.token_id else None


def is_use_shown(journal: Journal, tokens: TokenList, policy: Policy) -> bool:
    """Whether the list shows what services last did with every token that they may hold.

    A list may lag or be cut short; and when we signed a call with a token that was served already, as a probe does,
    its one `lastUsedAt` tells of us what it told of services before.
    """
    return all(
        _is_shown(record, _listed(tokens, record), policy)
        for record in journal.ledger
        if record.state in _HELD_BY_SERVICES
    )


def _is_shown(record: TokenRecord, listed: ListedToken | None, policy: Policy) -> bool:
    if listed is None:
        return False
    last, promoted = listed.last_used_at, record.promoted_at
    return (
        last is None
        or promoted is None
        or not any(_covers(window, last, policy) for window in record.windows if window.opened_at > promoted)
    )


_HELD_BY_SERVICES = frozenset({RecordState.CURRENT, RecordState.SUPERSEDED})


@dataclass(frozen=True, slots=True)
class StaleVerdict:
    """Nobody uses the credential: `stale` since its last use, `unused` since its first token was promoted."""

    kind: Literal["stale", "unused"]
    since: datetime
    last_use: datetime | None


def stale_verdict(journal: Journal, tokens: TokenList, policy: Policy, now: datetime) -> StaleVerdict | None:
    """Return the verdict on the credential's lineage, or None while it is in use, not yet judged, or not shown."""
    current = journal.current
    if current is None or current.promoted_at is None or not is_use_shown(journal, tokens, policy):
        return None
    last = lineage_last_use(journal, tokens, policy)
    if last is not None:
        over = now - last > policy.stale_after + policy.lastused_lag
        return StaleVerdict("stale", last, last) if over else None
    # What a person had revoked at once was ended without a look at its use: of that token it is unknown, not "never".
    first = min(
        record.promoted_at
        for record in journal.ledger
        if record.promoted_at is not None and (record is current or record.revoking_reason not in ORDERED)
    )
    return StaleVerdict("unused", first, None) if now - first > policy.unused_after + policy.lastused_lag else None
