"""A clock that jumps to where it is told."""

from datetime import datetime, timedelta


class VirtualClock:
    """`worker.ports.Clock`; waiting costs nothing but moves the time on.

    Args:
        now: where it stands at first, UTC.
    """

    def __init__(self, now: datetime) -> None:
        self._begin = self._now = now

    def now(self) -> datetime:
        """Return the simulated present."""
        return self._now

    def monotonic(self) -> float:
        """Return the simulated seconds since the begin."""
        return (self._now - self._begin).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Move on by that much."""
        self._now += timedelta(seconds=seconds)

    def go_to(self, moment: datetime) -> None:
        """Move on to that moment; one that is past already changes nothing."""
        self._now = max(self._now, moment)
