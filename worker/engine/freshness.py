"""Whether what was read may still be decided on: a process that stood still knows a world that is past."""

from datetime import datetime, timedelta
from typing import NamedTuple

from worker.errors import StoodStillError
from worker.policy.facts import CredentialFacts
from worker.policy.wording import span
from worker.ports import Clock

LONGEST = 60.0
"""Seconds from the first reading to an intent. Pauses, freezes and the last list have no check-and-set of their own."""


class ReadAt(NamedTuple):
    """When reading began, by both clocks: one stands still with a machine that sleeps, the other may be set."""

    monotonic: float
    wall: datetime


def reading_from(clock: Clock) -> ReadAt:
    """Return the present, right before something is read."""
    return ReadAt(clock.monotonic(), clock.now())


def require_fresh(clock: Clock, read_at: ReadAt, facts: CredentialFacts) -> None:
    """Raise StoodStillError when those facts were read too long ago."""
    age = max(clock.monotonic() - read_at.monotonic, (clock.now() - read_at.wall).total_seconds())
    if age > LONGEST:
        raise StoodStillError(
            f"{span(timedelta(seconds=age))} have passed since this worker read the state of credential "
            f"{facts.credential.name} (account {facts.credential.account}): it was stopped, or the servers are slow. "
            f"Nothing is done; the next sweep decides afresh."
        )
