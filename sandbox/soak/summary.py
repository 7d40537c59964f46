"""What a soak comes to, and which promises it broke."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sandbox.leaks import Finding
from sandbox.soak.audit import Audit
from sandbox.soak.measure import Rotation, Spread, Struck, duplicates, recoveries, spread
from sandbox.soak.scene import ROTATION_PERIOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The result of a soak.

    Attributes:
        seconds: how long blows fell.
        seed: of the blows and of the exchange's faults.
        names: every credential.
        rotations: all of them.
        blows: as they really fell.
        faults: what befell requests at the exchange, by kind.
        requests: sent by the traders and seen by the exchange.
        refused: those answered 401 or 403, in words.
        untraded: credentials that no trader ever traded with.
        strays: how long each token lived that never came to be served: answers lost, attempts given up.
        audit: what was wrong when everything had been quiet for a while, or at the end of the patience.
        settled_after: how long after the last blow nothing was wrong any more, or None.
        leaks: secrets seen outside Vault.
        fallen: processes that ended by themselves.
        trouble: what stopped the run early, if anything did.
    """

    seconds: float
    seed: int
    names: tuple[str, ...]
    rotations: tuple[Rotation, ...]
    blows: tuple[Struck, ...]
    faults: Mapping[str, int]
    requests: int
    refused: tuple[str, ...]
    untraded: tuple[str, ...]
    strays: tuple[timedelta, ...]
    audit: Audit
    settled_after: timedelta | None
    leaks: tuple[Finding, ...]
    fallen: tuple[str, ...] = ()
    trouble: str | None = None

    @property
    def recovery(self) -> Spread:
        """How long after a blow's end each credential that waited was rotated."""
        return spread(late for blow in self.blows for late in recoveries(blow, self.rotations))

    @property
    def first_recovery(self) -> Spread:
        """How long after a blow's end the first of the credentials that waited was rotated: all works again."""
        return spread(late for blow in self.blows for late in recoveries(blow, self.rotations)[:1])

    @property
    def recovery_by_kind(self) -> dict[str, Spread]:
        """Each credential's recovery for each kind of blow, in the order in which kinds first fell."""
        return {
            kind.value: spread(
                late for blow in self.blows if blow.kind is kind for late in recoveries(blow, self.rotations)
            )
            for kind in dict.fromkeys(blow.kind for blow in self.blows)
        }

    @property
    def lateness(self) -> Spread:
        """How long after their due dates all rotations were done."""
        return spread(one.late for one in self.rotations)

    @property
    def broken_promises(self) -> tuple[str, ...]:
        """What was not as it must be, in sentences; empty means success."""
        broken = [*self.refused, *self.audit.lost, *self.audit.orphans, *self.audit.untidy]
        broken += [
            f"{one.credential} was rotated twice for one due date: {one.rotation_id} came {-one.late} early"
            for one in duplicates(self.rotations)
        ]
        rotated = {one.credential for one in self.rotations}
        if self.seconds >= 2 * ROTATION_PERIOD.total_seconds():
            broken += [f"{name} was never rotated" for name in self.names if name not in rotated]
        broken += [f"no trader ever traded with {name}" for name in self.untraded]
        broken += [f"{leak} was seen outside Vault" for leak in self.leaks]
        broken += [f"{process}, although nobody stopped it" for process in self.fallen]
        return tuple(broken + ([self.trouble] if self.trouble else []))

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON-ready data."""
        return {
            "ok": not self.broken_promises,
            "broken_promises": list(self.broken_promises),
            "seconds": round(self.seconds, 1),
            "seed": self.seed,
            "rotations": len(self.rotations),
            "blows": _counted(blow.kind.value for blow in self.blows),
            "faults": dict(self.faults),
            "requests": self.requests,
            "rejected": len(self.refused),
            "secrets_lost": len(self.audit.lost),
            "orphans": len(self.audit.orphans),
            "duplicates": len(duplicates(self.rotations)),
            "recovery_seconds": asdict(self.recovery),
            "first_recovery_seconds": asdict(self.first_recovery),
            "recovery_seconds_by_blow": {kind: asdict(one) for kind, one in self.recovery_by_kind.items()},
            "lateness_seconds": asdict(self.lateness),
            "stray_lives_seconds": asdict(spread(self.strays)),
            "settled_after_seconds": self.settled_after and round(self.settled_after.total_seconds(), 1),
            "secrets_seen_outside_vault": [str(leak) for leak in self.leaks],
            "processes_ended_by_themselves": list(self.fallen),
        }

    def lines(self) -> list[str]:
        """Return what people read at the end."""
        each = Counter(one.credential for one in self.rotations)
        fewest, most = min(each[name] for name in self.names), max(each[name] for name in self.names)
        settled = f"{self.settled_after.total_seconds():.0f} s" if self.settled_after is not None else "not in time"
        told = [
            ("rotations", f"{len(self.rotations)} of {len(self.names)} credentials ({fewest} to {most} each)"),
            ("blows", f"{len(self.blows)}"),
            *((f"  {kind}", f"{count}") for kind, count in _counted(one.kind.value for one in self.blows).items()),
            ("faults at the exchange", f"{sum(self.faults.values())}"),
            *((f"  {kind}", f"{count}") for kind, count in sorted(self.faults.items())),
            ("requests", f"{self.requests} by the traders"),
            ("rejected", f"{len(self.refused)}"),
            ("secrets lost", f"{len(self.audit.lost)}"),
            ("orphans", f"{len(self.audit.orphans)}"),
            ("duplicates", f"{len(duplicates(self.rotations))}"),
            ("recovery: the first to be rotated", f"{self.first_recovery}"),
            ("recovery: all that waited", f"{self.recovery}"),
            *((f"  {kind}", f"{one}") for kind, one in self.recovery_by_kind.items()),
            ("done after the due date", f"{self.lateness}"),
            ("life of unusable tokens", f"{spread(self.strays)}"),
            ("all in order after", settled),
            ("secrets seen outside Vault", f"{len(self.leaks)}"),
        ]
        width = max(len(name) for name, _ in told)
        lines = [f"  {name.ljust(width)}  {value}" for name, value in told]
        verdict = [f"BROKEN: {promise}." for promise in self.broken_promises] or ["OK: every promise was kept."]
        return [f"Soak of {self.seconds:.0f} s (seed {self.seed})", *lines, *verdict]


def _counted(kinds: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(kinds).items()))
