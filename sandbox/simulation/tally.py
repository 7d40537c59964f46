"""What is counted and kept for the report and the picture."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True)
class Life:
    """One token of ours, from its derive to its end; None: not (yet)."""

    token_id: str
    credential: str
    derived_at: datetime
    promoted_at: datetime | None = None
    superseded_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str = ""


@dataclass(slots=True)
class Told:
    """A verdict, from the moment people were told to the one they were told that it is over."""

    kind: str
    account: str
    credential: str
    begin: datetime
    end: datetime | None = None


@dataclass
class Tally:
    """Counters and lists of one run.

    Attributes:
        rotations: by policy.
        reasons: of rotations.
        revocations: by reason.
        alerts: verdicts begun, by kind.
        troubles: other outcomes that a person is told, by reason and severity.
        rejected: calls of readers that were answered 401, by cause.
        overlaps: how long superseded tokens lived, by policy.
        longest_age: of a token that was served, by policy.
        longest_age_free: the same, of those that nothing ever stood in the way of.
        orphan_lives: how long orphans lived, from when lists showed them.
        healed: how long after a revocation by hand a working token was served.
        lives: every token of ours.
        told: every verdict.
    """

    rotations: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    revocations: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    overlaps: dict[str, list[timedelta]] = field(default_factory=dict)
    longest_age: dict[str, timedelta] = field(default_factory=dict)
    longest_age_free: dict[str, timedelta] = field(default_factory=dict)
    orphan_lives: list[timedelta] = field(default_factory=list)
    healed: list[timedelta] = field(default_factory=list)
    lives: dict[str, Life] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
