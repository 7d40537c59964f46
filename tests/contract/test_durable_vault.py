"""The durable Vault of long runs: what it holds outlives its process."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hvac
import hvac.exceptions
import pytest

from sandbox.servers import EmbeddedVault

pytestmark = pytest.mark.servers


def once_ready(act: Callable[[], Any]) -> Any:
    """Return what the act returns; a KV engine that was just mounted or loaded says for a moment that it upgrades."""
    end = time.monotonic() + 20
    while True:
        try:
            return act()
        except hvac.exceptions.InvalidRequest as error:
            if "Upgrading" not in str(error) or time.monotonic() > end:
                raise


def test_a_durable_vault_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    with EmbeddedVault(folder=tmp_path / "vault", durable=True) as server:
        client = hvac.Client(url=server.addr, token=server.root_token.get_secret_value())
        try:
            client.sys.enable_secrets_engine("kv", path="kept", options={"version": "2"})
            kv = client.secrets.kv.v2
            once_ready(lambda: kv.create_or_update_secret(path="one", secret={"value": "1"}, mount_point="kept"))
            server.kill()
            server.start()
            answer = once_ready(
                lambda: kv.read_secret_version(path="one", mount_point="kept", raise_on_deleted_version=True)
            )
        finally:
            client.adapter.close()
    assert answer["data"]["data"] == {"value": "1"}
