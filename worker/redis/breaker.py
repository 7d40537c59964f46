"""Redis is a convenience: once it fails, nobody waits for it again for a while."""

import threading
from collections.abc import Callable
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

from worker.ports import Clock

PAUSE = 30.0
"""Seconds for which Redis is left alone after a failure."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Breaker:
    """Asks Redis, swallows its failures with one log line each, and leaves it alone for a while after one.

    Without it a Redis that hangs would hold up every step of a rotation for its whole time-out. Thread-safe.

    Args:
        clock: measures the pause.
        pause: seconds for which Redis is left alone after a failure.
    """

    def __init__(self, *, clock: Clock, pause: float = PAUSE) -> None:
        self._clock = clock
        self._pause = pause
        self._lock = threading.Lock()
        self._closed_until: float | None = None

    def ask(self, command: Callable[[], T], *, otherwise: str) -> T | None:
        """Return the command's answer, or None when Redis failed now or within the last pause.

        Args:
            command: talks to Redis; its other errors pass.
            otherwise: what a failure means, for the log line.
        """
        if not self._usable():
            return None
        try:
            return command()
        except (RedisError, OSError) as error:
            with self._lock:
                self._closed_until = self._clock.monotonic() + self._pause
            # Only the kind of failure: what redis-py writes into its messages is not ours to vouch for.
            _log.warning("redis_unavailable", error=type(error).__name__, result=otherwise, paused_seconds=self._pause)
            return None

    def _usable(self) -> bool:
        with self._lock:
            return self._closed_until is None or self._clock.monotonic() >= self._closed_until
