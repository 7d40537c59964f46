"""One suite for account ledgers on the in-memory Vault and, with the worker's own policy, on a real server."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

import hvac
import pytest
import requests
from pydantic import SecretStr

from config.schema import Infrastructure, VaultLayout
from sandbox.servers import EmbeddedVault
from sandbox.vault_access import VaultAccess
from tests.fakes.clock import FakeClock
from tests.fakes.vault import FakeVault
from tests.fixtures.cutting_proxy import CuttingProxy, Fate, cutting_proxy
from worker.account_ledger import (
    AccountLedger,
    Baseline,
    Binding,
    Dangling,
    Flag,
    Missing,
    OrderedFreeze,
    Outage,
    Pause,
    Suspicion,
    VersionedLedger,
)
from worker.errors import AmbiguousWriteError, CasConflictError, VaultDocumentError
from worker.models import PathLocation
from worker.ports import AccountLedgers
from worker.vault.factory import build_vault

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
DENIED = 403
Loss = Literal["of the answer", "of the request"]


class Subject(Protocol):
    """What the suite is held against, and what other hands and the network do to it."""

    accounts: AccountLedgers

    def put(self, account: str, data: Mapping[str, Any]) -> None: ...

    def delete_latest(self, account: str) -> None: ...

    def lose_next(self, loss: Loss) -> None: ...


class Fake:
    """The in-memory one."""

    def __init__(self, layout: VaultLayout) -> None:
        self._layout = layout
        self._vault = FakeVault(clock=FakeClock(), layout=layout)
        self.accounts: AccountLedgers = self._vault.accounts

    def put(self, account: str, data: Mapping[str, Any]) -> None:
        self._vault.kv.put(self._where(account), data)

    def delete_latest(self, account: str) -> None:
        self._vault.kv.delete_latest(self._where(account))

    def lose_next(self, loss: Loss) -> None:
        self._vault.lose_next_answer(landed=loss == "of the answer", port="accounts")

    def _where(self, account: str) -> PathLocation:
        return PathLocation(self._layout.journal_mount, f"{self._layout.account_prefix}/{account}")


class Real:
    """The real one behind a proxy that cuts; other hands hold the root token."""

    def __init__(self, server: EmbeddedVault, access: VaultAccess, layout: VaultLayout, proxy: CuttingProxy) -> None:
        self._layout = layout
        self._proxy = proxy
        infrastructure = Infrastructure(
            redis_url=SecretStr("redis://unused"),
            vault_addr=proxy.addr,
            vault_role_id=access.role_id,
            vault_secret_id=access.secret_id,
        )
        self._vault = build_vault(infrastructure, layout, {}, FakeClock())
        self.accounts: AccountLedgers = self._vault.accounts
        self._root = hvac.Client(url=server.addr, token=server.root_token.get_secret_value())

    def put(self, account: str, data: Mapping[str, Any]) -> None:
        self._root.secrets.kv.v2.create_or_update_secret(
            self._path(account), dict(data), cas=0, mount_point=self._layout.journal_mount
        )

    def delete_latest(self, account: str) -> None:
        self._root.secrets.kv.v2.delete_latest_version_of_secret(
            self._path(account), mount_point=self._layout.journal_mount
        )

    def lose_next(self, loss: Loss) -> None:
        fate = Fate.LOSE_ANSWER if loss == "of the answer" else Fate.LOSE_REQUEST
        self._proxy.doom("POST", f"/data/{self._layout.account_prefix}/", fate)

    def close(self) -> None:
        self._vault.close()
        self._root.adapter.close()

    def _path(self, account: str) -> str:
        return f"{self._layout.account_prefix}/{account}"


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.servers)])
def vault(request: pytest.FixtureRequest, vault_layout: VaultLayout) -> Iterator[Subject]:
    if request.param == "fake":
        yield Fake(vault_layout)
        return
    server, access = request.getfixturevalue("vault_server"), request.getfixturevalue("vault_access")
    with cutting_proxy(server.addr) as proxy:
        real = Real(server, access, vault_layout, proxy)
        try:
            yield real
        finally:
            real.close()


@pytest.fixture
def account(location: PathLocation) -> str:
    """A name that no other test has used."""
    return location.path.replace("/", ".")


def ledger_of(account: str, *, sequence: int = 7) -> AccountLedger:
    return AccountLedger(
        sequence=sequence,
        account=account,
        baseline=Baseline(token_ids=("token-1", "token-2"), at=NOW),
        suspicion=Suspicion(token_ids=("token-1",), first_at=NOW, lost=1, sentence="One is gone."),
        missing=(Missing(token_id="token-2", since=NOW, lists=2),),
        dangling=(Dangling(credential="maker", token_id="token-2", proved_at=NOW),),
        outage=Outage(since=NOW, until=NOW + timedelta(hours=1)),
        pauses=(Pause(since=NOW, by="ada", reason="audit"), Pause(credential="maker", since=NOW, by="b", reason="c")),
        freezes=(OrderedFreeze(since=NOW, until=NOW + timedelta(days=1), by="ada", reason="election"),),
        flags=(Flag(kind="overdue", credential="maker", since=NOW, sentence="Late.", evidence={"age": "15d"}),),
        profile=Binding(since=NOW, partner_profile_id=7, profile_id=8, address="0xa", subject="did:privy:a"),
        known=("maker",),
    )


def test_a_ledger_that_was_never_written_is_empty_under_version_0(vault: Subject, account: str) -> None:
    assert vault.accounts.read(account) == VersionedLedger(0, AccountLedger(account=account))


def test_a_ledger_reads_back_as_it_was_written(vault: Subject, account: str) -> None:
    written = vault.accounts.write(ledger_of(account), cas=0)

    assert (written.version, vault.accounts.read(account)) == (1, VersionedLedger(1, ledger_of(account)))


def test_accounts_have_a_ledger_each(vault: Subject, account: str) -> None:
    vault.accounts.write(ledger_of(account), cas=0)

    assert vault.accounts.read(f"{account}-2").version == 0


def test_a_write_against_an_old_version_is_a_conflict(vault: Subject, account: str) -> None:
    vault.accounts.write(ledger_of(account, sequence=1), cas=0)
    vault.accounts.write(ledger_of(account, sequence=2), cas=1)

    with pytest.raises(CasConflictError):
        vault.accounts.write(ledger_of(account, sequence=3), cas=1)


def test_a_conflict_leaves_what_was_there(vault: Subject, account: str) -> None:
    vault.accounts.write(ledger_of(account, sequence=1), cas=0)
    with pytest.raises(CasConflictError):
        vault.accounts.write(ledger_of(account, sequence=2), cas=0)

    assert vault.accounts.read(account).ledger.sequence == 1


def test_an_equal_ledger_of_another_hand_is_a_conflict_all_the_same(vault: Subject, account: str) -> None:
    vault.accounts.write(ledger_of(account), cas=0)

    with pytest.raises(CasConflictError):
        vault.accounts.write(ledger_of(account), cas=0)


def test_a_write_that_landed_succeeds_although_its_answer_is_lost(vault: Subject, account: str) -> None:
    vault.accounts.write(ledger_of(account, sequence=1), cas=0)
    vault.lose_next("of the answer")

    assert vault.accounts.write(ledger_of(account, sequence=2), cas=1) == vault.accounts.read(account)


def test_a_write_that_never_arrived_is_ambiguous(vault: Subject, account: str) -> None:
    vault.accounts.write(ledger_of(account), cas=0)
    vault.lose_next("of the request")

    with pytest.raises(AmbiguousWriteError):
        vault.accounts.write(ledger_of(account), cas=1)


def test_a_deleted_ledger_is_not_taken_for_an_empty_one(vault: Subject, account: str) -> None:
    vault.accounts.write(ledger_of(account), cas=0)
    vault.delete_latest(account)

    with pytest.raises(VaultDocumentError, match="was deleted"):
        vault.accounts.read(account)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"ledger": "{"},
        {"ledger": '{"schema_version": 1}'},
        {"ledger": '{"schema_version": 2, "account": "main"}'},
        {"ledger": '{"account": "main", "of_a_later_release": 1}'},
        {"ledger": ["not", "text"]},
    ],
)
def test_a_ledger_that_cannot_be_understood_is_an_error_of_its_own(
    vault: Subject, account: str, data: Mapping[str, Any]
) -> None:
    vault.put(account, data)

    with pytest.raises(VaultDocumentError):
        vault.accounts.read(account)


@pytest.mark.servers
@pytest.mark.parametrize("role", ["consumer", "status"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_but_the_worker_reads_or_writes_a_ledger(vault_server: EmbeddedVault, method: str, role: str) -> None:
    layout = VaultLayout()
    access = vault_server.configure(layout, consumers={"maker": PathLocation(layout.mount, "limitless/maker")})
    token = access.status_token if role == "status" else access.consumer_tokens["maker"]

    answer = requests.request(
        method,
        f"{vault_server.addr}/v1/{layout.journal_mount}/data/{layout.account_prefix}/main",
        headers={"X-Vault-Token": token.get_secret_value()},
        json={"data": {}} if method == "POST" else None,
        timeout=10,
    )

    assert answer.status_code == DENIED
