"""When a server answers nobody."""

from bisect import bisect_right
from datetime import datetime, timedelta
from random import Random


class Outages:
    """Some intervals, drawn once.

    Args:
        random: draws them.
        begin: of the run.
        days: of the run.
        every: days between two outages, on average.
        longest: how long one lasts at most; most are far shorter.
    """

    def __init__(self, *, random: Random, begin: datetime, days: int, every: float, longest: timedelta) -> None:
        found: list[tuple[datetime, datetime]] = []
        at = begin + timedelta(days=random.expovariate(1 / every))
        while at < begin + timedelta(days=days):
            found.append((at, at + longest * random.random() ** 3))
            at = found[-1][1] + timedelta(days=random.expovariate(1 / every))
        self.intervals = tuple(found)
        self._starts = [start for start, _ in found]

    def at(self, now: datetime) -> bool:
        """Whether the server is away at that moment."""
        number = bisect_right(self._starts, now)
        return number > 0 and now < self.intervals[number - 1][1]
