"""What is done to the system and when: decided beforehand from a seed, so that a run can be had again."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sandbox.soak.scene import Scene

VAULT, REDIS, EXCHANGE = "vault", "redis", "exchange"
REST_SECONDS = 1.0
"""How long a target is left alone after a blow, so that two blows never touch the same one at once."""


class Kind(StrEnum):
    """The blows. "For" a time: it lasts; the others are over at once, and what was killed comes back after a while."""

    WORKER_KILLED = "worker killed"
    WORKER_STOPPED = "worker stopped"  # SIGSTOP, then SIGCONT: most often longer than others wait for its derive
    WORKER_RESTARTED = "worker restarted"  # SIGTERM, with time to finish
    BEAT_KILLED = "beat killed"
    BEAT_STOPPED = "beat stopped"
    TRADER_KILLED = "trader killed"
    TRADER_STOPPED = "trader stopped"
    VAULT_SEALED = "vault sealed"
    VAULT_HUNG = "vault hung"  # SIGSTOP: a write may be carried out long after its client gave up
    VAULT_KILLED = "vault killed"
    REDIS_KILLED = "redis killed"  # it keeps nothing on disk, so it comes back empty
    REDIS_EMPTIED = "redis emptied"
    REDIS_CUT = "redis connections cut"
    REDIS_HUNG = "redis hung"
    EXCHANGE_HUNG = "exchange hung"
    EXCHANGE_CLOSED = "exchange in maintenance"  # 503 to whatever the rotator asks


@dataclass(frozen=True, slots=True)
class Blow:
    """One blow: `at` seconds after the start of the run, over `lasts` seconds later."""

    at: float
    kind: Kind
    target: str
    lasts: float

    @property
    def over_at(self) -> float:
        """When its target is whole again, in seconds after the start."""
        return self.at + self.lasts

    def __str__(self) -> str:
        lasts = f" for {self.lasts:.1f} s" if self.lasts else ""
        return f"{self.kind} ({self.target}){lasts}"


@dataclass(frozen=True, slots=True)
class _Sort:
    kind: Kind
    family: str
    weight: int
    shortest: float
    longest: float


_SORTS = (
    _Sort(Kind.WORKER_KILLED, "worker", 6, 0.5, 3),
    _Sort(Kind.WORKER_STOPPED, "worker", 4, 2, 14),
    _Sort(Kind.WORKER_RESTARTED, "worker", 1, 10, 12),
    _Sort(Kind.BEAT_KILLED, "beat", 1, 0.5, 3),
    _Sort(Kind.BEAT_STOPPED, "beat", 1, 2, 10),
    _Sort(Kind.TRADER_KILLED, "trader", 1, 0.5, 2),
    # Not longer: a service that sleeps away its grace may wake up with a token that is gone, and rightly so.
    _Sort(Kind.TRADER_STOPPED, "trader", 1, 1, 4),
    _Sort(Kind.VAULT_SEALED, VAULT, 2, 1, 8),
    _Sort(Kind.VAULT_HUNG, VAULT, 2, 1, 8),
    _Sort(Kind.VAULT_KILLED, VAULT, 2, 0.5, 4),
    _Sort(Kind.REDIS_KILLED, REDIS, 2, 0.5, 8),
    _Sort(Kind.REDIS_EMPTIED, REDIS, 2, 0, 0),
    _Sort(Kind.REDIS_CUT, REDIS, 2, 0, 0),
    _Sort(Kind.REDIS_HUNG, REDIS, 1, 1, 12),
    _Sort(Kind.EXCHANGE_HUNG, EXCHANGE, 1, 1, 5),
    _Sort(Kind.EXCHANGE_CLOSED, EXCHANGE, 1, 2, 8),
)


def plan_blows(scene: Scene, *, seed: int, seconds: float, every: float) -> tuple[Blow, ...]:
    """Return the blows of a run, in order of time; the same arguments give the same blows.

    Args:
        scene: says how many workers, beats and traders there are.
        seed: decides everything.
        seconds: how long the run is; every blow is over by then.
        every: seconds between the beginnings of two blows, on average.
    """
    return tuple(_blows(random.Random(f"soak:{seed}"), scene, seconds, every))  # noqa: S311 - it is to be repeatable


def _blows(chance: random.Random, scene: Scene, seconds: float, every: float) -> Iterator[Blow]:
    free_at: dict[str, float] = {}
    at = 0.0
    while (at := at + chance.uniform(0.5, 1.5) * every) < seconds:
        sort = chance.choices(_SORTS, weights=[one.weight for one in _SORTS])[0]
        blow = Blow(at, sort.kind, chance.choice(_targets(sort.family, scene)), _lasts(chance, sort))
        if blow.at >= free_at.get(blow.target, 0.0) and blow.over_at <= seconds:
            free_at[blow.target] = blow.over_at + REST_SECONDS
            yield blow


def _targets(family: str, scene: Scene) -> Sequence[str]:
    counts = {"worker": scene.workers, "beat": scene.beats, "trader": scene.traders}
    return [f"{family}-{number}" for number in range(1, counts[family] + 1)] if family in counts else [family]


def _lasts(chance: random.Random, sort: _Sort) -> float:
    return round(chance.uniform(sort.shortest, sort.longest), 2)
