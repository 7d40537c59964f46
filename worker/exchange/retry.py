"""Repeat what is safe to repeat: which failures, how often, and how long to wait in between."""

import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

import stamina

from worker.errors import ExchangeUnavailableError, UnreadableAnswerError
from worker.ports import Clock

T = TypeVar("T")

ATTEMPTS = 4
TOTAL = timedelta(seconds=30)
"""What a call may take with all its repetitions."""

RETRY_AFTER_CAP = timedelta(seconds=10)
"""A longer wait is left to the next sweep: it would only hold a thread."""

LONGEST_RETRY_AFTER = timedelta(hours=1)
"""What a server asks for beyond this is taken for a mistake and cut to it."""

_WAIT_INITIAL = 0.2
_WAIT_MAX = 3.0
_JITTER = 0.5
_SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")


def parse_http_date(value: str | None) -> datetime | None:
    """Return an HTTP date as UTC, or None when there is none or it makes no sense."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def parse_retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """Return how long a `Retry-After` asks to wait, between nothing and `LONGEST_RETRY_AFTER`; None when unreadable.

    Args:
        value: the header: seconds or an HTTP date.
        now: by the clock of whoever sent the header, for the second form.
    """
    if value is None:
        return None
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=min(float(text), LONGEST_RETRY_AFTER.total_seconds()))
    moment = parse_http_date(text)
    return None if moment is None else min(max(moment - now, timedelta(0)), LONGEST_RETRY_AFTER)


def backoff(failure: Exception, *, remaining: float) -> bool | float:
    """Decide about a failed attempt of a call that is safe to repeat.

    Args:
        failure: how the attempt ended.
        remaining: seconds of the call's total deadline that are left.

    Returns:
        False to give up; True to repeat after stamina's growing, jittered wait; or the seconds to wait: what the
        exchange asked for and a little more, so that not everybody who was told the same comes back at once.
    """
    if not isinstance(failure, ExchangeUnavailableError | UnreadableAnswerError):
        return False
    asked = failure.retry_after if isinstance(failure, ExchangeUnavailableError) else None
    if asked is None:
        return remaining > _WAIT_MAX
    if asked > RETRY_AFTER_CAP or asked.total_seconds() + _JITTER >= remaining:
        return False
    return asked.total_seconds() + random.uniform(0, _JITTER)  # noqa: S311 - spreads load, protects nothing


def repeat(operation: Callable[[float], T], *, clock: Clock) -> T:
    """Return what the operation returns, repeating it while `backoff` says so; raises its last failure.

    Args:
        operation: takes the deadline, on the clock's monotonic scale, that it must keep itself.
        clock: measures the total deadline.
    """
    deadline = clock.monotonic() + TOTAL.total_seconds()
    repeating = stamina.RetryingCaller(
        attempts=ATTEMPTS,
        timeout=None,  # `backoff` keeps the deadline, and counts the wait that is still to come
        wait_initial=_WAIT_INITIAL,
        wait_max=_WAIT_MAX,
        wait_jitter=_JITTER,
    )
    return repeating(lambda failure: backoff(failure, remaining=deadline - clock.monotonic()), operation, deadline)
