"""The machine's clocks."""

import time
from datetime import UTC, datetime


class SystemClock:
    """`worker.ports.Clock` of the real world."""

    def now(self) -> datetime:
        """Return the present as timezone-aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds on a clock that never jumps."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait that long."""
        time.sleep(seconds)
