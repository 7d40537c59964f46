"""One worker process behind its proxies: how a cell wakes it up, strikes it, and sees whether it has work in hand."""

from collections.abc import Mapping
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Final
from urllib.parse import urlsplit

import redis

from config.schema import Credential
from sandbox.chaos.cells import REVOCATIONS, Scenario
from sandbox.chaos.naming import EXCHANGE, REDIS, VAULT
from sandbox.chaos.proxy import PausingProxy
from sandbox.chaos.redis_proxy import RedisProxy
from sandbox.processes import Child, Children
from sandbox.servers import LOCALHOST
from sandbox.stack import Stack, StackError, procfile_command
from worker.app import RotatorApp
from worker.tasks import REVOKE_ACCOUNT, ROTATE_CREDENTIAL

EXPIRES_SECONDS: Final = 30.0
_UNAVAILABLE: Final = b"redis_unavailable"
"""What a worker's log says when it begins to leave Redis alone."""


class WorkerSlot:
    """One Celery worker with a queue of its own, so that a cell decides which worker is woken up."""

    def __init__(
        self, *, name: str, stack: Stack, children: Children, config: Path, app: RotatorApp, broker: redis.Redis
    ) -> None:
        self.name = name
        self.proxies: Mapping[str, PausingProxy] = {
            VAULT: PausingProxy(stack.vault.addr),
            EXCHANGE: PausingProxy(stack.api_url),
            REDIS: RedisProxy(stack.redis.url),
        }
        self.log = children.logs / f"{name}.log"
        self._app = app
        self._broker = broker
        self._heartbeat = stack.folder / f"{name}.heartbeat"
        self._stack = stack
        self._children = children
        self._config = config
        self._child: Child | None = None
        self._log_begins = 0

    def start(self) -> None:
        """Start its process for the first time; returns at once."""
        stack = self._stack
        environment = {
            **stack.worker_environment,
            "ROTATOR_CONFIG": str(self._config),
            "REDIS_URL_FILE": str(own_redis_url_file(stack, self.name, self.proxies[REDIS].port)),
            "VAULT_ADDR": self.proxies[VAULT].url,
            "LIMITLESS_API_URL": self.proxies[EXCHANGE].url,
            "ROTATOR_HEARTBEAT_FILE": str(self._heartbeat),
        }
        command = [*procfile_command("worker"), "--hostname", f"{self.name}@%h", "--queues", self.name]
        self._child = self._children.start(self.name, command, environment=environment)

    def close(self) -> None:
        """Close the proxies and empty the queue; the process is its `Children`'s to end."""
        for proxy in self.proxies.values():
            proxy.close()
        self._broker.delete(self.name)

    def wake(self, scenario: Scenario, credential: Credential) -> None:
        """Send the one wake-up of the scenario."""
        if scenario in REVOCATIONS:
            self._send(REVOKE_ACCOUNT, credential.account)
        else:
            self._send(ROTATE_CREDENTIAL, credential.name)

    def sweep(self, credential: Credential) -> None:
        """Send both wake-ups that beat would send."""
        self._send(ROTATE_CREDENTIAL, credential.name)
        self._send(REVOKE_ACCOUNT, credential.account)

    def kill(self) -> None:
        """Kill the process and forget its sign of life."""
        self._process.kill()
        self._log_begins = self.log.stat().st_size
        self._heartbeat.unlink(missing_ok=True)

    def revive(self) -> None:
        """Start the same command again."""
        self._process.restart()

    def freeze(self) -> None:
        """Stop the process."""
        self._process.send(SIGSTOP)

    def thaw(self) -> None:
        """Continue the process."""
        self._process.send(SIGCONT)

    def ready(self) -> bool:
        """Whether the worker reads its queue; raises StackError when its process ended by itself."""
        if (code := self._process.exit_code) is not None:
            raise StackError(f"{self.name} ended with code {code}; see its log")
        return self._heartbeat.exists()

    def idle(self) -> bool:
        """Whether no request is under way and no wake-up waits."""
        return not (any(proxy.busy for proxy in self.proxies.values()) or self._broker.llen(self.name))

    def asks_again(self, server: str) -> bool:
        """Whether its process did not see Redis fail: it would leave it alone for half a minute, unlike the others."""
        return server != REDIS or _UNAVAILABLE not in self._written()

    def insists(self) -> bool:
        """Return False: nobody gave an order."""
        return False

    def _written(self) -> bytes:
        """What its present process wrote to its log."""
        with self.log.open("rb") as log:
            log.seek(self._log_begins)
            return log.read()

    @property
    def _process(self) -> Child:
        if self._child is None:
            raise StackError(f"{self.name} was not started")
        return self._child

    def _send(self, task: str, name: str) -> None:
        self._app.send_task(task, args=(name,), queue=self.name, expires=EXPIRES_SECONDS)


def own_redis_url_file(stack: Stack, name: str, port: int) -> Path:
    """Write the address of a process's own proxy before Redis, login included, to a private file and return it."""
    parts = urlsplit(stack.redis.url)
    path = stack.private / f"redis-url-{name}"
    path.touch(mode=0o600)
    path.write_text(parts._replace(netloc=f":{parts.password}@{LOCALHOST}:{port}").geturl(), "ascii")
    return path
