"""Gathers what is known of a cell when it is over, past all proxies."""

from contextlib import closing
from typing import Final

from config.schema import Credential, VaultLayout
from sandbox.chaos.assertions import Evidence
from sandbox.chaos.cells import Scenario
from sandbox.chaos.subject import Lane, Subject
from sandbox.chaos.trading import Desk
from sandbox.chaos.truth import Truth
from sandbox.chaos.world import settings_of
from sandbox.exchange.records import Call, TokenEntry
from sandbox.inspection import ORDERS, VaultInspector
from sandbox.stack import Stack
from sandbox.trader import Counts
from worker.models import ConsumersPath, PathLocation
from worker.ports import AccountLedgers
from worker.vault import Vault

_REFUSED: Final = {401, 403}


class Witness:
    """Looks at the exchange's ledger and at Vault.

    Args:
        stack: started.
        vault: reads paths.
        desk: signs a last request with what is served.
    """

    def __init__(self, *, stack: Stack, vault: Vault, desk: Desk) -> None:
        self._stack = stack
        self._vault = vault
        self._desk = desk

    @property
    def layout(self) -> VaultLayout:
        """Where things live in Vault."""
        return self._stack.settings.vault

    def evidence(
        self,
        *,
        scenario: Scenario,
        credential: Credential,
        subject: Subject,
        lane: Lane,
        reached: bool,
        unsettled: str,
        counts: Counts,
        insisted: bool,
        done_in_doubt: int,
    ) -> Evidence:
        """Return what is known; the trader has stopped, and so has everything else that would change it."""
        accepted = self._desk.accepts(credential)
        journal = lane.journal(credential)
        path = self._vault.consumers.read(PathLocation(credential.mount, credential.path))
        served = self._desk.served(credential)
        tokens = self._stack.control.tokens(profile=credential.account)
        refusals = {token.token_id: self._refusals(token) for token in tokens if token.rejections}
        paused = scenario is Scenario.PAUSE and is_paused(self._vault.accounts, credential)
        return Evidence(
            scenario=scenario,
            keeps_journal=subject.keeps_journal,
            truth=Truth(journal=journal, served=served, tokens=tokens, paused=paused),
            reached=reached,
            unsettled=unsettled,
            traded=counts.accepted,
            rejected=counts.rejected,
            refused=sum(refusals.values()),
            refused_with=frozenset(token_id for token_id, count in refusals.items() if count),
            served_accepted=accepted,
            verified=self._was_verified(served, path),
            held_in_vault=self._held(credential, tokens),
            insisted=insisted,
            done_in_doubt=done_in_doubt,
        )

    def _refusals(self, token: TokenEntry) -> int:
        """How many of the trader's requests were refused: the worker's own calls with that token do not count."""
        entries = self._stack.control.requests(token_id=token.token_id)
        return sum(1 for entry in entries if entry.call in ORDERS and entry.status in _REFUSED)

    def _was_verified(self, served: str | None, path: ConsumersPath) -> bool:
        if served is None or path.created_time is None:
            return False
        entries = self._stack.control.requests(token_id=served, call=Call.LIST)
        return any(entry.status == 200 and entry.at <= path.created_time for entry in entries)  # noqa: PLR2004 - OK

    def _held(self, credential: Credential, tokens: tuple[TokenEntry, ...]) -> frozenset[str]:
        secrets = self._stack.control.secrets().tokens
        settings = settings_of(self._stack, credential)
        with closing(
            VaultInspector(addr=self._stack.vault.addr, token=self._stack.vault.root_token, settings=settings)
        ) as inspector:
            texts = "\n".join(text for one in inspector.holdings().values() for text in one.texts)
        return frozenset(one.token_id for one in tokens if secrets[one.token_id].get_secret_value() in texts)


def is_paused(ledgers: AccountLedgers, credential: Credential) -> bool:
    """Whether the account's ledger has a pause of that credential; raises RotatorError when it cannot be read."""
    return any(pause.credential == credential.name for pause in ledgers.read(credential.account).ledger.pauses)
