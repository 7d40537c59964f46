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
from worker.models import ConsumersPath, PathLocation, TokenList
from worker.policy.copies import Candidate, candidates
from worker.policy.facts import AccountFacts, AccountState, Copy, CredentialFacts
from worker.policy.profile import without_strange_list
from worker.policy.safety import AT_THE_PATH, clocks_differ, hands_off
from worker.ports import AccountLedgers, Clock, ConsumersStore, Exchange, JournalStore
from worker.promoted import promoted_secret

_MOST_READS = 2


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
        facts = self._account(name)
        # An answer that was held up on its way tells a time that has passed; two in a row are no accident.
        return self._account(name) if clocks_differ(facts) else facts

    def _account(self, name: str) -> AccountFacts:
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
        credentials = tuple(self._read(one, state, state_error) for one in self._settings.credentials_of(name))
        facts = AccountFacts(
            settings=self._settings.account(name),
            tokens=tokens,
            list_error=list_error,
            listed_at=listed_at,
            vault_time=vault_time,
            vault_read_at=vault_read_at,
            credentials=credentials,
            copies=tuple(self._compared(one) for one in candidates(credentials, tokens)),
            state=state,
            state_error=state_error,
            vault_time_error=vault_time_error,
            late_after=self._settings.schedule.longest_wait,
        )
        return without_strange_list(facts)

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
                facts = replace(facts, journal=self._journals.read(location))
                facts = replace(facts, path=self._consumers.read(location))
                hold = hands_off(facts)
                if hold is None or hold.reason not in AT_THE_PATH:
                    break  # else somebody may have rotated or retired the credential between the two reads
        except RotatorError as error:
            path = self._path_alone(location) if facts.journal is None else None
            return CredentialFacts(credential, None, path, unreadable=str(error))
        return facts

    def _path_alone(self, location: PathLocation) -> ConsumersPath | None:
        # What it serves matters to other credentials, too: without it they would have to wait.
        try:
            return self._consumers.read(location)
        except RotatorError:
            return None

    def _compared(self, candidate: Candidate) -> Copy:
        token_id, owner, reader = candidate
        copy = Copy(token_id, owner.credential.name, reader.credential.name, works=None)
        if reader.path is None or reader.path.document is None:
            return copy
        try:
            secret = promoted_secret(self._consumers, owner, token_id)
        except RotatorError:
            return copy
        if secret is None:
            return replace(copy, lost=True)
        return replace(copy, works=secret == reader.path.document.secret)
