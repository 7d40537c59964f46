"""What the real adapter makes of a real server's worst days: lost answers, seals, denials, expired logins."""

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hvac
import pytest
from pydantic import SecretStr

from config.schema import FieldNames, Infrastructure, VaultLayout
from sandbox.servers import EmbeddedVault, free_port
from sandbox.vault_access import ROLE, VaultAccess
from tests.fakes.clock import FakeClock
from tests.fixtures.cutting_proxy import CuttingProxy, Fate, cutting_proxy
from worker.errors import (
    AmbiguousWriteError,
    CasConflictError,
    RotatorError,
    VaultForbiddenError,
    VaultRefusedError,
    VaultUnavailableError,
)
from worker.journal import new_journal
from worker.models import PathContent, PathLocation, ServedDocument
from worker.vault import Vault, build_vault
from worker.vault.client import VaultSession
from worker.vault.consumers import VaultConsumers
from worker.vault.errors import NoAnswerError
from worker.vault.kv import VaultKv

pytestmark = pytest.mark.servers

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "c2VjcmV0LW9mLXRoaXMtdGVzdA=="
NO_FIELDS: Mapping[PathLocation, FieldNames] = {}


def document(token_id: str) -> ServedDocument:
    return ServedDocument(
        token_id=token_id,
        secret=SecretStr(SECRET),
        scopes=("trading",),
        label="market-maker/aaaa",
        account="main",
        api_url="https://api.example",
        derived_at=NOW,
        promoted_at=NOW,
        rotation_id="aaaa",
        sequence=7,
    )


def infrastructure(addr: str, access: VaultAccess) -> Infrastructure:
    return Infrastructure(
        redis_url=SecretStr("redis://unused"),
        vault_addr=addr,
        vault_role_id=access.role_id,
        vault_secret_id=access.secret_id,
    )


@contextmanager
def worker(addr: str, access: VaultAccess, clock: FakeClock | None = None) -> Iterator[Vault]:
    vault = build_vault(infrastructure(addr, access), VaultLayout(max_versions=6), NO_FIELDS, clock or FakeClock())
    try:
        yield vault
    finally:
        vault.close()


@contextmanager
def root(server: EmbeddedVault) -> Iterator[Any]:
    client = hvac.Client(url=server.addr, token=server.root_token.get_secret_value())
    try:
        yield client
    finally:
        client.adapter.close()


@pytest.fixture
def proxy(vault_server: EmbeddedVault) -> Iterator[CuttingProxy]:
    with cutting_proxy(vault_server.addr) as running:
        yield running


@pytest.fixture
def vault(proxy: CuttingProxy, vault_access: VaultAccess) -> Iterator[Vault]:
    with worker(proxy.addr, vault_access) as made:
        yield made


@pytest.fixture
def direct(vault_server: EmbeddedVault, vault_access: VaultAccess) -> Iterator[Vault]:
    with worker(vault_server.addr, vault_access) as made:
        yield made


# --- lost answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fate", [Fate.LOSE_ANSWER, Fate.TRUNCATE_ANSWER, Fate.BAD_GATEWAY])
def test_a_write_that_landed_succeeds_although_its_answer_is_lost(
    vault: Vault, proxy: CuttingProxy, location: PathLocation, fate: Fate
) -> None:
    vault.consumers.write(location, document("token-1"), cas=0)
    proxy.doom("POST", f"/data/{location.path}", fate)

    receipt = vault.consumers.write(location, document("token-2"), cas=1)

    found = vault.consumers.read(location)
    assert (receipt.version, receipt.created_time) == (2, found.created_time)
    assert found.document == document("token-2")


def test_a_first_write_that_landed_succeeds_although_its_answer_is_lost(
    vault: Vault, proxy: CuttingProxy, location: PathLocation
) -> None:
    proxy.doom("POST", f"/data/{location.path}", Fate.LOSE_ANSWER)

    assert vault.consumers.write_tombstone(location, cas=0).version == 1


def test_a_journal_that_landed_is_returned_although_its_answer_is_lost(
    vault: Vault, proxy: CuttingProxy, location: PathLocation
) -> None:
    proxy.doom("POST", "/data/journal", Fate.LOSE_ANSWER)

    assert vault.journals.write(location, new_journal("a", "b", location), cas=0) == vault.journals.read(location)


def test_a_write_that_never_arrived_is_ambiguous(vault: Vault, proxy: CuttingProxy, location: PathLocation) -> None:
    proxy.doom("POST", f"/data/{location.path}", Fate.LOSE_REQUEST)

    with pytest.raises(AmbiguousWriteError):
        vault.consumers.write(location, document("token-1"), cas=0)


def test_a_write_that_never_arrived_wrote_nothing(vault: Vault, proxy: CuttingProxy, location: PathLocation) -> None:
    proxy.doom("POST", f"/data/{location.path}", Fate.LOSE_REQUEST)
    with pytest.raises(AmbiguousWriteError):
        vault.consumers.write(location, document("token-1"), cas=0)

    assert vault.consumers.read(location).content is PathContent.EMPTY


def test_a_write_whose_read_back_fails_too_is_ambiguous(
    vault: Vault, proxy: CuttingProxy, location: PathLocation
) -> None:
    proxy.doom("POST", f"/data/{location.path}", Fate.LOSE_ANSWER)
    proxy.doom("GET", f"/data/{location.path}", Fate.LOSE_ANSWER)

    with pytest.raises(AmbiguousWriteError):
        vault.consumers.write(location, document("token-1"), cas=0)


def test_a_lost_write_that_another_hand_forestalled_is_a_conflict(
    vault: Vault, direct: Vault, proxy: CuttingProxy, location: PathLocation
) -> None:
    direct.consumers.write(location, document("theirs"), cas=0)
    proxy.doom("POST", f"/data/{location.path}", Fate.LOSE_ANSWER)

    with pytest.raises(CasConflictError):
        vault.consumers.write(location, document("ours"), cas=0)


def test_a_lost_write_is_found_under_the_version_of_another_hand(
    vault: Vault, direct: Vault, proxy: CuttingProxy, location: PathLocation
) -> None:
    proxy.doom("POST", f"/data/{location.path}", Fate.LOSE_ANSWER)

    def overtake() -> None:
        direct.consumers.write(location, document("theirs"), cas=1)

    proxy.before_answer = overtake

    assert vault.consumers.write(location, document("ours"), cas=0).version == 1


def test_a_write_that_was_not_answered_in_time_is_found_by_reading_back(
    proxy: CuttingProxy, vault_access: VaultAccess, location: PathLocation
) -> None:
    session = VaultSession(
        address=proxy.addr,
        clock=FakeClock(),
        role_id=vault_access.role_id,
        secret_id=vault_access.secret_id,
        timeout=0.5,
    )
    consumers = VaultConsumers(kv=VaultKv(session=session), fields={}, max_versions=6)
    proxy.doom("POST", f"/data/{location.path}", Fate.HANG)
    try:
        assert consumers.write(location, document("token-1"), cas=0).version == 1
    finally:
        session.close()


def test_a_read_whose_answer_is_lost_says_unavailable(
    vault: Vault, proxy: CuttingProxy, location: PathLocation
) -> None:
    proxy.doom("GET", f"/data/{location.path}", Fate.LOSE_ANSWER)

    with pytest.raises(VaultUnavailableError):
        vault.consumers.read(location)


def test_a_page_of_a_proxy_is_not_taken_for_an_empty_path(
    vault: Vault, proxy: CuttingProxy, location: PathLocation
) -> None:
    proxy.doom("GET", f"/data/{location.path}", Fate.BAD_GATEWAY)

    with pytest.raises(VaultUnavailableError, match="answered 502"):
        vault.consumers.read(location)


def test_a_lost_login_leaves_nothing_ambiguous(vault: Vault, proxy: CuttingProxy, location: PathLocation) -> None:
    proxy.doom("POST", "auth/approle/login", Fate.LOSE_ANSWER)

    with pytest.raises(VaultUnavailableError) as caught:
        vault.consumers.write(location, document("token-1"), cas=0)
    assert not isinstance(caught.value, NoAnswerError)


# --- a server that does not serve -----------------------------------------------------------------------------------


def refused_everywhere(vault: Vault, location: PathLocation) -> list[type[Exception]]:
    acts: list[Callable[[], object]] = [
        lambda: vault.consumers.read(location),
        lambda: vault.consumers.write(location, document("token-2"), cas=1),
        lambda: vault.consumers.destroy_secret(location, "token-1"),
        lambda: vault.journals.read(location),
        vault.journals.server_time,
    ]
    raised: list[type[Exception]] = []
    for act in acts:
        try:
            act()
        except RotatorError as exc:
            raised.append(type(exc))
    return raised


def test_a_sealed_vault_refuses_everything_and_certainly_wrote_nothing(private_vault: EmbeddedVault) -> None:
    location = PathLocation("trading", "limitless/a")
    with worker(private_vault.addr, private_vault.configure(VaultLayout())) as vault:
        vault.consumers.write(location, document("token-1"), cas=0)
        private_vault.seal()

        assert refused_everywhere(vault, location) == [VaultUnavailableError] * 5


def test_the_message_of_a_sealed_vault_says_so_with_address_and_path(private_vault: EmbeddedVault) -> None:
    location = PathLocation("trading", "limitless/a")
    with worker(private_vault.addr, private_vault.configure(VaultLayout())) as vault:
        vault.consumers.write(location, document("token-1"), cas=0)
        private_vault.seal()

        with pytest.raises(VaultUnavailableError) as caught:
            vault.consumers.read(location)
    assert str(caught.value) == (
        f"Vault at {private_vault.addr} is sealed: could not read trading/limitless/a. Unseal it."
    )


def test_everything_goes_on_after_the_unseal(private_vault: EmbeddedVault) -> None:
    location = PathLocation("trading", "limitless/a")
    with worker(private_vault.addr, private_vault.configure(VaultLayout())) as vault:
        vault.consumers.write(location, document("token-1"), cas=0)
        private_vault.seal()
        private_vault.unseal()

        assert vault.consumers.read(location).document == document("token-1")


def test_a_server_that_is_gone_is_unavailable_and_nothing_is_ambiguous(private_vault: EmbeddedVault) -> None:
    location = PathLocation("trading", "limitless/a")
    with worker(private_vault.addr, private_vault.configure(VaultLayout())) as vault:
        vault.consumers.write(location, document("token-1"), cas=0)
        private_vault.stop()

        assert set(refused_everywhere(vault, location)) == {VaultUnavailableError}


def test_an_address_where_nobody_listens_is_named(vault_access: VaultAccess, location: PathLocation) -> None:
    addr = f"http://127.0.0.1:{free_port()}"
    with worker(addr, vault_access) as vault, pytest.raises(VaultUnavailableError, match=addr):
        vault.consumers.read(location)


def test_a_connection_that_is_taken_but_never_answered_times_out(
    vault_access: VaultAccess, location: PathLocation
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        session = VaultSession(
            address=f"http://127.0.0.1:{silent.getsockname()[1]}",
            clock=FakeClock(),
            role_id=vault_access.role_id,
            secret_id=vault_access.secret_id,
            timeout=0.2,
        )
        try:
            with pytest.raises(VaultUnavailableError, match="did not answer in time"):
                VaultKv(session=session).read(location)
        finally:
            session.close()


def test_the_servers_clock_can_be_read_without_a_login(vault_server: EmbeddedVault) -> None:
    session = VaultSession(address=vault_server.addr, clock=FakeClock(), token=SecretStr("not a token"))
    try:
        assert abs(VaultKv(session=session).server_time() - datetime.now(UTC)) < timedelta(seconds=10)
    finally:
        session.close()


# --- mounts ---------------------------------------------------------------------------------------------------------


def test_kv_version_1_is_refused_before_anything_is_written(private_vault: EmbeddedVault) -> None:
    with root(private_vault) as client:
        client.sys.enable_secrets_engine("kv", path="trading", options={"version": "1"})
    access = private_vault.configure(VaultLayout())

    with worker(private_vault.addr, access) as vault, pytest.raises(VaultRefusedError, match="not a KV version 2"):
        vault.consumers.write(PathLocation("trading", "limitless/a"), document("token-1"), cas=0)


def test_a_mount_that_does_not_exist_is_named(private_vault: EmbeddedVault) -> None:
    private_vault.configure(VaultLayout())
    session = VaultSession(address=private_vault.addr, clock=FakeClock(), token=private_vault.root_token)
    try:
        with pytest.raises(VaultForbiddenError, match="the mount nowhere"):
            VaultKv(session=session).read(PathLocation("nowhere", "limitless/a"))
    finally:
        session.close()


def test_the_settings_of_a_path_that_somebody_made_are_left_alone(
    vault_server: EmbeddedVault, direct: Vault, location: PathLocation
) -> None:
    theirs = {"max_versions": 9, "cas_required": False, "delete_version_after": "240h", "custom_metadata": {"a": "b"}}
    with root(vault_server) as client:
        client.secrets.kv.v2.update_metadata(location.path, mount_point=location.mount, **theirs)
        direct.consumers.write(location, document("token-1"), cas=0)
        after = client.secrets.kv.v2.read_secret_metadata(location.path, mount_point=location.mount)["data"]

    assert {key: after[key] for key in theirs} == {**theirs, "delete_version_after": "240h0m0s"}


def test_a_path_that_we_made_takes_no_write_without_check_and_set(
    vault_server: EmbeddedVault, direct: Vault, location: PathLocation
) -> None:
    direct.consumers.write(location, document("token-1"), cas=0)

    with root(vault_server) as client, pytest.raises(hvac.exceptions.InvalidRequest):  # type: ignore[attr-defined] # stub
        client.secrets.kv.v2.create_or_update_secret(location.path, {"a": "b"}, mount_point=location.mount)


# --- logins ---------------------------------------------------------------------------------------------------------


def accessors(server: EmbeddedVault) -> set[str]:
    """Return the accessors of the worker's live tokens."""
    with root(server) as client:
        found = client.auth.token.list_accessors()["data"]["keys"]
        policies = {one: client.auth.token.lookup_accessor(one)["data"]["policies"] for one in found}
    return {one for one, names in policies.items() if ROLE in names}


def revoke_all(server: EmbeddedVault) -> None:
    with root(server) as client:
        for one in accessors(server):
            client.auth.token.revoke_accessor(one)


def test_a_worker_whose_token_was_revoked_logs_in_again(private_vault: EmbeddedVault) -> None:
    location = PathLocation("trading", "limitless/a")
    with worker(private_vault.addr, private_vault.configure(VaultLayout())) as vault:
        vault.consumers.write(location, document("token-1"), cas=0)
        revoke_all(private_vault)

        assert vault.consumers.write(location, document("token-2"), cas=1).version == 2


def test_a_worker_logs_in_once_for_many_requests(private_vault: EmbeddedVault) -> None:
    with worker(private_vault.addr, private_vault.configure(VaultLayout())) as vault:
        for number in range(5):
            vault.consumers.write(PathLocation("trading", "limitless/a"), document("token-1"), cas=number)

        assert len(accessors(private_vault)) == 1


@pytest.mark.parametrize("passed, logins", [(790, 1), (801, 2)])
def test_a_worker_logs_in_anew_at_two_thirds_of_its_tokens_life(
    private_vault: EmbeddedVault, passed: int, logins: int
) -> None:
    clock = FakeClock()
    with worker(private_vault.addr, private_vault.configure(VaultLayout()), clock) as vault:
        vault.journals.read(PathLocation("trading", "limitless/a"))
        clock.advance(timedelta(seconds=passed))
        vault.journals.read(PathLocation("trading", "limitless/a"))

        assert len(accessors(private_vault)) == logins


def test_a_worker_gives_its_token_up_when_it_is_closed(private_vault: EmbeddedVault) -> None:
    with worker(private_vault.addr, private_vault.configure(VaultLayout())) as vault:
        vault.journals.read(PathLocation("trading", "limitless/a"))

    assert accessors(private_vault) == set()


def test_an_early_login_that_fails_leaves_the_old_token_in_use(private_vault: EmbeddedVault) -> None:
    location = PathLocation("trading", "limitless/a")
    clock = FakeClock()
    with worker(private_vault.addr, private_vault.configure(VaultLayout()), clock) as vault:
        vault.consumers.write(location, document("token-1"), cas=0)
        with root(private_vault) as client:
            client.auth.approle.delete_role(ROLE)
        clock.advance(timedelta(seconds=900))

        assert vault.consumers.read(location).document == document("token-1")


def test_a_bad_secret_id_is_named_as_the_cause(vault_server: EmbeddedVault, vault_access: VaultAccess) -> None:
    session = VaultSession(
        address=vault_server.addr, clock=FakeClock(), role_id=vault_access.role_id, secret_id=SecretStr("wrong")
    )
    try:
        with pytest.raises(VaultRefusedError, match="issue a new secret id"):
            VaultKv(session=session).read(PathLocation("trading", "limitless/a"))
    finally:
        session.close()


def test_a_denied_path_is_a_denial_after_one_fresh_login(private_vault: EmbeddedVault) -> None:
    with worker(private_vault.addr, private_vault.configure(VaultLayout())) as vault:
        vault.consumers.read(PathLocation("trading", "limitless/a"))
        with pytest.raises(VaultForbiddenError, match="trading/elsewhere/a"):
            vault.consumers.read(PathLocation("trading", "elsewhere/a"))

        assert len(accessors(private_vault)) == 2


def test_a_given_token_is_renewed_at_two_thirds_of_its_life(private_vault: EmbeddedVault) -> None:
    private_vault.configure(VaultLayout())
    clock = FakeClock()
    with root(private_vault) as client:
        made = client.auth.token.create(policies=[ROLE], ttl="20m")["auth"]
        session = VaultSession(address=private_vault.addr, clock=clock, token=SecretStr(made["client_token"]))
        try:
            kv = VaultKv(session=session)
            kv.read(PathLocation("trading", "limitless/a"))
            clock.advance(timedelta(minutes=14))
            kv.read(PathLocation("trading", "limitless/a"))
        finally:
            session.close()

        assert client.auth.token.lookup_accessor(made["accessor"])["data"].get("last_renewal") is not None


def test_a_given_token_that_is_closed_stays_alive(private_vault: EmbeddedVault) -> None:
    private_vault.configure(VaultLayout())
    with root(private_vault) as client:
        made = client.auth.token.create(policies=[ROLE], ttl="20m")["auth"]
        session = VaultSession(address=private_vault.addr, clock=FakeClock(), token=SecretStr(made["client_token"]))
        VaultKv(session=session).read(PathLocation("trading", "limitless/a"))
        session.close()

        assert client.auth.token.lookup_accessor(made["accessor"])["data"]["ttl"] > 0


def test_no_login_is_taken_from_the_environment_or_the_home_folder(
    vault_server: EmbeddedVault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = vault_server.root_token.get_secret_value()
    (tmp_path / ".vault-token").write_text(token)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAULT_TOKEN", token)

    with pytest.raises(VaultRefusedError, match="VAULT_ROLE_ID"):
        VaultSession(address=vault_server.addr, clock=FakeClock())


def test_a_refused_token_is_not_replaced_by_one_from_the_environment(
    vault_server: EmbeddedVault, vault_access: VaultAccess, monkeypatch: pytest.MonkeyPatch, location: PathLocation
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", vault_server.root_token.get_secret_value())
    session = VaultSession(address=vault_server.addr, clock=FakeClock(), token=SecretStr("not-a-token"))
    try:
        with pytest.raises(VaultForbiddenError):
            VaultKv(session=session).read(location)
    finally:
        session.close()


# --- secrets --------------------------------------------------------------------------------------------------------


def everything_said(error: BaseException) -> str:
    said = []
    seen: BaseException | None = error
    while seen is not None:
        said.append(f"{seen!r} {seen}")
        seen = seen.__cause__ or seen.__context__
    return " ".join(said)


@pytest.mark.parametrize("fate", [Fate.LOSE_REQUEST, Fate.LOSE_ANSWER, Fate.TRUNCATE_ANSWER, Fate.BAD_GATEWAY])
def test_no_error_of_a_write_carries_the_payload_or_the_login(
    vault: Vault, proxy: CuttingProxy, vault_access: VaultAccess, location: PathLocation, fate: Fate
) -> None:
    proxy.doom("POST", f"/data/{location.path}", fate)
    proxy.doom("GET", f"/data/{location.path}", Fate.TRUNCATE_ANSWER)

    with pytest.raises(RotatorError) as caught:
        vault.consumers.write(location, document("token-1"), cas=0)
    said = everything_said(caught.value)
    assert not [one for one in (SECRET, vault_access.secret_id.get_secret_value()) if one in said]
    assert not re.search(r"\bs\.[A-Za-z0-9]{20}", said)  # what a Vault token looks like


def test_a_version_shows_nothing_of_its_data(direct: Vault, location: PathLocation) -> None:
    direct.consumers.write(location, document("token-1"), cas=0)

    assert SECRET not in repr(VaultKv(session=direct.session).read(location))
