"""What fell due in a freeze is spread over a while after its end: all at once it would meet the exchange's limits."""

from datetime import datetime

from worker.policy.due import last_time, spread_of
from worker.policy.facts import CredentialFacts
from worker.policy.guards import Interval

_MOST_FREEZES = 100
"""Of freezes that follow on each other without a gap, so many are followed."""


def turn_of(facts: CredentialFacts, due_at: datetime, now: datetime) -> datetime:
    """Return from when on a credential that is due since `due_at` is rotated by itself, UTC.

    That is `due_at`, unless it fell into a freeze that is over. Then it is the freeze's end and a share of its length
    that hangs on the credential's name: up to `spread` of it, as of a period. Schedules are not spread.
    """
    policy = facts.credential.policy
    if policy.rotation_schedule is not None:
        return due_at  # a schedule says when, and its window may not reach any further
    start, end = due_at, due_at
    for _ in range(_MOST_FREEZES):
        freeze = _freeze_around(facts, end, now)
        if freeze is None:
            break
        start, end = min(start, freeze.start), freeze.until
    return end + spread_of(facts.credential.name, policy.spread * (end - start)) if end > due_at else due_at


def _freeze_around(facts: CredentialFacts, moment: datetime, now: datetime) -> Interval | None:
    """Return a freeze of the account that was in force then and is over by now, or None."""
    if facts.state is None:
        return None
    found = [Interval(one.since, one.ended_at, one.reason, ordered=True) for one in facts.state.ledger.freezes]
    for freeze in facts.state.freezes:
        if freeze.accounts and facts.credential.account not in freeze.accounts:
            continue
        if freeze.start is not None and freeze.until is not None:
            found.append(Interval(freeze.start, freeze.until, freeze.reason))
        elif freeze.schedule is not None and freeze.duration is not None:
            began = last_time(freeze.schedule, freeze.timezone, moment)
            if began is not None:
                found.append(Interval(began, began + freeze.duration, freeze.reason))
    over = [one for one in found if one.start <= moment < one.until <= now]
    return max(over, key=lambda one: one.until, default=None)
