"""A clock that moves only when told to."""

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """`worker.ports.Clock` for tests: starts at midnight of 2026-01-01 UTC unless told otherwise; thread-safe.

    Args:
        now: timezone-aware; where the clock stands at first.
    """

    def __init__(self, now: datetime = START) -> None:
        if now.tzinfo is None:
            raise ValueError("FakeClock needs a timezone-aware time")
        self._lock = threading.Lock()
        self._now = now.astimezone(UTC)
        self._monotonic = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """Return the present as timezone-aware UTC."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Return the seconds that passed since this clock was made."""
        with self._lock:
            return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Return at once, with both clocks moved on by that many seconds; `slept` remembers each call."""
        if seconds < 0:
            raise ValueError("nobody sleeps a negative time")
        with self._lock:
            self.slept.append(seconds)
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds

    def advance(self, by: timedelta) -> None:
        """Move both clocks on by that much."""
        if by < timedelta(0):
            raise ValueError("time does not run backwards; use step() for a clock that is set wrong")
        with self._lock:
            self._now += by
            self._monotonic += by.total_seconds()

    def step(self, by: timedelta) -> None:
        """Set the wall clock on (or back) by that much without time passing, as a correction by NTP does."""
        with self._lock:
            self._now += by


class WrongClock:
    """One machine's own clock: another clock's time, wrong by `by` (which a test may change); time passes alike."""

    def __init__(self, clock: FakeClock, by: timedelta = timedelta(0)) -> None:
        self._clock = clock
        self.by = by

    def now(self) -> datetime:
        """Return what this machine takes for the present, as timezone-aware UTC."""
        return self._clock.now() + self.by

    def monotonic(self) -> float:
        """Return the seconds that passed."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let that much time pass everywhere."""
        self._clock.sleep(seconds)
