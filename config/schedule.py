"""What beat sends, and how often."""

from datetime import timedelta
from typing import Any

from config.schema import Schedule

ROTATE_DUE = "worker.tasks.rotate_due_credentials"
REVOKE_EXPIRED = "worker.tasks.revoke_expired_tokens"
FLAG_STALE = "worker.tasks.flag_stale_tokens"

FRESH_SHARE = 0.95
"""A wake-up is worth this share of its interval: after that the next one is about to come."""


def expires_after(interval: timedelta) -> float:
    """Return after how many seconds an unread wake-up is dropped: just below the interval.

    So a queue that nobody reads holds at most about one of each, and a worker that comes back is not flooded.
    """
    return interval.total_seconds() * FRESH_SHARE


def beat_schedule(schedule: Schedule) -> dict[str, dict[str, Any]]:
    """Return Celery's `beat_schedule`; each entry wakes up one sweep, which fans out."""
    return {
        "rotate-due-credentials": _entry(ROTATE_DUE, schedule.rotate_every),
        "revoke-expired-tokens": _entry(REVOKE_EXPIRED, schedule.revoke_every),
        "flag-stale-tokens": _entry(FLAG_STALE, schedule.flag_every),
    }


def _entry(task: str, interval: timedelta) -> dict[str, Any]:
    return {"task": task, "schedule": interval, "options": {"expires": expires_after(interval)}}
