"""The facts that a plan is made from: what the snapshot read, frozen, and what could not be read."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from config.schema import Account, Credential, Freeze
from worker.account_ledger import AccountLedger, VersionedLedger
from worker.journal import Intent, Journal, TokenRecord, VersionedJournal
from worker.models import ConsumersPath, ListedToken, PathLocation, TokenList


@dataclass(frozen=True, slots=True)
class AccountState:
    """What is durable about an account beside its tokens, and the configured freezes."""

    versioned: VersionedLedger
    freezes: tuple[Freeze, ...] = ()

    @property
    def ledger(self) -> AccountLedger:
        """The account ledger's document without its version."""
        return self.versioned.ledger


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """One credential: its settings, its journal (None: there never was one) and what services are served.

    `unreadable` says why journal, path or account ledger could not be read; then nothing is decided. `path` is there
    all the same when only the journal could not be read. `state` is None
    only then.
    """

    credential: Credential
    journal: VersionedJournal | None
    path: ConsumersPath | None
    unreadable: str | None = None
    state: AccountState | None = None

    @property
    def location(self) -> PathLocation:
        """The consumers' path of the credential."""
        return PathLocation(self.credential.mount, self.credential.path)

    @property
    def intent(self) -> Intent | None:
        """The open intent, if any."""
        return self.journal.journal.intent if self.journal else None

    @property
    def current(self) -> TokenRecord | None:
        """The ledger's current token, if any."""
        return self.journal.journal.current if self.journal else None

    @property
    def ledger(self) -> Journal | None:
        """The journal's document without its version."""
        return self.journal.journal if self.journal else None

    def knows(self, token: ListedToken) -> bool:
        """Whether this credential's journal has a record of that token, or asked for its label."""
        journal = self.ledger
        return journal is not None and (
            journal.record_of(token.token_id) is not None or journal.owns_label(token.label)
        )

    @property
    def served_token_id(self) -> str | None:
        """The token that services are served, or None when the path serves none of ours."""
        return self.path.document.token_id if self.path and self.path.document else None

    @property
    def serves_ours(self) -> bool:
        """Whether the path serves a token of the ledger, or the one of the open intent."""
        served, staged = self.served_token_id, self.intent.token if self.intent else None
        if served is None or self.ledger is None:
            return False
        return self.ledger.record_of(served) is not None or (staged is not None and staged.token_id == served)


@dataclass(frozen=True, slots=True)
class Copy:
    """A token of one credential (`owner`) that the path of another one (`reader`) names.

    Args:
        token_id: whose.
        owner: the credential whose journal knows the token.
        reader: the credential whose path names it.
        works: whether the token's own secret is there as well; None when that is unknown.
        lost: it is unknown because no version of the owner's path holds the secret any more; a signed call can tell.
    """

    token_id: str
    owner: str
    reader: str
    works: bool | None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """One account: the exchange's list, read before every credential's facts, and the three clocks.

    Args:
        settings: of the account.
        state: its ledger and freezes; None when the ledger could not be read (`state_error` says why).
        tokens: the complete list, or None when it could not be read.
        list_error: why, then.
        other_profile: what is told when the list is another profile's, which is why `tokens` is None then.
        listed_at: our clock when the list's answer arrived.
        vault_time: Vault's clock, or None when unknown (`vault_time_error` says why); read at `vault_read_at` on ours.
        vault_read_at: see `vault_time`.
        credentials: the facts of each credential of the account, read after the list.
        copies: tokens of one credential that the path of another one names.
        late_after: how long a rotation that could begin may wait before a person is told.
    """

    settings: Account
    tokens: TokenList | None
    list_error: str | None
    listed_at: datetime
    vault_time: datetime | None
    vault_read_at: datetime
    credentials: tuple[CredentialFacts, ...]
    state: AccountState | None = None
    state_error: str | None = None
    other_profile: str | None = None
    copies: tuple[Copy, ...] = ()
    vault_time_error: str | None = None
    late_after: timedelta = timedelta(minutes=15)

    def unrecorded(self, tokens: TokenList) -> tuple[ListedToken, ...]:
        """Return the listed tokens that are in no credential's ledger and in no open intent."""
        ids: set[str | None] = set()
        for journal in (one.ledger for one in self.credentials if one.ledger is not None):
            ids.update([record.token_id for record in journal.ledger])
            if journal.intent is not None and journal.intent.token is not None:
                ids.add(journal.intent.token.token_id)
        return tuple(one for one in tokens.tokens if one.token_id not in ids)

    def strangers(self, tokens: TokenList) -> tuple[ListedToken, ...]:
        """Return the listed tokens that no credential knows: neither by id nor by the full label of an intent.

        What a credential's path serves is no stranger, whoever put it there: services use it, so nobody may read that
        it can be revoked by hand.
        """
        unrecorded = self.unrecorded(tokens)
        if not unrecorded:
            return ()
        ours = frozenset[str]().union(*(one.ledger.labels for one in self.credentials if one.ledger is not None))
        served = {one.served_token_id for one in self.credentials}
        return tuple(one for one in unrecorded if one.label not in ours and one.token_id not in served)

    @property
    def unconfigured(self) -> tuple[str, ...]:
        """Credentials that once had a journal and are no longer in the settings."""
        names = {one.credential.name for one in self.credentials}
        return tuple(one for one in self.state.ledger.known if one not in names) if self.state else ()

    @property
    def account(self) -> str:
        """The account's name."""
        return self.settings.name

    @property
    def exchange_skew(self) -> timedelta | None:
        """The exchange's clock minus ours, or None when unknown."""
        if self.tokens is None or self.tokens.server_time is None:
            return None
        return self.tokens.server_time - self.listed_at

    @property
    def vault_skew(self) -> timedelta | None:
        """Vault's clock minus ours, or None when unknown."""
        return None if self.vault_time is None else self.vault_time - self.vault_read_at
