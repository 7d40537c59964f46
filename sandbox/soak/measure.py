"""What a run's promotions and blows say: duplicates, lateness, recovery. Pure.

A rotation is due one period after the promotion before it, by Vault's clock, and done when its own version appeared
in Vault. The first promotion of a credential replaces nothing and is no rotation.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sandbox.soak.blows import Kind


@dataclass(frozen=True, slots=True, order=True)
class Promotion:
    """One new version at a consumers' path, at Vault's time of it."""

    credential: str
    at: datetime
    rotation_id: str


@dataclass(frozen=True, slots=True)
class Rotation:
    """A promotion that followed another: when it was due, and when it was done."""

    credential: str
    rotation_id: str
    due: datetime
    done: datetime

    @property
    def late(self) -> timedelta:
        """How long after its due date it was done; below zero for one that was not due yet."""
        return self.done - self.due


@dataclass(frozen=True, slots=True)
class Struck:
    """A blow as it really fell: from when until when its target was out of order."""

    kind: Kind
    begun: datetime
    over: datetime


def rotations(promotions: Iterable[Promotion], period: timedelta) -> tuple[Rotation, ...]:
    """Return the rotations among the promotions, each credential's in order."""
    by_name: dict[str, list[Promotion]] = defaultdict(list)
    for one in sorted(set(promotions)):
        by_name[one.credential].append(one)
    return tuple(
        Rotation(name, after.rotation_id, due=before.at + period, done=after.at)
        for name, each in by_name.items()
        for before, after in pairwise(each)
    )


def duplicates(done: Iterable[Rotation]) -> tuple[Rotation, ...]:
    """Return the rotations that were done before they were due: the due date before had its rotation already."""
    return tuple(one for one in done if one.late < timedelta())


def recoveries(blow: Struck, done: Iterable[Rotation]) -> tuple[timedelta, ...]:
    """Return, for each credential that waited when the blow was over, how long it went on waiting; shortest first.

    A credential waited when its rotation was due and not done. Blows that fall meanwhile lengthen the recovery, and
    so do the exchange's faults and the time until the next sweep: nothing is subtracted.
    """
    return tuple(sorted(one.done - blow.over for one in done if one.due <= blow.over < one.done))


@dataclass(frozen=True, slots=True)
class Spread:
    """How many values there were, and how they spread, in seconds (None without values)."""

    count: int
    p50: float | None = None
    p99: float | None = None
    longest: float | None = None

    def __str__(self) -> str:
        if self.p50 is None or self.p99 is None or self.longest is None:
            return "none"
        return f"p50 {self.p50:.1f} s, p99 {self.p99:.1f} s, max {self.longest:.1f} s ({self.count} values)"


def spread(values: Iterable[timedelta]) -> Spread:
    """Return how the values spread; a percentile is the smallest value that so many of them do not exceed."""
    ordered = sorted(one.total_seconds() for one in values)
    if not ordered:
        return Spread(0)
    return Spread(len(ordered), _percentile(ordered, 50), _percentile(ordered, 99), ordered[-1])


def _percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
