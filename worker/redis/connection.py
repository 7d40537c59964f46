"""One Redis client for leases and events."""

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

SOCKET_TIMEOUT = 2.0
"""Seconds to wait for an answer of Redis. Short: a rotation goes on without one."""

CONNECT_TIMEOUT = 2.0
"""Seconds to wait for a connection to Redis."""


def connect(
    url: SecretStr, *, socket_timeout: float = SOCKET_TIMEOUT, connect_timeout: float = CONNECT_TIMEOUT
) -> redis.Redis:
    """Return a thread-safe client of that Redis; it connects at its first command.

    Args:
        url: `redis://` or `rediss://`, with the password in it.
        socket_timeout: seconds to wait for an answer.
        connect_timeout: seconds to wait for a connection.

    Raises:
        ValueError: the URL's scheme is not one of Redis.
    """
    return redis.Redis.from_url(
        url.get_secret_value(),
        decode_responses=True,
        socket_timeout=socket_timeout,
        socket_connect_timeout=connect_timeout,
        socket_keepalive=True,
        # By default redis-py sends a command up to ten more times when its answer is lost: it would take a lease
        # twice (and report that somebody else has it) and append an event twice.
        retry=Retry(NoBackoff(), 0),
    )
