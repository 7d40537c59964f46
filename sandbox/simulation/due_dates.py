"""Whether a rotation had a due date of its own, reckoned without the worker's own reckoning."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from config.schema import Credential
from sandbox.simulation.fleet import MAKER_HOUR, WINDOW_HOUR, WINDOW_WEEKDAY
from sandbox.simulation.truth import local_times

_TOLERANCE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Begun:
    """A rotation as its intent tells it: why and when it began."""

    reason: str
    at: datetime


class DueDates:
    """The due dates of one credential.

    Args:
        credential: its settings; a schedule is one of the fleet's two.
        days: of the run.
    """

    def __init__(self, credential: Credential, *, days: int) -> None:
        self._policy = credential.policy
        weekly = credential.policy.rotation_schedule is not None and credential.policy.rotation_schedule.endswith("SUN")
        self._times: Sequence[datetime] = ()
        if credential.policy.rotation_schedule is not None:
            hour, weekday = (WINDOW_HOUR, WINDOW_WEEKDAY) if weekly else (MAKER_HOUR, None)
            self._times = list(local_times(credential.policy.rotation_timezone, hour, days=days, weekday=weekday))

    def fault(self, begun: Begun, promoted_at: datetime, derived_at: datetime) -> str | None:
        """Return what is wrong with a regular rotation that began then, or None.

        Args:
            begun: the rotation.
            promoted_at: of the predecessor.
            derived_at: of the predecessor.
        """
        if begun.reason == "overdue":
            age = begun.at - derived_at
            return None if age > self._policy.max_age else f"it was called overdue at an age of {age}"
        if begun.reason != "period_reached":
            return None
        if self._policy.rotation_period is not None:
            earliest = promoted_at + self._policy.rotation_period * (1 - self._policy.spread) - _TOLERANCE
            return None if begun.at >= earliest else f"it came {earliest - begun.at} before its period was reached"
        number = bisect_right(self._times, begun.at)
        if number == 0 or self._times[number - 1] <= promoted_at:
            return "no scheduled time had passed since the last one"
        window = self._policy.rotation_window
        late = begun.at - self._times[number - 1]
        return f"its window had closed {late - window} ago" if window is not None and late >= window else None
