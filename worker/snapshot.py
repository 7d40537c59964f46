"""Gather: all reads that a plan needs, in the order that makes it safe.

The exchange's list comes first, then each journal, then the consumers' path: whatever a revocation decides on was
read after the list, so a token that Vault began to serve in between is seen as served. What cannot be read becomes a
fact ("unreadable, because ..."), never an assumption.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from config.schema import Credential, Settings
from worker.errors import RotatorError, UnknownNameError
from worker.models import PathLocation, TokenList
from worker.policy.facts import AccountFacts, AccountState, CredentialFacts
from worker.policy.safety import ANOTHER_HAND, hands_off
from worker.policy.steps import Reason
from worker.ports import AccountLedgers, Clock, ConsumersStore, Exchange, JournalStore

_MOST_READS = 2
_MAY_BE_TORN = ANOTHER_HAND | {Reason.JOURNAL_BEHIND}
"""What a journal and a path look like, too, when somebody rotated or retired the credential between the two reads."""


class Gatherer:
    """Reads the world into frozen facts; writes nothing."""

    def __init__(
        self,
        *,
        settings: Settings,
        exchanges: Mapping[str, Exchange],
        consumers: ConsumersStore,
        journals: JournalStore,
        accounts: AccountLedgers,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._exchanges = exchanges
        self._consumers = consumers
        self._journals = journals
        self._accounts = accounts
        self._clock = clock

    def settings_of(self, name: str) -> Credential:
        """Return the credential's settings, or raise UnknownNameError."""
        try:
            return self._settings.credential(name)
        except KeyError:
            known = ", ".join(sorted(one.name for one in self._settings.credentials)) or "none"
            raise UnknownNameError(f"No credential is named {name}. Configured: {known}.") from None

    def credential(self, name: str) -> CredentialFacts:
        """Return the facts of one credential; raises UnknownNameError alone."""
        credential = self.settings_of(name)
        state, error = self._state(credential.account)
        return self._read(credential, state, error)

    def elsewhere(self, account: str) -> tuple[CredentialFacts, ...]:
        """Return the facts of every credential of the other accounts."""
        others = (one.name for one in self._settings.credentials if one.account != account)
        return tuple(self.credential(name) for name in others)

    def account(self, name: str) -> AccountFacts:
        """Return the facts of one account and all its credentials; raises UnknownNameError alone."""
        if name not in self._exchanges:
            known = ", ".join(sorted(self._exchanges)) or "none"
            raise UnknownNameError(f"No account is named {name}. Configured: {known}.")
        tokens: TokenList | None = None
        list_error: str | None = None
        try:
            tokens = self._exchanges[name].list_tokens()
        except RotatorError as error:
            list_error = str(error)
        listed_at = self._clock.now()
        vault_time: datetime | None = None
        vault_time_error: str | None = None
        try:
            vault_time = self._journals.server_time()
        except RotatorError as error:
            vault_time_error = str(error)
        vault_read_at = self._clock.now()
        state, state_error = self._state(name)
        return AccountFacts(
            settings=self._settings.account(name),
            tokens=tokens,
            list_error=list_error,
            listed_at=listed_at,
            vault_time=vault_time,
            vault_read_at=vault_read_at,
            credentials=tuple(self._read(one, state, state_error) for one in self._settings.credentials_of(name)),
            state=state,
            state_error=state_error,
            vault_time_error=vault_time_error,
        )

    def _state(self, account: str) -> tuple[AccountState | None, str | None]:
        try:
            return AccountState(self._accounts.read(account), self._settings.freezes), None
        except RotatorError as error:
            return None, str(error)

    def _read(self, credential: Credential, state: AccountState | None, error_of_state: str | None) -> CredentialFacts:
        if state is None:
            return CredentialFacts(credential, None, None, unreadable=error_of_state)
        location = PathLocation(credential.mount, credential.path)
        facts = CredentialFacts(credential, None, None, state=state)
        try:
            for _ in range(_MOST_READS):
                facts = replace(facts, journal=self._journals.read(location), path=self._consumers.read(location))
                hold = hands_off(facts)
                if hold is None or hold.reason not in _MAY_BE_TORN:
                    break
        except RotatorError as error:
            return CredentialFacts(credential, None, None, unreadable=str(error))
        return facts
