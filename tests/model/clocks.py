"""Clocks that are off: virtual time, seen by a worker, by Vault or by the exchange."""

from datetime import UTC, datetime, timedelta

from tests.model.scheduler import Scheduler

START = datetime(2026, 1, 1, tzinfo=UTC)


class ModelClock:
    """`worker.ports.Clock` on virtual time.

    Attributes:
        offset: by how many seconds this clock is ahead of true time.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.offset = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self._scheduler.now + self.offset)

    def monotonic(self) -> float:
        return self._scheduler.now

    def sleep(self, seconds: float) -> None:
        self._scheduler.sleep(seconds)
