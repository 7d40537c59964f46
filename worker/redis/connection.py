"""The Redis client of leases, events, messages and beat: every command of it has one deadline."""

import socket
import ssl
from typing import Any, cast
from urllib.parse import urlsplit

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.retry import Retry

from worker.network import BoundedSocket, bounded, connect_in_time

SOCKET_TIMEOUT = 2.0
"""Seconds to wait for an answer of Redis. Short: a rotation goes on without one."""

CONNECT_TIMEOUT = 2.0
"""Seconds to wait for a connection to Redis."""


def connect(
    url: SecretStr,
    *,
    socket_timeout: float = SOCKET_TIMEOUT,
    connect_timeout: float = CONNECT_TIMEOUT,
    retry: Retry | None = None,
    text: bool = True,
) -> redis.Redis:
    """Return a thread-safe client of that Redis; it connects at its first command.

    Args:
        url: `redis://` or `rediss://`, with the password in it.
        socket_timeout: seconds to wait for an answer.
        connect_timeout: seconds to wait for a connection. Both together bound a whole command, connecting included.
        retry: for what is safe to ask again, within that same time; nothing is asked again unless told so.
        text: whether answers are text; else they are bytes.

    Raises:
        ValueError: the URL's scheme is not one of Redis.
    """
    pool = ConnectionPool.from_url(
        url.get_secret_value(),
        decode_responses=text,
        socket_timeout=socket_timeout,
        socket_connect_timeout=connect_timeout,
        socket_keepalive=True,
        # By default redis-py sends a command up to ten more times when its answer is lost: it would take a lease
        # twice (and report that somebody else has it) and append an event twice.
        retry=retry or Retry(NoBackoff(), 0),
    )
    # Set here, since a `rediss://` URL overrides what `from_url` is told.
    secure = urlsplit(url.get_secret_value()).scheme == "rediss"
    pool.connection_class = _BoundedTlsConnection if secure else _BoundedConnection
    return _BoundedRedis(seconds=socket_timeout + connect_timeout, pool=pool)


class _BoundedRedis(redis.Redis):
    """Gives every command one deadline for all of it."""

    def __init__(self, *, seconds: float, pool: ConnectionPool) -> None:
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self._seconds = seconds

    def execute_command(self, *args: Any, **options: Any) -> Any:
        with bounded(self._seconds):
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call] # redis has no types here


class _BoundedConnection(redis.Connection):
    def _connect(self) -> socket.socket:
        return cast("socket.socket", BoundedSocket(_connected(self)))


class _BoundedTlsConnection(redis.SSLConnection):
    def _connect(self) -> socket.socket:
        sock = _connected(self)
        try:
            secured: ssl.SSLSocket = self._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call] # nor here
            return cast("socket.socket", BoundedSocket(secured))
        except Exception:
            sock.close()
            raise


def _connected(connection: redis.Connection) -> socket.socket:
    def one(address: str, seconds: float | None) -> socket.socket:
        made = socket.create_connection((address, connection.port), seconds)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return made

    return connect_in_time(connection.host, connection.port, connection.socket_connect_timeout, one)
