"""Leases: one worker at a time for one credential, to spare work. Vault's check-and-set decides."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import redis
import structlog
from redis.exceptions import LockError
from redis.lock import Lock

from worker.ports import Clock
from worker.redis.breaker import Breaker

LEASE_PREFIX = "rotator:lease:"

_MILLISECOND = timedelta(milliseconds=1)
_NO_END = -1
"""What Redis answers for a key that never expires."""

_log = structlog.get_logger(__name__)


class RedisLeases:
    """`worker.ports.Leases` in Redis.

    A lease that expired or was lost with its server can have two holders at once. That is harmless, since every
    write to Vault is check-and-set; so when Redis is down, everybody may proceed.

    Whoever can write to Redis can hold any lease. So one that is found held at each try for twice its life is gone on
    without once: no holder of ours needs it so long.

    Args:
        client: answers strings and repeats no command by itself.
        clock: measures how long a failed Redis is left alone.
    """

    def __init__(self, *, client: redis.Redis, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._breaker = Breaker(clock=clock)
        self._lock = threading.Lock()
        self._refused_since: dict[str, float] = {}

    @contextmanager
    def hold(self, name: str, ttl: timedelta) -> Iterator[bool]:
        """Enter with True when held, or when Redis is down; with False when another holds it.

        A key that lasts longer than any lease of that name is nobody's, and counts as if Redis were down.

        Args:
            name: of the lease.
            ttl: after that much time the lease is anybody's, whether it was given back or not.
        """
        lock = self._client.lock(LEASE_PREFIX + name, timeout=ttl.total_seconds(), thread_local=False)
        answer = self._breaker.ask(
            lambda: self._acquire(lock, name, ttl),
            otherwise=f"went on without the lease {name}; Vault's check-and-set still admits only one",
        )
        try:
            yield answer is not False
        finally:
            if answer:
                self._breaker.ask(
                    lambda: self._release(lock, name),
                    otherwise=f"could not give back the lease {name}; it ends by itself",
                )

    def _acquire(self, lock: Lock, name: str, ttl: timedelta) -> bool | None:
        """Return whether it is held now; None when what is there is no lease of ours, which has no say."""
        if lock.acquire(blocking=False):
            with self._lock:
                self._refused_since.pop(name, None)
            return True
        left = self._client.pttl(LEASE_PREFIX + name)
        if left != _NO_END and left <= ttl / _MILLISECOND and not self._is_held_too_long(name, ttl):
            return False
        # Whoever can write to Redis must not be able to stop the work for good, and unseen.
        _log.warning("lease_of_nobody", lease=name, milliseconds_left=left, result="went on without it")
        return None

    def _is_held_too_long(self, name: str, ttl: timedelta) -> bool:
        now = self._clock.monotonic()
        with self._lock:
            if now - self._refused_since.setdefault(name, now) <= 2 * ttl.total_seconds():
                return False
            del self._refused_since[name]
            return True

    def _release(self, lock: Lock, name: str) -> None:
        try:
            lock.release()
        except LockError:
            # It expired, and may be somebody else's by now: redis-py has released nothing.
            _log.info("lease_outlived", lease=name)
