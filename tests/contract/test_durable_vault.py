"""The durable Vault of long runs: what it holds outlives its process."""

from pathlib import Path

import hvac
import pytest

from sandbox.servers import EmbeddedVault

pytestmark = pytest.mark.servers


def test_a_durable_vault_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    with EmbeddedVault(folder=tmp_path / "vault", durable=True) as server:
        client = hvac.Client(url=server.addr, token=server.root_token.get_secret_value())
        try:
            client.sys.enable_secrets_engine("kv", path="kept", options={"version": "2"})
            client.secrets.kv.v2.create_or_update_secret(path="one", secret={"value": "1"}, mount_point="kept")
            server.kill()
            server.start()
            answer = client.secrets.kv.v2.read_secret_version(
                path="one", mount_point="kept", raise_on_deleted_version=True
            )
        finally:
            client.adapter.close()
    assert answer["data"]["data"] == {"value": "1"}
