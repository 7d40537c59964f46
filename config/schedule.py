"""What beat sends, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from config.schema import Schedule, Settings

ROTATE_DUE = "worker.tasks.rotate_due_credentials"
REVOKE_EXPIRED = "worker.tasks.revoke_expired_tokens"
FLAG_STALE = "worker.tasks.flag_stale_tokens"

ROTATE_CREDENTIAL = "worker.tasks.rotate_credential"
REVOKE_ACCOUNT = "worker.tasks.revoke_account"
FLAG_ACCOUNT = "worker.tasks.flag_account"

FRESH_SHARE = 0.95
"""A wake-up is worth this share of its interval: after that the next one is about to come."""


def expires_after(interval: timedelta) -> float:
    """Return after how many seconds an unread wake-up is dropped: just below the interval.

    So a queue that nobody reads holds at most about one of each, and a worker that comes back is not flooded.
    """
    return interval.total_seconds() * FRESH_SHARE


@dataclass(frozen=True, slots=True)
class Expected:
    """What a message may ask of one task.

    Attributes:
        names: what its one argument may be; None: it takes none.
        every: how often the schedule asks for it.
    """

    names: frozenset[str] | None
    every: timedelta


def expected_wake_ups(settings: Settings) -> Mapping[str, Expected]:
    """Return all that a message may ask for, by task."""
    every, credentials = settings.schedule, frozenset(one.name for one in settings.credentials)
    accounts = frozenset(one.name for one in settings.accounts)
    return {
        ROTATE_DUE: Expected(None, every.rotate_every),
        REVOKE_EXPIRED: Expected(None, every.revoke_every),
        FLAG_STALE: Expected(None, every.flag_every),
        ROTATE_CREDENTIAL: Expected(credentials, every.rotate_every),
        REVOKE_ACCOUNT: Expected(accounts, every.revoke_every),
        FLAG_ACCOUNT: Expected(accounts, every.flag_every),
    }


def beat_schedule(schedule: Schedule) -> dict[str, dict[str, Any]]:
    """Return Celery's `beat_schedule`; each entry wakes up one sweep, which fans out."""
    return {
        "rotate-due-credentials": _entry(ROTATE_DUE, schedule.rotate_every),
        "revoke-expired-tokens": _entry(REVOKE_EXPIRED, schedule.revoke_every),
        "flag-stale-tokens": _entry(FLAG_STALE, schedule.flag_every),
    }


def _entry(task: str, interval: timedelta) -> dict[str, Any]:
    return {"task": task, "schedule": interval, "options": {"expires": expires_after(interval)}}
