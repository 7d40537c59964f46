"""The script that the rotator is compared with does its job on a quiet day, so that the comparison is fair."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hvac
import pytest

from sandbox.exchange.records import Call, Fault
from sandbox.exchange.server import RunningExchange, running_exchange
from sandbox.processes import ROOT, die_with_parent, private_environment
from sandbox.servers import EmbeddedVault
from sandbox.vault_access import VaultAccess
from worker.models import PathLocation

pytestmark = [pytest.mark.servers, pytest.mark.e2e]

LONG, OVER = "3600", "0"
"""Periods: one that is not over yet, and one that always is."""


class Cron:
    """Runs the script as cron would, and looks at what it left behind."""

    def __init__(self, home: Path, exchange: RunningExchange, vault: EmbeddedVault, location: PathLocation) -> None:
        self._location = location
        self._home = home
        (home / "identity.jwt").write_text(exchange.control.issue_identity("main").get_secret_value())
        (home / "vault-token").write_text(vault.root_token.get_secret_value())
        self._told = {
            "VAULT_ADDR": vault.addr,
            "VAULT_TOKEN_FILE": str(home / "vault-token"),
            "LIMITLESS_API_URL": exchange.api_url,
            "LIMITLESS_IDENTITY_TOKEN_FILE": str(home / "identity.jwt"),
            "CONSUMERS_MOUNT": location.mount,
            "CONSUMERS_PATH": location.path,
        }
        self.vault = hvac.Client(url=vault.addr, token=vault.root_token.get_secret_value())

    def run(self, period: str) -> int:
        return subprocess.run(
            [sys.executable, str(ROOT / "bench" / "naive.py")],
            env=private_environment(self._home, {**self._told, "PERIOD_SECONDS": period}),
            preexec_fn=die_with_parent(),
            capture_output=True,
            check=False,
            timeout=60,
        ).returncode

    def served(self) -> dict[str, Any]:
        answer = self.vault.secrets.kv.v2.read_secret_version(
            mount_point=self._location.mount, path=self._location.path, raise_on_deleted_version=True
        )
        document: dict[str, Any] = answer["data"]["data"]
        return document


@pytest.fixture
def exchange() -> Iterator[RunningExchange]:
    with running_exchange() as running:
        yield running


@pytest.fixture
def cron(
    tmp_path: Path,
    exchange: RunningExchange,
    vault_server: EmbeddedVault,
    vault_access: VaultAccess,
    location: PathLocation,
) -> Iterator[Cron]:
    found = Cron(tmp_path, exchange, vault_server, location)
    yield found
    found.vault.adapter.close()


def live(exchange: RunningExchange) -> list[str]:
    return [one.token_id for one in exchange.control.tokens() if one.live]


def test_it_puts_a_live_token_where_services_read_it(cron: Cron, exchange: RunningExchange) -> None:
    assert cron.run(OVER) == 0
    assert live(exchange) == [cron.served()["token_id"]]


def test_it_does_nothing_before_the_period_is_over(cron: Cron, exchange: RunningExchange) -> None:
    codes = [cron.run(LONG), cron.run(LONG)]
    assert (codes, len(exchange.control.tokens())) == ([0, 0], 1)


def test_it_revokes_a_token_only_a_period_after_it_was_replaced(cron: Cron, exchange: RunningExchange) -> None:
    served = [cron.run(OVER) or cron.served()["token_id"] for _ in range(3)]
    assert live(exchange) == served[1:]


def test_it_gets_over_a_throttled_derive(cron: Cron, exchange: RunningExchange) -> None:
    exchange.control.next_calls(Call.DERIVE, Fault.THROTTLE)
    assert cron.run(OVER) == 0


def test_it_leaves_an_orphan_when_the_answer_to_a_derive_is_lost(cron: Cron, exchange: RunningExchange) -> None:
    exchange.control.next_calls(Call.DERIVE, Fault.LOSE_ANSWER)
    codes = [cron.run(OVER), cron.run(OVER)]
    orphan = exchange.control.tokens()[0]
    assert (codes, orphan.live) == ([1, 0], True)
