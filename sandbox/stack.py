"""The whole system on this machine: servers, exchange, workers, beats and traders, as processes of their own.

Everything lives in one private folder and is gone when the context is left, whatever happened in between.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from config.schema import Credential, Settings
from config.settings import load_settings
from sandbox.client import ControlClient
from sandbox.leaks import Needle
from sandbox.needles import needles
from sandbox.observers import EnvelopeSink, MonitorCapture, ProcessWatch
from sandbox.processes import Children, tail
from sandbox.servers import LOCALHOST, EmbeddedRedis, EmbeddedVault
from sandbox.stack_options import StackError, StackOptions, procfile_command
from sandbox.trader_status import Status, read_status
from sandbox.vault_access import VaultAccess
from worker.models import PathLocation

__all__ = ["Interrupted", "Stack", "StackError", "StackOptions", "procfile_command"]

START_SECONDS = 30.0
POLL_SECONDS = 0.05
WORKER_STOP_SECONDS = 15.0
BEAT_STOP_SECONDS = 8.0


class Interrupted(BaseException):
    """The run was asked to end while it was still starting."""


class Stack:
    """A running system; see `start`. Use as a context manager, from the main thread.

    Args:
        options: how it is set up.
        interrupted: asked while starting; when it answers True, `start` raises Interrupted.
        hurry: asked while stopping; when it answers True, nothing is waited for any more.
    """

    redis: EmbeddedRedis
    vault: EmbeddedVault
    access: VaultAccess
    control: ControlClient
    monitor: MonitorCapture
    sentry: EnvelopeSink
    processes: ProcessWatch
    children: Children
    settings: Settings
    folder: Path
    api_url: str

    def __init__(
        self,
        options: StackOptions | None = None,
        *,
        interrupted: Callable[[], bool] = lambda: False,
        hurry: Callable[[], bool] = lambda: False,
    ) -> None:
        self.options = options or StackOptions()
        self._interrupted = interrupted
        self.hurry = hurry
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def logs(self) -> Path:
        """The folder of what each process printed."""
        return self.folder / "logs"

    @property
    def private(self) -> Path:
        """The folder of the files that hold a secret each."""
        return self.folder / "private"

    @property
    def worker_environment(self) -> dict[str, str]:
        """What a worker is told: addresses, and files with its own logins. No secret is in it."""
        return {
            "ROTATOR_CONFIG": str(self.folder / "rotator.toml"),
            "REDIS_URL_FILE": str(self.private / "redis-url"),
            "VAULT_ADDR": self.vault.addr,
            "VAULT_ROLE_ID_FILE": str(self.private / "vault-role-id"),
            "VAULT_SECRET_ID_FILE": str(self.private / "vault-secret-id"),
            "LIMITLESS_API_URL": self.api_url,
            "SENTRY_DSN": self.sentry.dsn,
            "SENTRY_ENVIRONMENT": "demo",
        }

    def start(self) -> None:
        """Start everything and return when workers and traders run.

        Raises:
            StackError: a part did not start.
            ServerError: redis-server or Vault did not.
            Interrupted: the run was asked to end.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="rotator-"))
        self._exit.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.private.mkdir(mode=0o700)
        self.logs.mkdir()
        shutil.copyfile(self.options.config, self.folder / "rotator.toml")
        self._start_servers()
        self._start_exchange()
        self._start_observers()
        self.settings = load_settings(self.worker_environment)
        for number in range(1, self.options.workers + 1):
            self.start_worker(number)
        for number in range(1, self.options.beats + 1):
            self._start_celery(f"beat-{number}", procfile_command("beat"), BEAT_STOP_SECONDS)
        for number in range(1, self.options.traders + 1):
            self._start_trader(number)
        # Leaving the context stops these before the exchange and the servers, which they need until the end.
        for stop in (self.stop_workers, self.stop_beats, self.stop_trader):
            self._exit.callback(stop)
        for number in range(1, self.options.workers + 1):
            self._wait(self._heartbeat(f"worker-{number}").exists, f"worker-{number}")

    def start_worker(self, number: int) -> None:
        """Start one more worker."""
        name = f"worker-{number}"
        self._start_celery(name, [*procfile_command("worker"), "--hostname", f"{name}@%h"], WORKER_STOP_SECONDS)

    def stop(self) -> None:
        """Stop traders, beats, workers, exchange and servers in this order, and remove the folder. May be repeated."""
        self._exit.close()

    def stop_trader(self) -> None:
        """Stop every trader; their final counts stay in their status."""
        self._stop("trader-")

    def stop_beats(self) -> None:
        """Stop every beat: nothing new is begun on schedule."""
        self._stop("beat-")

    def stop_workers(self) -> None:
        """Let every worker finish what it has in hand, and stop it."""
        self._stop("worker-")

    def trader_status(self) -> Status:
        """Return the traders' latest counts."""
        each = [read_status(self._trader_file(number)) for number in range(1, self.options.traders + 1)]
        return Status(
            updated_at=min((one.updated_at for one in each), default=""),
            credentials={name: counts for one in each for name, counts in one.credentials.items()},
        )

    def check(self) -> None:
        """Raise StackError when any process ended although nobody stopped it."""
        for child in self.children.ended():
            raise StackError(f"{child.name} ended with code {child.exit_code}:\n{tail(child.log)}")
        for server in (self.redis, self.vault):
            if not server.running:
                raise StackError(f"{server.name} ended:\n{tail(self.logs / f'{server.name}.log')}")

    def needles(self) -> list[Needle]:
        """Return every secret that must be nowhere but in Vault, TLS and the one file it is handed over in."""
        return needles(
            secrets=self.control.secrets(),
            access=self.access,
            root_token=self.vault.root_token,
            redis_password=SecretStr(self._redis_password),
            private=self.private,
            identities=frozenset(self.folder / "identity" / f"{name}.jwt" for name in self._accounts),
        )

    @property
    def consumers(self) -> tuple[Credential, ...]:
        """The credentials that a trader uses."""
        return tuple(one for one in self.settings.credentials if one.name not in self.options.unread)

    def _start_servers(self) -> None:
        self.redis = EmbeddedRedis(folder=self.folder / "redis", log=self.logs / "redis-server.log")
        self._exit.enter_context(self.redis)
        self._write_private("redis-url", self.redis.url)
        self._raise_if_interrupted()
        self.vault = EmbeddedVault(
            folder=self.folder / "vault", durable=self.options.durable_vault, log=self.logs / "vault.log"
        )
        self._exit.enter_context(self.vault)
        self._raise_if_interrupted()
        # Only the names and places in it are used; the address of the exchange is not known yet.
        layout = load_settings(
            {
                "ROTATOR_CONFIG": str(self.folder / "rotator.toml"),
                "REDIS_URL": self.redis.url,
                "VAULT_ADDR": self.vault.addr,
                "VAULT_TOKEN": self.vault.root_token.get_secret_value(),
            }
        )
        self._accounts = tuple(one.name for one in layout.accounts)
        paths = {one.name: PathLocation(one.mount, one.path) for one in layout.credentials}
        self.access = self.vault.configure(layout.vault, consumers=paths)
        self._write_private("vault-role-id", self.access.role_id.get_secret_value())
        self._write_private("vault-secret-id", self.access.secret_id.get_secret_value())
        for name, token in self.access.consumer_tokens.items():
            self._write_private(f"consumer-{name}", token.get_secret_value())

    def _start_exchange(self) -> None:
        self.children = self._exit.enter_context(Children(home=self.folder, hurry=self.hurry))
        ports = self.folder / "ports.json"
        command = [sys.executable, "-m", "sandbox", "--ports-file", str(ports)]
        command += ["--seed", str(self.options.seed), "--faults", self.options.faults]
        command += ["--identity-dir", str(self.folder / "identity")]
        for account in self._accounts:
            command += ["--profile", account]
        self.children.start("exchange", command, environment=self.options.environment)
        self._wait(ports.exists, "exchange")
        urls = json.loads(ports.read_text(encoding="utf-8"))
        self.api_url = urls["api_url"]
        self.control = ControlClient(urls["control_url"])
        self._exit.callback(self.control.close)
        if self.options.rules is not None:
            self.control.set_faults(self.options.rules)

    def _start_observers(self) -> None:
        self.sentry = EnvelopeSink()
        self._exit.callback(self.sentry.close)
        self.monitor = MonitorCapture(host=LOCALHOST, port=self.redis.port, password=self._redis_password)
        self._exit.callback(self.monitor.close)
        self.processes = ProcessWatch(os.getpid())
        self._exit.callback(self.processes.close)

    def _start_celery(self, name: str, command: Sequence[str], stop_seconds: float) -> None:
        told = {"ROTATOR_HEARTBEAT_FILE": str(self._heartbeat(name))}
        environment = {**self.worker_environment, **self.options.environment, **told}
        self.children.start(name, command, environment=environment, stop_seconds=stop_seconds)

    def _start_trader(self, number: int) -> None:
        command = [sys.executable, "-m", "sandbox.trader", "--status-file", str(self._trader_file(number))]
        command += ["--reread", str(self.options.reread_seconds), "--rate", str(self.options.rate)]
        for one in self.consumers[number - 1 :: self.options.traders]:
            token_file = self.private / f"consumer-{one.name}"
            parts = (one.name, f"{one.mount}/{one.path}", str(token_file), one.fields.token_id, one.fields.secret)
            command += ["--credential", ":".join(parts)]
        told = {"VAULT_ADDR": self.vault.addr, "LIMITLESS_API_URL": self.api_url}
        self.children.start(f"trader-{number}", command, environment={**told, **self.options.environment})

    def _trader_file(self, number: int) -> Path:
        return self.folder / f"trader-{number}.json"

    @property
    def _redis_password(self) -> str:
        return urlsplit(self.redis.url).password or ""

    def _heartbeat(self, name: str) -> Path:
        return self.folder / f"{name}.heartbeat"

    def _write_private(self, name: str, content: str) -> None:
        path = self.private / name
        path.touch(mode=0o600)
        path.write_text(content, encoding="ascii")

    def _stop(self, prefix: str) -> None:
        named = [child.name for child in self.children if child.name.startswith(prefix)]
        if named:
            self.children.stop(*named)

    def _wait(self, condition: Callable[[], bool], name: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            self._raise_if_interrupted()
            self.check()
            if time.monotonic() > deadline:
                log = tail(self.logs / f"{name}.log")
                raise StackError(f"{name} did not start within {START_SECONDS:.0f} s:\n{log}")
            time.sleep(POLL_SECONDS)

    def _raise_if_interrupted(self) -> None:
        if self._interrupted():
            raise Interrupted
