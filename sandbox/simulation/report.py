"""What a simulated run comes to, for people and as data."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sandbox.simulation.fleet import POLICIES
from sandbox.simulation.promises import Promise
from sandbox.simulation.run import Simulation
from worker.policy.wording import span

_SHOWN = 20
"""Broken promises of one kind that are told; the rest is counted."""


class Report:
    """Reads a run that is over.

    Args:
        simulation: the run.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._run = simulation
        self._tally, self._scales = simulation.judge.tally, simulation.judge.scales

    @property
    def broken(self) -> Mapping[Promise, Sequence[str]]:
        """Each broken promise with what broke it; empty means success."""
        return self._scales.broken

    @property
    def untested(self) -> tuple[Promise, ...]:
        """Promises that this run, being short or lucky, never put to the test."""
        return tuple(one for one in Promise if not self._scales.tested[one])

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON-ready data, durations in seconds."""
        scenario, tally = self._run.scenario, self._tally
        return {
            "ok": not self.broken,
            "days": scenario.days,
            "credentials": scenario.credentials,
            "accounts": scenario.accounts,
            "seed": scenario.seed,
            "processor_seconds": round(self._run.seconds, 1),
            "engine_calls": self._run.calls,
            "requests": self._requests,
            "rejected": dict(tally.rejected),
            "rotations": dict(tally.rotations),
            "rotation_reasons": dict(tally.reasons),
            "longest_age": {name: age.total_seconds() for name, age in tally.longest_age.items()},
            "longest_age_unhindered": {name: age.total_seconds() for name, age in tally.longest_age_free.items()},
            "overlaps": {
                name: {"median": _part(found, 0.5).total_seconds(), "longest": max(found).total_seconds()}
                for name, found in tally.overlaps.items()
            },
            "revocations": dict(tally.revocations),
            "alerts": dict(tally.alerts),
            "people": dict(self._run.people.acts),
            "promises": {
                one.value: {"tested": self._scales.tested[one], "broken": list(self.broken.get(one, ()))}
                for one in Promise
            },
        }

    def lines(self) -> list[str]:
        """Return what people read at the end."""
        scenario = self._run.scenario
        head = (
            f"{scenario.days} days of {scenario.credentials} credentials on {scenario.accounts} accounts "
            f"(seed {scenario.seed}) in {self._run.seconds:.0f} s of processor time: {self._run.calls} engine calls, "
            f"{self._requests} requests of {len(self._run.readers)} readers"
        )
        return [
            head,
            "",
            *_table(
                ("policy", "rotations", "longest age", "unhindered", "max_age", "overlap", "longest"), self._rows()
            ),
            "",
            *self._counts(),
            "",
            *_table(("promise", "tested", "broken"), self._verdicts()),
            "",
            *self._told(),
        ]

    @property
    def _requests(self) -> int:
        return self._scales.tested[Promise.SERVED]

    def _rows(self) -> Iterable[Sequence[str]]:
        tally = self._tally
        for name in sorted(tally.rotations, key=list(POLICIES).index):
            overlaps, free = tally.overlaps.get(name), tally.longest_age_free.get(name)
            yield (
                name,
                str(tally.rotations[name]),
                span(tally.longest_age.get(name, timedelta())),
                span(free) if free else "-",
                span(POLICIES[name].max_age),
                span(_part(overlaps, 0.5)) if overlaps else "-",
                span(max(overlaps)) if overlaps else "-",
            )

    def _counts(self) -> list[str]:
        tally = self._tally
        orphans = tally.orphan_lives
        lives = (
            f"{len(orphans)}, lived {span(_part(orphans, 0.5))} (median) to {span(max(orphans))}" if orphans else "0"
        )
        healed = tally.healed
        cures = f"{span(_part(healed, 0.5))} (median) to {span(max(healed))}" if healed else "-"
        told = [
            ("rotated because", _counted(tally.reasons)),
            ("revoked because", _counted(tally.revocations)),
            ("orphans", lives),
            ("alerts begun", _counted(tally.alerts)),
            ("readers rejected", _counted(tally.rejected) or "none"),
            ("people", _counted(self._run.people.acts)),
            ("healed after a revocation by hand", cures),
        ]
        width = max(len(name) for name, _ in told)
        return [f"  {name.ljust(width)}  {value}" for name, value in told]

    def _verdicts(self) -> Iterable[Sequence[str]]:
        for one in Promise:
            yield one.value, str(self._scales.tested[one]), str(len(self.broken.get(one, ())))

    def _told(self) -> list[str]:
        lines = []
        for promise, found in self.broken.items():
            lines += [f"BROKEN: {promise}: {one}" for one in found[:_SHOWN]]
            lines += [f"BROKEN: {promise}: and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        lines += [f"NOT TESTED: {one}" for one in self.untested]
        return lines if self.broken else [*lines, "OK: every promise that was tested was kept."]


def _part(found: Sequence[timedelta], part: float) -> timedelta:
    return sorted(found)[int(part * (len(found) - 1))]


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    told = [head, *rows]
    widths = [max(len(row[column]) for row in told) for column in range(len(head))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in told
    ]
