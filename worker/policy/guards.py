"""What holds a whole account or credential back: pauses, freezes, a list that is not believed.

Order of precedence, highest first: an emergency (waives all of these), a pause, a freeze, a suspicious list.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from config.schema import Freeze
from worker.account_ledger import AccountLedger, Pause
from worker.models import Severity
from worker.policy.due import last_time, next_time
from worker.policy.facts import CredentialFacts
from worker.policy.steps import Hold, Reason
from worker.policy.wording import span


@dataclass(frozen=True, slots=True)
class Interval:
    """One freeze as it concerns an account: when it begins and ends, why, and whether a person ordered it."""

    start: datetime
    until: datetime
    reason: str
    ordered: bool = False

    def ends_with(self, account: str) -> str:
        """Return how a person ends it before its time, as a sentence."""
        if self.ordered:
            return f"To end it now: rotator unfreeze --account {account}"
        return "It is in the configuration file, and only there it can be ended."


def pause_of(ledger: AccountLedger, credential: str, now: datetime) -> Pause | None:
    """Return the pause in force for that credential (its own, or the account's), the longest-lasting one, or None."""
    found = (
        one for one in ledger.pauses if one.credential in {None, credential} and (one.until is None or now < one.until)
    )
    return max(found, key=lambda one: (one.until is None, one.until or now), default=None)


def freeze_at(intervals: Iterable[Interval], now: datetime) -> Interval | None:
    """Return the freeze in force, the longest-lasting one when several are, or None."""
    return max((one for one in intervals if one.start <= now < one.until), key=lambda one: one.until, default=None)


def freezes_of(
    account: str, configured: Sequence[Freeze], ledger: AccountLedger, now: datetime, sight: timedelta = timedelta()
) -> tuple[Interval, ...]:
    """Return the freezes of an account that are in force or begin within `sight`, the earliest first."""
    found = [
        Interval(one.since, one.until, one.reason, ordered=True) for one in ledger.freezes if one.is_in_force_after(now)
    ]
    for freeze in configured:
        if not freeze.accounts or account in freeze.accounts:
            found.extend(_intervals(freeze, now, sight))
    return tuple(
        sorted((one for one in found if one.until > now and one.start <= now + sight), key=lambda one: one.start)
    )


def _intervals(freeze: Freeze, now: datetime, sight: timedelta) -> Iterator[Interval]:
    if freeze.start is not None and freeze.until is not None:
        if freeze.until > now and freeze.start <= now + sight:
            yield Interval(freeze.start, freeze.until, freeze.reason)
        return
    if freeze.schedule is None or freeze.duration is None:
        return
    # One that began up to its duration ago is still in force.
    began = last_time(freeze.schedule, freeze.timezone, now)
    if began is not None and now < began + freeze.duration:
        yield Interval(began, began + freeze.duration, freeze.reason)
    if not sight:
        return
    start = next_time(freeze.schedule, freeze.timezone, now)
    while start <= now + sight:
        yield Interval(start, start + freeze.duration, freeze.reason)
        start = next_time(freeze.schedule, freeze.timezone, start)


def credential_held_back(facts: CredentialFacts, now: datetime) -> Hold | None:
    """Return what `held_back` says of that credential; None when its account ledger is unread, as `hands_off` says."""
    credential, state = facts.credential, facts.state
    if state is None:
        return None
    intervals = freezes_of(credential.account, state.freezes, state.ledger, now)
    return held_back(credential.account, credential.name, state.ledger, intervals, now)


def held_back(
    account: str, credential: str, ledger: AccountLedger, intervals: Sequence[Interval], now: datetime
) -> Hold | None:
    """Return why nothing of this credential may be derived, promoted or revoked now, or None.

    Args:
        account: its name.
        credential: its name; "" asks for the account as a whole.
        ledger: of the account.
        intervals: its freezes.
        now: the present.
    """
    name = f"credential {credential} (account {account})" if credential else f"account {account}"
    pause = pause_of(ledger, credential, now)
    if pause is not None:
        end = f"until {pause.until:%Y-%m-%d %H:%M} UTC" if pause.until else "without an end"
        # Unlike the bare name this means one thing, whatever else is configured.
        scope = f"credential:{pause.credential}" if pause.credential else f"account:{account}"
        sentence = f"{name} is paused {end} by {pause.by} ({pause.reason}). It goes on with: rotator resume {scope}"
        return Hold(account, credential, Reason.PAUSED, sentence)
    freeze = freeze_at(intervals, now)
    if freeze is not None:
        sentence = (
            f"{name} is frozen until {freeze.until:%Y-%m-%d %H:%M} UTC ({freeze.reason}): nothing is rotated or "
            f"revoked for another {span(freeze.until - now)}, except by an emergency. {freeze.ends_with(account)}"
        )
        return Hold(account, credential, Reason.FROZEN, sentence)
    if ledger.suspicion is not None:
        sentence = (
            f"{ledger.suspicion.sentence} Nothing is derived or revoked until the same list is read again, or somebody "
            f"who has looked says: rotator trust {account}"
        )
        return Hold(account, credential, Reason.LIST_SHRANK, sentence, Severity.ERROR)
    return None
