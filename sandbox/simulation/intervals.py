"""Stretches of time: when a server is away, a freeze lasts, a person paused something."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from random import Random

Interval = tuple[datetime, datetime]


class Intervals:
    """A set of moments, as a few intervals with their ends left out.

    Args:
        intervals: in any order; those that touch become one.
    """

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._merged: list[Interval] = []
        self._starts: list[datetime] = []
        for start, until in sorted(intervals):
            self._append(start, until)

    @property
    def all(self) -> Sequence[Interval]:
        """The merged intervals, the earliest first."""
        return self._merged

    def add(self, start: datetime, until: datetime) -> None:
        """Add one interval."""
        merged, self._merged, self._starts = [*self._merged, (start, until)], [], []
        for one in sorted(merged):
            self._append(*one)

    def at(self, moment: datetime) -> bool:
        """Whether the moment lies in one of them."""
        number = bisect_right(self._starts, moment)
        return number > 0 and moment < self._merged[number - 1][1]

    def end_at(self, moment: datetime) -> datetime | None:
        """Return the end of the interval in which the moment lies, or None when it lies in none."""
        number = bisect_right(self._starts, moment)
        return self._merged[number - 1][1] if number and moment < self._merged[number - 1][1] else None

    def within(self, start: datetime, until: datetime) -> timedelta:
        """Return how much of the time from start to until they cover."""
        first = max(0, bisect_right(self._starts, start) - 1)
        total = timedelta()
        for begin, end in self._merged[first:]:
            if begin >= until:
                break
            total += max(timedelta(), min(end, until) - max(begin, start))
        return total

    def _append(self, start: datetime, until: datetime) -> None:
        if self._merged and start <= self._merged[-1][1]:
            self._merged[-1] = (self._merged[-1][0], max(until, self._merged[-1][1]))
        elif until > start:
            self._merged.append((start, until))
            self._starts.append(start)


def union(sets: Iterable[Intervals]) -> Intervals:
    """Return the moments that lie in any of them."""
    return Intervals(one for each in sets for one in each.all)


def drawn(random: Random, *, begin: datetime, days: int, every: float, longest: timedelta) -> Intervals:
    """Return intervals drawn at random.

    Args:
        random: draws them.
        begin: of the run.
        days: of the run.
        every: days between two, on average.
        longest: how long one lasts at most; most are far shorter.
    """
    found: list[Interval] = []
    at = begin + timedelta(days=random.expovariate(1 / every))
    while at < begin + timedelta(days=days):
        found.append((at, at + longest * random.random() ** 3))
        at = found[-1][1] + timedelta(days=random.expovariate(1 / every))
    return Intervals(found)
