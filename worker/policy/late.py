"""Whether a rotation could have begun long ago and did not: nobody sweeps, or whoever does gets nowhere."""

from datetime import datetime, timedelta

from worker.models import Severity
from worker.policy.due import judge_due
from worker.policy.facts import CredentialFacts
from worker.policy.guards import credential_held_back, freezes_of
from worker.policy.rotation import plan_rotation
from worker.policy.steps import Hold, Reason
from worker.policy.thaw import turn_of
from worker.policy.wording import span


def late_since(facts: CredentialFacts, now: datetime) -> datetime | None:
    """Return since when a rotation could have begun, or gone on, by itself; None when nothing of it waits for a sweep.

    What something else holds back (a pause, a freeze, parking, a path that drifted ...) is not late: that is told as
    what it is, and so is what is past `max_age`. A scheduled time whose window closed before anything was tried is late
    since the window closed.
    """
    plan, current = plan_rotation(facts, now), facts.current
    step = plan.steps[0] if plan.steps else None
    if facts.intent is not None:
        return facts.intent.opened_at if step is not None else None
    if current is None or current.promoted_at is None or facts.ledger is None:
        return None
    verdict = judge_due(facts.credential.name, facts.credential.policy, current.promoted_at, now)
    if any(hold.reason is Reason.WINDOW_CLOSED for hold in plan.holds) and verdict.missed is not None:
        return _missed_since(facts, verdict.missed, now)
    if step is None or step.reason is not Reason.PERIOD_REACHED:
        return None
    since, retry_at = turn_of(facts, verdict.next_at, now), facts.ledger.failures.retry_at
    return since if retry_at is None else max(since, retry_at)


def _missed_since(facts: CredentialFacts, missed: datetime, now: datetime) -> datetime | None:
    """Return since when that window is closed, or None when something kept a rotation from beginning in it."""
    window, last_at = facts.credential.policy.rotation_window, facts.ledger.failures.last_at if facts.ledger else None
    if window is None or facts.state is None or credential_held_back(facts, now) is not None:
        return None
    frozen = freezes_of(facts.credential.account, facts.state.freezes, facts.state.ledger, missed, window)
    if frozen or (last_at is not None and last_at >= missed):
        return None
    return missed + window


def late_hold(facts: CredentialFacts, late_after: timedelta, now: datetime) -> Hold | None:
    """Return that nothing began for longer than `late_after` although it could have, or None."""
    since = late_since(facts, now)
    if since is None or now - since <= late_after:
        return None
    name, account = facts.credential.name, facts.credential.account
    what = "could be rotated" if facts.intent is None else "has a rotation in hand that could go on"
    sentence = (
        f"Credential {name} (account {account}) {what} since {since:%Y-%m-%d %H:%M} UTC, for {span(now - since)}, and "
        f"nothing was done. Look whether a worker runs and what its log says. To rotate it now: rotator rotate {name}"
    )
    return Hold(account, name, Reason.LATE, sentence, Severity.ERROR)
