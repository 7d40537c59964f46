"""Who holds what: the documents that each consumers' path served, since when, and the services that read them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from worker.models import PathLocation

UseToken = Callable[[str, str, float], None]
"""Called with a token's id, the secret that a service signs with, and when it did so last."""


@dataclass
class Placement:
    """One token at one path, from the write that put it there to the write that replaced it."""

    location: PathLocation
    token_id: str | None
    secret: str | None
    since: float
    by_person: bool
    forged: bool = False
    until: float | None = None

    def may_be_held(self, now: float, for_long: float) -> bool:
        """Whether a service that reads again after `for_long` may still hold it."""
        return self.until is None or now - self.until < for_long


@dataclass
class Reader:
    """One service: it reads its path at fixed moments and signs with what it holds all the while."""

    location: PathLocation
    every: float
    phase: float
    holds: tuple[str, str] | None = None

    def reads_between(self, after: float, until: float) -> float | None:
        """Return the first moment at which it reads in that time, or None."""
        passed = (after - self.phase) // self.every + 1
        moment = self.phase + passed * self.every
        return moment if moment <= until else None


@dataclass
class Holdings:
    """Every placement there was, and the services."""

    use: UseToken
    readers: list[Reader] = field(default_factory=list)
    _placements: dict[PathLocation, list[Placement]] = field(default_factory=dict)
    _of_token: dict[str, list[Placement]] = field(default_factory=dict)
    _seen_until: float = 0.0

    def at(self, location: PathLocation) -> Placement | None:
        """Return what that path serves now."""
        placements = self._placements.get(location)
        return placements[-1] if placements else None

    def of(self, token_id: str) -> list[Placement]:
        """Return where that token ever was."""
        return self._of_token.get(token_id, [])

    def every(self) -> Iterator[Placement]:
        for placements in self._placements.values():
            yield from placements

    def place(self, placement: Placement) -> None:
        """Take note of what a path serves from now on."""
        self.pass_time(placement.since)
        before = self.at(placement.location)
        if before is not None:
            before.until = placement.since
        self._placements.setdefault(placement.location, []).append(placement)
        if placement.token_id is not None:
            self._of_token.setdefault(placement.token_id, []).append(placement)

    def pass_time(self, now: float) -> None:
        """Let the services read and use until now; what the paths serve has not changed meanwhile."""
        for reader in self.readers:
            moment = reader.reads_between(self._seen_until, now)
            if moment is not None:
                if reader.holds is not None:
                    self.use(*reader.holds, moment)
                served = self.at(reader.location)
                if served is not None and served.token_id is not None and served.secret is not None:
                    reader.holds = (served.token_id, served.secret)
            if reader.holds is not None:
                self.use(*reader.holds, now)
        self._seen_until = now
