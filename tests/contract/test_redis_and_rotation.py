"""Rotations on real servers: a worker told to stop finishes the step in hand; the command line needs no Redis."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from config.schema import Infrastructure, VaultLayout
from config.settings import load_settings
from sandbox.exchange.server import RunningExchange, running_exchange
from sandbox.processes import Children
from sandbox.servers import EmbeddedRedis, EmbeddedVault, free_port
from sandbox.vault_access import VaultAccess
from tests.unit.cli.world import logging_restored
from worker.app import RotatorApp
from worker.cli import main
from worker.clock import SystemClock
from worker.journal import Journal
from worker.models import ConsumersPath, PathLocation, Profile
from worker.tasks import ROTATE_CREDENTIAL
from worker.vault import build_vault

pytestmark = pytest.mark.servers

PATIENCE = 30.0
SLOW_SECONDS = 3.0

CONFIG = """
[vault]
max_versions = {max_versions}

[[accounts]]
name = "main"
api_url = "{api_url}"
identity_token_file = "identity.jwt"

[[credentials]]
name = "mm"
account = "main"
mount = "{location.mount}"
path = "{location.path}"
"""


@pytest.fixture
def restored_logging() -> Iterator[None]:
    with logging_restored():
        yield


@pytest.fixture
def exchange() -> Iterator[RunningExchange]:
    with running_exchange() as running:
        yield running


@pytest.fixture
def environment(
    tmp_path: Path,
    redis_server: EmbeddedRedis,
    vault_server: EmbeddedVault,
    vault_access: VaultAccess,
    vault_layout: VaultLayout,
    location: PathLocation,
    exchange: RunningExchange,
) -> dict[str, str]:
    (tmp_path / "rotator.toml").write_text(
        CONFIG.format(max_versions=vault_layout.max_versions, api_url=exchange.api_url, location=location)
    )
    (tmp_path / "identity.jwt").write_text(exchange.control.issue_identity("main").get_secret_value())
    return {
        "REDIS_URL": redis_server.url,
        "VAULT_ADDR": vault_server.addr,
        "VAULT_ROLE_ID": vault_access.role_id.get_secret_value(),
        "VAULT_SECRET_ID": vault_access.secret_id.get_secret_value(),
        "ROTATOR_CONFIG": str(tmp_path / "rotator.toml"),
    }


def wake_up(environment: dict[str, str]) -> None:
    app = RotatorApp(lambda: load_settings(environment))
    app.send_task(ROTATE_CREDENTIAL, args=("mm",))
    app.close()


def wait_for_a_derive(exchange: RunningExchange) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if exchange.control.tokens():
            return True
        time.sleep(0.05)
    return False


def served(infrastructure: Infrastructure, layout: VaultLayout, location: PathLocation) -> ConsumersPath:
    vault = build_vault(infrastructure, layout, {}, SystemClock())
    try:
        return vault.consumers.read(location)
    finally:
        vault.close()


def journal(infrastructure: Infrastructure, layout: VaultLayout, location: PathLocation) -> Journal:
    vault = build_vault(infrastructure, layout, {}, SystemClock())
    try:
        found = vault.journals.read(location)
        assert found is not None
        return found.journal
    finally:
        vault.close()


def test_a_derive_in_hand_is_staged_before_the_worker_ends_and_nothing_more_is_begun(
    tmp_path: Path,
    environment: dict[str, str],
    exchange: RunningExchange,
    vault_layout: VaultLayout,
    location: PathLocation,
) -> None:
    exchange.control.next_calls("derive", "slow", seconds=SLOW_SECONDS)
    argv = (sys.executable, "-m", "celery", "--quiet", "--app", "worker.app", "worker", "--loglevel", "INFO")
    with Children(home=tmp_path / "children") as children:
        worker = children.start(
            "worker", (*argv, "--without-gossip", "--without-mingle"), environment=environment, stop_seconds=PATIENCE
        )
        wake_up(environment)
        assert wait_for_a_derive(exchange), worker.log.read_text()
        assert worker.stop() == 0, worker.log.read_text()
    infrastructure = load_settings(environment).infrastructure
    intent = journal(infrastructure, vault_layout, location).intent
    assert intent is not None, worker.log.read_text()
    assert intent.token is not None, worker.log.read_text()
    assert [token.token_id for token in exchange.control.tokens()] == [intent.token.token_id]
    assert served(infrastructure, vault_layout, location).document is None


def test_the_command_line_rotates_while_redis_is_down(
    environment: dict[str, str],
    vault_layout: VaultLayout,
    location: PathLocation,
    restored_logging: None,
) -> None:
    without_redis = {**environment, "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    result = CliRunner().invoke(main, ["rotate", "mm"], env=without_redis)
    assert result.exit_code == 0, result.output
    assert served(load_settings(environment).infrastructure, vault_layout, location).document is not None


def test_the_command_line_binds_the_account_to_all_that_identifies_its_profile(
    environment: dict[str, str], vault_layout: VaultLayout, restored_logging: None
) -> None:
    assert CliRunner().invoke(main, ["rotate", "mm"], env=environment).exit_code == 0
    vault = build_vault(load_settings(environment).infrastructure, vault_layout, {}, SystemClock())
    try:
        binding = vault.accounts.read("main").ledger.profile
    finally:
        vault.close()
    assert binding is not None
    assert binding.profile == Profile(1001, 1001, f"0x{1001:040x}", "did:privy:main")
