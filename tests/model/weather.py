"""What befalls one run: which disturbances there are, how often, and the fate of each call. All of it from one seed."""

from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

SECOND, MINUTE, HOUR, DAY = 1.0, 60.0, 3600.0, 86_400.0

CALLS = ("stops", "kills", "lost", "late", "errors", "refusals", "hidden", "acts between calls")
"""What can happen at any call."""

EVENTS = (
    "clocks",
    "vault clock",
    "exchange clock",
    "identities",
    "outages",
    "mute",
    "lists",
    "leases",
    "paths",
    "copies",
    "forgeries",
    "tokens",
    "orders",
    "account orders",
    "restores",
    "account restores",
)
"""What happens now and then, whatever is under way."""

KINDS = (*CALLS, *EVENTS)

_STOPS = (5 * SECOND, MINUTE, MINUTE, 3 * MINUTE, 20 * MINUTE, 2 * HOUR, DAY, 8 * DAY)
_LATE = (SECOND, 20 * SECOND, 2 * MINUTE, 10 * MINUTE, 2 * HOUR)
_AWAY = (3 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE)


class Fate(StrEnum):
    """What becomes of one call."""

    DONE = "done"
    NOTHING = "nothing"  # the caller is told that nothing was done, and nothing was
    LOST = "lost"  # carried out, and the caller is not told
    NEVER = "never"  # not carried out, and the caller is not told
    LATE = "late"  # carried out after the caller gave up
    LATE_DEAD = "late and dead"  # the same, and the caller died meanwhile
    REFUSED = "refused"


@dataclass
class Weather:
    """The disturbances of one run: a swarm has some of them only, each as often as it was drawn."""

    random: Random
    often: dict[str, float] = field(default_factory=dict)

    @classmethod
    def drawn(cls, random: Random, only: frozenset[str] | None = None) -> "Weather":
        """Return the weather of one run; `only` names the disturbances instead of drawing them."""
        share = random.choice([0.15, 0.3, 0.5])
        kinds = [kind for kind in KINDS if (kind in only if only is not None else random.random() < share)]
        often = {}
        for kind in kinds:
            often[kind] = random.choice([0.01, 0.03, 0.1] if kind in CALLS else [0.3, 1.0, 3.0])
        return cls(random, often)

    def strikes(self, kind: str, times: float = 1.0) -> bool:
        """Whether that disturbance strikes here."""
        often = self.often.get(kind, 0.0)
        return often > 0 and self.random.random() < often * times

    def latency(self) -> float:
        """Return how long a call is on its way, one way."""
        return 10 ** self.random.uniform(-3, 0.3) if self.often else 0.001

    def stop(self, times: float = 1.0) -> float:
        """Return how long the process stands still here: mostly not at all."""
        if not self.strikes("stops", times):
            return 0.0
        return self.random.choice(_STOPS) * self.random.uniform(0.5, 1.5)

    def late(self) -> float:
        return self.random.choice(_LATE) * self.random.uniform(0.5, 1.5)

    def away(self) -> float:
        return self.random.choice(_AWAY) * self.random.uniform(0.5, 1.5)

    def fate(self, *, is_write: bool) -> Fate:
        """Return what becomes of a call."""
        if self.strikes("errors"):
            return Fate.NOTHING
        if self.strikes("lost"):
            return self.random.choice([Fate.LOST, Fate.LOST, Fate.NEVER])
        if is_write and self.strikes("late"):
            return self.random.choice([Fate.LATE, Fate.LATE_DEAD])
        return Fate.DONE

    def gap(self) -> float:
        """Return how long it is until the next thing happens: often nothing, sometimes days."""
        ranges = ((0, 0), (0, 5), (5, 90), (90, 900), (HOUR / 4, 8 * HOUR), (8 * HOUR, 8 * DAY))
        low, high = self.random.choices(ranges, weights=(25, 20, 20, 12, 12, 11))[0]
        return self.random.uniform(low, high)
