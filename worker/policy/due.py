"""When a credential is due: by period or by schedule, with a stable spread, and by its hard age limit.

Vault's meanings: `rotation_period` counts from the last promotion; `rotation_schedule` is a cron expression, and
`rotation_window` says how long after a scheduled time a rotation may still start (without one: until the next time).
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

from config.schema import Policy
from worker.journal import TokenRecord

_REMEMBERED = 4096
"""Answers about schedules that are kept: one sweep asks the same for each credential of an account."""


@dataclass(frozen=True, slots=True)
class Due:
    """The verdict on a promoted credential.

    `next_at` is when it is (or was) due; `missed` a scheduled time whose window closed before a rotation could start.
    """

    due: bool
    next_at: datetime
    missed: datetime | None = None


def judge_due(name: str, policy: Policy, promoted_at: datetime, now: datetime) -> Due:
    """Return whether the credential of that name, promoted then, is due now.

    Args:
        name: of the credential; its spread hangs on it.
        policy: with exactly one of `rotation_period` and `rotation_schedule`.
        promoted_at: of its current token.
        now: the present, UTC.
    """
    if policy.rotation_schedule is not None:
        return _by_schedule(policy, policy.rotation_schedule, promoted_at, now)
    period = policy.nominal_period
    next_at = promoted_at + period - spread_of(name, policy.spread * period)
    return Due(due=now >= next_at, next_at=next_at)


def _by_schedule(policy: Policy, schedule: str, promoted_at: datetime, now: datetime) -> Due:
    last, following = (
        last_time(schedule, policy.rotation_timezone, now),
        next_time(schedule, policy.rotation_timezone, now),
    )
    if last is None or last <= promoted_at:
        return Due(due=False, next_at=following)
    if policy.rotation_window is not None and now >= last + policy.rotation_window:
        return Due(due=False, next_at=following, missed=last)
    return Due(due=True, next_at=last)


def spread_of(name: str, widest: timedelta) -> timedelta:
    """Return the part of `widest` by which that credential is due early: stable, and different for each name.

    Early and not late, so that no token grows older than its period.
    """
    digest = hashlib.sha256(name.encode()).digest()
    return widest * (int.from_bytes(digest[:8]) / 2**64)


def _whole_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def next_time(schedule: str, timezone: str, after: datetime) -> datetime:
    """Return the first scheduled time after that moment, UTC. Daylight saving neither skips nor doubles one."""
    return _next_time(schedule, timezone, _whole_minute(after))


@lru_cache(maxsize=_REMEMBERED)
def _next_time(schedule: str, timezone: str, after: datetime) -> datetime:
    return next(CronSim(schedule, after.astimezone(ZoneInfo(timezone)))).astimezone(UTC)


def last_time(schedule: str, timezone: str, until: datetime) -> datetime | None:
    """Return the last scheduled time up to and including that moment, UTC, or None when there never was one."""
    return _last_time(schedule, timezone, _whole_minute(until))


@lru_cache(maxsize=_REMEMBERED)
def _last_time(schedule: str, timezone: str, until: datetime) -> datetime | None:
    zone = ZoneInfo(timezone)
    # The iterator leaves out its starting point and works in whole minutes.
    start = (until + timedelta(minutes=1)).astimezone(zone)
    for found in CronSim(schedule, start, reverse=True):
        moment: datetime = found.astimezone(UTC)
        if moment <= until:
            return moment
    return None


def age_of(record: TokenRecord, now: datetime) -> timedelta | None:
    """Return how old a token is for `max_age`: since it was derived, or since it was adopted; None when unknown."""
    born = record.promoted_at if record.adopted_as is not None else record.derived_at or record.promoted_at
    return None if born is None else now - born


def is_overdue(record: TokenRecord, policy: Policy, now: datetime) -> bool:
    """Whether the token is older than the hard limit, which no window holds back."""
    age = age_of(record, now)
    return age is not None and age > policy.max_age
