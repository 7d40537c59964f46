"""Whether a rotation could have begun long ago and did not: nobody sweeps, or whoever does gets nowhere."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from worker.account_ledger import Waiting
from worker.models import Severity
from worker.policy.due import judge_due
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.guards import credential_held_back, freezes_of
from worker.policy.rotation import is_parked, plan_rotation
from worker.policy.safety import account_hold
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


def waiting_after(facts: AccountFacts, known: Iterable[Waiting], now: datetime) -> tuple[Waiting, ...]:
    """Return which credentials could be rotated by themselves now, each with the first sweep that saw it so.

    Nothing waits while the list cannot be read, while it is doubted, or while the clocks differ: nothing is begun then.
    """
    since = {one.credential: one for one in known}
    tolerance = min((one.credential.policy.max_clock_skew for one in facts.credentials), default=timedelta())
    doubted = facts.state is None or facts.state.ledger.suspicion is not None
    if doubted or account_hold(facts, tolerance) is not None:
        return ()
    names = (one.credential.name for one in facts.credentials if late_since(one, now) is not None)
    return tuple(since.get(name, Waiting(credential=name, since=now)) for name in names)


def _missed_since(facts: CredentialFacts, missed: datetime, now: datetime) -> datetime | None:
    """Return since when that window is closed, or None when something kept a rotation from beginning in it."""
    window, state = facts.credential.policy.rotation_window, facts.state
    if window is None or state is None or facts.ledger is None or credential_held_back(facts, now) is not None:
        return None
    failures, end = facts.ledger.failures, missed + window
    tried = [one for one in (failures.last_at, failures.retry_at) if one is not None]
    if is_parked(failures, facts.credential.policy) or any(one >= missed for one in tried):
        return None
    paused = [(one.since, one.until) for one in state.ledger.pauses if one.credential in {None, facts.credential.name}]
    frozen = [(one.since, one.ended_at) for one in state.ledger.freezes]
    if any(since < end and (until is None or until > missed) for since, until in (*paused, *frozen)):
        return None
    configured = freezes_of(facts.credential.account, state.freezes, state.ledger, missed, window)
    return None if configured else end


def late_hold(facts: CredentialFacts, late_after: timedelta, now: datetime) -> Hold | None:
    """Return that nothing began for longer than `late_after` although it could have, or None."""
    since = late_since(facts, now)
    if since is None or now - since <= late_after:
        return None
    name, account = facts.credential.name, facts.credential.account
    what = "has been due" if facts.intent is None else "has had an unfinished rotation"
    sentence = (
        f"Credential {name} (account {account}) {what} since {since:%Y-%m-%d %H:%M} UTC ({span(now - since)}), and "
        f"nobody has rotated it. Look whether a worker runs, and what its log says of {name}. To rotate it now: "
        f"rotator rotate {name}"
    )
    return Hold(account, name, Reason.LATE, sentence, Severity.ERROR)
