"""A Vault for simulated years: the three stores as plain dictionaries, with check-and-set, outages and faults."""

from collections.abc import Callable
from datetime import datetime
from random import Random

from pydantic import SecretStr

from config.schema import VaultLayout
from sandbox.simulation.clock import VirtualClock
from sandbox.simulation.intervals import Intervals
from worker.account_ledger import AccountLedger, VersionedLedger
from worker.errors import AmbiguousWriteError, CasConflictError, VaultUnavailableError
from worker.journal import Journal, VersionedJournal
from worker.models import (
    ConsumersPath,
    Departure,
    PathContent,
    PathLocation,
    ServedDocument,
    ServedVersion,
    WriteReceipt,
)

_EMPTY = ConsumersPath(0, None, PathContent.EMPTY)


class SimulatedVault:
    """`consumers`, `journals` and `accounts` behind one outage.

    Args:
        clock: dates every version.
        random: draws faults.
        outages: when nothing is answered.
        on_journal: told of each journal write that landed.
        on_served: told of each document that landed at a consumers' path.
    """

    def __init__(
        self,
        *,
        clock: VirtualClock,
        random: Random,
        outages: Intervals,
        on_journal: Callable[[Journal], None],
        on_served: Callable[[PathLocation, ServedDocument], None],
    ) -> None:
        self._clock = clock
        self._random = random
        self._outages = outages
        self.fault_share = 0.001
        self.lost_share = 0.0005
        self.consumers = SimulatedConsumers(self, on_served)
        self.journals = SimulatedJournals(self, on_journal)
        self.accounts = SimulatedLedgers(self)

    def away(self) -> bool:
        """Whether Vault answers nobody now."""
        return self._outages.at(self._clock.now())

    def arrive(self) -> datetime:
        """Return the time, or raise VaultUnavailableError."""
        now = self._clock.now()
        if self._outages.at(now) or self._random.random() < self.fault_share:
            raise VaultUnavailableError("Vault does not answer")
        return now

    def answer(self, where: object) -> None:
        """Lose the answer to a write that has landed, now and then."""
        if self._random.random() < self.lost_share:
            raise AmbiguousWriteError(f"whether the write to {where} landed is not known")


class SimulatedConsumers:
    """`worker.ports.ConsumersStore`."""

    def __init__(self, vault: SimulatedVault, told: Callable[[PathLocation, ServedDocument], None]) -> None:
        self._vault = vault
        self._told = told
        self.max_versions = VaultLayout().max_versions
        self.paths: dict[PathLocation, ConsumersPath] = {}
        self.older: dict[PathLocation, dict[int, ServedDocument]] = {}
        self.written: dict[PathLocation, dict[int, datetime]] = {}

    def read(self, location: PathLocation) -> ConsumersPath:
        """Return the latest version there."""
        self._vault.arrive()
        return self.peek(location)

    def peek(self, location: PathLocation) -> ConsumersPath:
        """Return what is there, whether or not Vault answers."""
        return self.paths.get(location, _EMPTY)

    def write(self, location: PathLocation, document: ServedDocument, *, cas: int) -> WriteReceipt:
        """Write the document as the version after `cas`."""
        return self._write(location, document, PathContent.DOCUMENT, cas)

    def write_tombstone(self, location: PathLocation, *, cas: int) -> WriteReceipt:
        """Write a version that serves nothing."""
        return self._write(location, None, PathContent.TOMBSTONE, cas)

    def rewrite(self, location: PathLocation, *, cas: int) -> ConsumersPath:
        """Write what is there once more as the version after `cas`; an empty path gets a tombstone."""
        before = self.peek(location)
        content = PathContent.TOMBSTONE if before.content is PathContent.EMPTY else before.content
        self._write(location, before.document, content, cas)
        return self.peek(location)

    def find(self, location: PathLocation, token_id: str, *, prefer: int | None) -> ServedVersion | None:
        """Return the version `prefer` if it serves that token, or the newest that does."""
        self._vault.arrive()
        latest = self.peek(location)
        versions = dict(self.older.get(location, {}))
        if latest.document is not None:
            versions[latest.version] = latest.document
        found = (number for number in sorted(versions, reverse=True) if versions[number].token_id == token_id)
        number = min(found, key=lambda one: one != prefer, default=None)
        return None if number is None else ServedVersion(number, versions[number])

    def peek_token(self, location: PathLocation, token_id: str) -> ServedDocument | None:
        """Return what serves that token, whether or not Vault answers."""
        latest = self.peek(location).document
        if latest is not None and latest.token_id == token_id:
            return latest
        older = self.older.get(location, {})
        return next((older[one] for one in sorted(older, reverse=True) if older[one].token_id == token_id), None)

    def departure(
        self, location: PathLocation, token_id: str, *, secret: SecretStr | None = None, unreadable: bool = True
    ) -> Departure | None:
        """Return when that token was last at the path, and when it left; nobody deletes versions here."""
        del unreadable
        self._vault.arrive()
        latest = self.peek(location)
        versions = list(self.older.get(location, {}).items())
        if latest.document is not None:
            versions.append((latest.version, latest.document))
        holds = (number for number, one in versions if one.token_id == token_id and secret in {None, one.secret})
        held = max(holds, default=None)
        if held is None:
            return None
        written = self.written[location]
        return Departure(held, served_at=written[held], left_at=written.get(held + 1))

    def destroy_secret(self, location: PathLocation, token_id: str) -> tuple[int, ...]:
        """Forget every older version that holds that token."""
        self._vault.arrive()
        older = self.older.get(location, {})
        doomed = tuple(version for version, document in older.items() if document.token_id == token_id)
        for version in doomed:
            del older[version]
        return doomed

    def _write(
        self, location: PathLocation, document: ServedDocument | None, content: PathContent, cas: int
    ) -> WriteReceipt:
        now, before = self._vault.arrive(), self.peek(location)
        if before.version != cas:
            raise CasConflictError(f"{location}: version {before.version} is there, the write was to follow {cas}")
        if before.document is not None:
            older = self.older.setdefault(location, {})
            older[before.version] = before.document
            while len(older) >= self.max_versions:
                del older[min(older)]
        self.paths[location] = ConsumersPath(cas + 1, now, content, document)
        self.written.setdefault(location, {})[cas + 1] = now
        if document is not None:
            self._told(location, document)
        self._vault.answer(location)
        return WriteReceipt(cas + 1, now)


class SimulatedJournals:
    """`worker.ports.JournalStore`."""

    def __init__(self, vault: SimulatedVault, told: Callable[[Journal], None]) -> None:
        self._vault = vault
        self._told = told
        self.stored: dict[PathLocation, VersionedJournal] = {}

    def read(self, location: PathLocation) -> VersionedJournal | None:
        """Return the journal there."""
        self._vault.arrive()
        return self.stored.get(location)

    def write(self, location: PathLocation, journal: Journal, *, cas: int) -> VersionedJournal:
        """Write the journal as the version after `cas`."""
        self._vault.arrive()
        before = self.stored.get(location)
        if (before.version if before else 0) != cas:
            raise CasConflictError(f"the journal of {location} moved on from version {cas}")
        self.stored[location] = VersionedJournal(cas + 1, journal)
        self._told(journal)
        self._vault.answer(f"the journal of {location}")
        return self.stored[location]

    def peek(self, location: PathLocation) -> Journal | None:
        """Return what is there, whether or not Vault answers."""
        stored = self.stored.get(location)
        return stored.journal if stored else None

    def server_time(self) -> datetime:
        """Return the virtual time in whole seconds."""
        return self._vault.arrive().replace(microsecond=0)


class SimulatedLedgers:
    """`worker.ports.AccountLedgers`."""

    def __init__(self, vault: SimulatedVault) -> None:
        self._vault = vault
        self.stored: dict[str, VersionedLedger] = {}

    def read(self, account: str) -> VersionedLedger:
        """Return the account's ledger."""
        self._vault.arrive()
        return self.peek(account)

    def peek(self, account: str) -> VersionedLedger:
        """Return what is there, whether or not Vault answers."""
        return self.stored.get(account) or VersionedLedger(0, AccountLedger(account=account))

    def write(self, ledger: AccountLedger, *, cas: int) -> VersionedLedger:
        """Write the ledger as the version after `cas`."""
        self._vault.arrive()
        written = self.put(ledger, cas=cas)
        self._vault.answer(f"the ledger of {ledger.account}")
        return written

    def put(self, ledger: AccountLedger, *, cas: int) -> VersionedLedger:
        """Write as `write` does, but never fail by chance: a person tries again."""
        before = self.peek(ledger.account)
        if before.version != cas:
            raise CasConflictError(f"the ledger of {ledger.account} moved on from version {cas}")
        self.stored[ledger.account] = VersionedLedger(cas + 1, ledger)
        return self.stored[ledger.account]
