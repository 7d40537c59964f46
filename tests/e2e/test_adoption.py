"""A token that people issued and a service lives on is adopted, rotated and revoked, and nobody notices."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import hvac
import pytest
from limitless_sdk import ApiTokenService, HttpClient
from limitless_sdk.types.api_tokens import DeriveApiTokenInput, DeriveApiTokenResponse

from sandbox.inspection import VaultInspector
from sandbox.stack_options import StackOptions
from sandbox.trader_status import Counts
from tests.e2e.outage_stack import OutageStack, System
from tests.e2e.processes import until
from worker.redis import connect

pytestmark = [pytest.mark.e2e, pytest.mark.servers, pytest.mark.timeout(120)]

NAME = "adopted"
CONFIG = Path(__file__).parent / "adoption.toml"
SECONDS = 40.0


class InheritedStack(OutageStack):
    """A stack in which a service lives on a token that a person issued, long before there was a rotator."""

    inherited: DeriveApiTokenResponse

    def start_worker(self, number: int) -> None:
        self.inherited = self._derive("made by hand")
        self._put(self.inherited)
        super().start_worker(number)

    def _derive(self, label: str) -> DeriveApiTokenResponse:
        identity = self.control.issue_identity("desk").get_secret_value()

        async def ask() -> DeriveApiTokenResponse:
            async with HttpClient(base_url=self.api_url) as http:
                return await ApiTokenService(http).derive_token(identity, DeriveApiTokenInput(label=label))

        return asyncio.run(ask())

    def _put(self, token: DeriveApiTokenResponse) -> None:
        credential = self.settings.credential(NAME)
        client = hvac.Client(url=self.vault.addr, token=self.vault.root_token.get_secret_value())
        client.secrets.kv.v2.create_or_update_secret(
            path=credential.path,
            mount_point=credential.mount,
            secret={"token_id": token.token_id, "secret": token.secret, "owner": "desk"},
            cas=0,
        )
        client.adapter.close()


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    options = StackOptions(
        config=CONFIG, faults="none", workers=1, beats=1, unread=frozenset(), reread_seconds=1.0, rate=5.0
    )
    with (
        InheritedStack(options) as stack,
        closing(
            VaultInspector(addr=stack.vault.addr, token=stack.vault.root_token, settings=stack.settings)
        ) as inspector,
        connect(stack.settings.infrastructure.redis_url) as client,
    ):
        yield System(stack, inspector, client)
        stack.check()


def inherited(system: System) -> str:
    assert isinstance(system.stack, InheritedStack)
    return str(system.stack.inherited.token_id)


def counts(system: System) -> Counts:
    return system.stack.trader_status().credentials.get(NAME, Counts())


def live(system: System) -> set[str]:
    return {one.token_id for one in system.stack.control.tokens() if one.live}


def wait_for_trades(system: System) -> None:
    accepted = counts(system).accepted
    until(lambda: counts(system).accepted > accepted + 2, SECONDS, "accepted requests")


@pytest.fixture(scope="module")
def adoption(system: System) -> tuple[int, dict[str, Any]]:
    """Let the inherited token be adopted while its trader works with it; return what the command answered."""
    wait_for_trades(system)
    assert counts(system).token_id == inherited(system)
    return system.rotator("adopt", NAME, "--token-id", inherited(system), "--reason", "inherited")


def test_adopting_an_inherited_token_says_that_it_is_done_and_why(adoption: tuple[int, dict[str, Any]]) -> None:
    code, told = adoption
    assert (code, [one["evidence"]["why"] for one in told["outcomes"]]) == (0, ["inherited"])


@pytest.mark.usefixtures("adoption")
def test_an_adopted_token_is_rotated_when_due_and_revoked_after_its_grace_and_nobody_is_rejected(
    system: System,
) -> None:
    until(lambda: inherited(system) not in live(system), SECONDS, "the inherited token's end")
    ledger = system.journal(NAME).ledger
    assert (ledger[0].token_id, ledger[0].adopted_as) == (inherited(system), "made by hand")
    assert len(ledger) > 1
    wait_for_trades(system)
    assert counts(system).rejected == 0
