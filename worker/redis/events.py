"""The stream of what happened, for people to look at. Never read by a decision."""

from typing import cast

import redis
import structlog
from pydantic import TypeAdapter

from worker.policy.steps import Outcome
from worker.ports import Clock
from worker.redis.breaker import Breaker

STREAM = "rotator:events"
FIELD = "outcome"
"""The one field of an entry: an outcome as JSON."""

KEPT = 10_000
"""About how many events the stream keeps."""

_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)
_log = structlog.get_logger(__name__)


def encode(outcome: Outcome) -> str:
    """Return an outcome as JSON."""
    return _OUTCOME.dump_json(outcome).decode()


def decode(text: str) -> Outcome:
    """Return the outcome in that JSON, or raise ValueError."""
    outcome = _OUTCOME.validate_json(text)
    if outcome.at.tzinfo is None:
        raise ValueError("an event's time has no zone")
    return outcome


class RedisEvents:
    """Appends outcomes to the stream and reads the latest; a failing Redis loses events, never work.

    Args:
        client: answers strings and repeats no command by itself.
        clock: measures how long a failed Redis is left alone.
    """

    def __init__(self, *, client: redis.Redis, clock: Clock) -> None:
        self._client = client
        self._breaker = Breaker(clock=clock)

    def append(self, outcome: Outcome) -> None:
        """Append an outcome; when Redis is down it is dropped, with a log line."""
        self._breaker.ask(
            lambda: self._client.xadd(STREAM, {FIELD: encode(outcome)}, maxlen=KEPT, approximate=True),
            otherwise="events are dropped; the log has them",
        )

    def read_latest(self, count: int) -> tuple[Outcome, ...]:
        """Return at most `count` outcomes, the latest last; none when Redis is down. What is not ours is skipped."""
        entries = self._breaker.ask(
            lambda: cast("list[tuple[str, dict[str, str]]]", self._client.xrevrange(STREAM, count=count)),
            otherwise="no events are shown",
        )
        found = (_readable(entry_id, fields) for entry_id, fields in entries or ())
        return tuple(outcome for outcome in found if outcome is not None)[::-1]


def _readable(entry_id: str, fields: dict[str, str]) -> Outcome | None:
    try:
        return decode(fields[FIELD])
    except (KeyError, ValueError):
        _log.debug("foreign_event_skipped", entry=entry_id)
        return None
