"""deploy/vault/setup.sh, run as an operator runs it, against a server of its own."""

import os
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hvac
import pytest
from hvac.exceptions import InvalidRequest
from pydantic import SecretStr

from config.schema import FieldNames, Infrastructure, VaultLayout
from sandbox.processes import ROOT, private_environment
from sandbox.servers import EmbeddedVault, vault_binary
from tests.fakes.clock import FakeClock
from worker.account_ledger import AccountLedger
from worker.models import PathContent, PathLocation
from worker.vault import build_vault

pytestmark = pytest.mark.servers

Run = Callable[..., subprocess.CompletedProcess[str]]
LOCATION = PathLocation("trading", "limitless/a")


@contextmanager
def root(server: EmbeddedVault) -> Iterator[hvac.Client]:
    client = hvac.Client(url=server.addr, token=server.root_token.get_secret_value())
    try:
        yield client
    finally:
        client.adapter.close()


@pytest.fixture
def run_setup(private_vault: EmbeddedVault, tmp_path: Path) -> Run:
    def run(**settings: str) -> subprocess.CompletedProcess[str]:
        home = tmp_path / "operator"
        home.mkdir(exist_ok=True)
        (home / ".vault-token").write_text(private_vault.root_token.get_secret_value())
        environment = {
            "VAULT_ADDR": private_vault.addr,
            "VAULT_CLI": str(vault_binary()),
            "APPROLE_DIR": str(tmp_path / "approle"),
            **settings,
        }
        return subprocess.run(
            ["/bin/sh", str(ROOT / "deploy" / "vault" / "setup.sh")],
            env=private_environment(home, environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def worker_infrastructure(server: EmbeddedVault, approle: Path) -> Infrastructure:
    return Infrastructure(
        redis_url=SecretStr("redis://unused"),
        vault_addr=server.addr,
        vault_role_id=SecretStr((approle / "role_id").read_text()),
        vault_secret_id=SecretStr((approle / "secret_id").read_text()),
    )


def content_at(infrastructure: Infrastructure, layout: VaultLayout, location: PathLocation) -> PathContent:
    no_fields: Mapping[PathLocation, FieldNames] = {}
    vault = build_vault(infrastructure, layout, no_fields, FakeClock())
    try:
        vault.consumers.write_tombstone(location, cas=0)
        return vault.consumers.read(location).content
    finally:
        vault.close()


def remembered(infrastructure: Infrastructure, layout: VaultLayout) -> int:
    """Return the version of an account ledger that the worker's own login wrote and read back."""
    no_fields: Mapping[PathLocation, FieldNames] = {}
    vault = build_vault(infrastructure, layout, no_fields, FakeClock())
    try:
        vault.accounts.write(AccountLedger(account="desk"), cas=0)
        return vault.accounts.read("desk").version
    finally:
        vault.close()


def test_a_worker_can_use_what_the_script_wrote(run_setup: Run, private_vault: EmbeddedVault, tmp_path: Path) -> None:
    done = run_setup()

    assert done.returncode == 0, done.stderr
    infrastructure = worker_infrastructure(private_vault, tmp_path / "approle")
    assert content_at(infrastructure, VaultLayout(), PathLocation("trading", "limitless/a")) is PathContent.TOMBSTONE


def test_a_second_run_keeps_the_secret_id_that_works(run_setup: Run, tmp_path: Path) -> None:
    run_setup()
    before = (tmp_path / "approle" / "secret_id").read_text()

    again = run_setup()

    assert again.returncode == 0, again.stderr
    assert (tmp_path / "approle" / "secret_id").read_text() == before


def test_a_secret_id_that_vault_does_not_know_is_replaced(
    run_setup: Run, private_vault: EmbeddedVault, tmp_path: Path
) -> None:
    run_setup()
    (tmp_path / "approle" / "secret_id").unlink()
    (tmp_path / "approle" / "secret_id").write_text("5f0c6f4e-0000-0000-0000-000000000000")

    assert run_setup().returncode == 0

    infrastructure = worker_infrastructure(private_vault, tmp_path / "approle")
    assert content_at(infrastructure, VaultLayout(), PathLocation("trading", "limitless/b")) is PathContent.TOMBSTONE


def test_other_mounts_and_prefixes_are_set_up_as_named(
    run_setup: Run, private_vault: EmbeddedVault, tmp_path: Path
) -> None:
    layout = VaultLayout(
        mount="desk", path_prefix="lmts/prod", journal_mount="notes", journal_prefix="j", account_prefix="acc"
    )

    done = run_setup(
        CONSUMERS_MOUNT="desk",
        CONSUMERS_PREFIX="lmts/prod",
        JOURNAL_MOUNT="notes",
        JOURNAL_PREFIX="j",
        ACCOUNT_PREFIX="acc",
    )

    assert done.returncode == 0, done.stderr
    infrastructure = worker_infrastructure(private_vault, tmp_path / "approle")
    assert content_at(infrastructure, layout, PathLocation("desk", "lmts/prod/a")) is PathContent.TOMBSTONE
    assert remembered(infrastructure, layout) == 1


def test_each_consumers_path_gets_a_policy_of_its_own(run_setup: Run, private_vault: EmbeddedVault) -> None:
    run_setup(CONSUMER_PATHS="limitless/market-maker limitless/hedger")

    client = hvac.Client(url=private_vault.addr, token=private_vault.root_token.get_secret_value())
    try:
        policies = client.sys.list_policies()["data"]["policies"]  # type: ignore[no-untyped-call] # stub without types
    finally:
        client.adapter.close()
    assert {"limitless-consumer-market-maker", "limitless-consumer-hedger"} <= set(policies)


def test_the_login_is_readable_to_its_owner_alone(run_setup: Run, tmp_path: Path) -> None:
    run_setup()

    folder = tmp_path / "approle"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {"approle": 0o700, "role_id": 0o400, "secret_id": 0o400}


def test_no_checkout_takes_the_login_up(run_setup: Run, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    run_setup()

    assert (tmp_path / "approle" / ".gitignore").read_text() == "*\n"


def test_a_mount_of_kv_version_1_is_refused_and_left_alone(run_setup: Run, private_vault: EmbeddedVault) -> None:
    client = hvac.Client(url=private_vault.addr, token=private_vault.root_token.get_secret_value())
    try:
        client.sys.enable_secrets_engine("kv", path="trading", options={"version": "1"})
    finally:
        client.adapter.close()

    done = run_setup()

    assert done.returncode != 0
    assert "trading/ exists and is not KV version 2" in done.stderr


def test_no_secret_is_printed(run_setup: Run, private_vault: EmbeddedVault, tmp_path: Path) -> None:
    done = run_setup()

    secret_id = (tmp_path / "approle" / "secret_id").read_text()
    printed = done.stdout + done.stderr
    assert not [one for one in (secret_id, private_vault.root_token.get_secret_value()) if one in printed]


def test_the_script_is_executable() -> None:
    assert os.access(ROOT / "deploy" / "vault" / "setup.sh", os.X_OK)


def test_a_stranger_who_knows_the_role_id_cannot_lock_the_worker_out(
    run_setup: Run, private_vault: EmbeddedVault, tmp_path: Path
) -> None:
    assert run_setup().returncode == 0
    role_id = (tmp_path / "approle" / "role_id").read_text()
    stranger = hvac.Client(url=private_vault.addr, token="")
    try:
        for _ in range(10):
            with pytest.raises(InvalidRequest):
                stranger.auth.approle.login(role_id, "guessed", use_token=False)
    finally:
        stranger.adapter.close()

    infrastructure = worker_infrastructure(private_vault, tmp_path / "approle")

    assert content_at(infrastructure, VaultLayout(), LOCATION) is PathContent.TOMBSTONE


def test_an_approle_mount_that_others_may_use_keeps_its_lockout_unless_told_otherwise(
    run_setup: Run, private_vault: EmbeddedVault
) -> None:
    def off(client: Any) -> bool:
        return bool(client.sys.read_auth_method_tuning("approle")["data"].get("user_lockout_disable", False))

    with root(private_vault) as client:
        client.sys.enable_auth_method("approle")
        kept = run_setup()
        before = off(client)
        changed = run_setup(APPROLE_LOCKOUT="off")
        after = off(client)

    assert (kept.returncode, before, changed.returncode, after) == (0, False, 0, True)
    assert "APPROLE_LOCKOUT=off" in kept.stdout


def test_secret_ids_that_end_are_issued_anew_at_each_run_and_the_one_before_lives_on(
    run_setup: Run, private_vault: EmbeddedVault, tmp_path: Path
) -> None:
    run_setup(APPROLE_SECRET_ID_TTL="24h")
    before = worker_infrastructure(private_vault, tmp_path / "approle")
    run_setup(APPROLE_SECRET_ID_TTL="24h")
    after = worker_infrastructure(private_vault, tmp_path / "approle")

    assert before.vault_secret_id != after.vault_secret_id
    assert remembered(before, VaultLayout()) == 1
    with root(private_vault) as client:
        role = client.auth.approle.read_role("limitless-rotator")["data"]
    assert (role["secret_id_ttl"], role["secret_id_num_uses"]) == (86400, 0)
