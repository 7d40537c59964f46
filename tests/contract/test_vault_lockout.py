"""What a stranger who knows the role id can do to the worker's login, on the real server."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import hvac
import pytest
from hvac.exceptions import Forbidden, InvalidRequest
from pydantic import SecretStr

from config.schema import VaultLayout
from sandbox.servers import EmbeddedVault
from sandbox.vault_access import ROLE, VaultAccess
from tests.fakes.clock import FakeClock
from worker.errors import VaultRefusedError
from worker.models import PathLocation
from worker.vault.client import VaultSession
from worker.vault.kv import VaultKv

pytestmark = pytest.mark.servers

LOCATION = PathLocation("trading", "limitless/a")
LOCKOUT_THRESHOLD = 5


@contextmanager
def root(server: EmbeddedVault) -> Iterator[hvac.Client]:
    client = hvac.Client(url=server.addr, token=server.root_token.get_secret_value())
    with closing(client.adapter):
        yield client


def strike(server: EmbeddedVault, access: VaultAccess, times: int) -> None:
    """Log in badly, knowing the role id alone."""
    client = hvac.Client(url=server.addr, token="")
    with closing(client.adapter):
        for _ in range(times):
            with pytest.raises((InvalidRequest, Forbidden)):
                client.auth.approle.login(access.role_id.get_secret_value(), "guessed", use_token=False)


@pytest.fixture
def access(private_vault: EmbeddedVault) -> VaultAccess:
    return private_vault.configure(VaultLayout())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def file(access: VaultAccess, tmp_path: Path) -> Path:
    assert access.secret_id is not None
    path = tmp_path / "secret_id"
    path.write_text(access.secret_id.get_secret_value())
    return path


@pytest.fixture
def session(private_vault: EmbeddedVault, access: VaultAccess, clock: FakeClock, file: Path) -> Iterator[VaultSession]:
    made = VaultSession(
        address=private_vault.addr,
        clock=clock,
        role_id=access.role_id,
        secret_id=SecretStr(file.read_text()),
        secret_id_file=file,
    )
    with closing(made):
        yield made


def fresh_secret_id(server: EmbeddedVault) -> str:
    with root(server) as client:
        return str(client.auth.approle.generate_secret_id(ROLE)["data"]["secret_id"])


def destroy_secret_id(server: EmbeddedVault, secret_id: str) -> None:
    with root(server) as client:
        client.auth.approle.destroy_secret_id(ROLE, secret_id)


def test_five_bad_logins_of_a_stranger_are_named_as_a_lockout(
    private_vault: EmbeddedVault, access: VaultAccess, session: VaultSession
) -> None:
    strike(private_vault, access, LOCKOUT_THRESHOLD)

    with pytest.raises(VaultRefusedError, match="locked out"):
        VaultKv(session=session).read(LOCATION)


def test_a_locked_out_worker_works_again_once_the_lockout_is_over(
    private_vault: EmbeddedVault, access: VaultAccess, session: VaultSession, clock: FakeClock
) -> None:
    strike(private_vault, access, LOCKOUT_THRESHOLD)
    with pytest.raises(VaultRefusedError):
        VaultKv(session=session).read(LOCATION)
    with root(private_vault) as client:
        # What setup.sh tunes; it ends a lockout at once.
        client.sys.tune_auth_method(path="approle", user_lockout_config={"lockout_disable": True})  # type: ignore[no-untyped-call]
    clock.advance(timedelta(minutes=1))

    assert VaultKv(session=session).read(LOCATION) is None


def test_a_worker_whose_secret_id_was_destroyed_does_not_lock_itself_out(
    private_vault: EmbeddedVault, session: VaultSession, file: Path
) -> None:
    destroy_secret_id(private_vault, file.read_text())
    for _ in range(4 * LOCKOUT_THRESHOLD):
        with pytest.raises(VaultRefusedError, match="issue a new secret id"):
            VaultKv(session=session).read(LOCATION)

    file.write_text(fresh_secret_id(private_vault))

    assert VaultKv(session=session).read(LOCATION) is None
