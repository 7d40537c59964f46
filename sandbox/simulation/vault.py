"""A Vault for simulated years: the three stores as plain dictionaries, with check-and-set, outages and faults."""

from collections.abc import Callable
from datetime import datetime
from random import Random

from tests.simulation.outages import Outages
from worker.account_ledger import AccountLedger, VersionedLedger
from worker.errors import CasConflictError, VaultUnavailableError
from worker.journal import Journal, VersionedJournal
from worker.models import ConsumersPath, PathContent, PathLocation, ServedDocument, WriteReceipt
from worker.ports import Clock

_EMPTY = ConsumersPath(0, None, PathContent.EMPTY)


class SimulatedVault:
    """`consumers`, `journals` and `accounts` behind one outage.

    Args:
        clock: dates every version.
        random: draws faults.
        outages: when nothing is answered.
        on_journal: told of each journal write that landed.
        on_ledger: told of each account ledger write that landed, with what was there before.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        random: Random,
        outages: Outages,
        on_journal: Callable[[Journal], None],
        on_ledger: Callable[[AccountLedger, AccountLedger], None],
    ) -> None:
        self._clock = clock
        self._random = random
        self._outages = outages
        self.fault_share = 0.001
        self.consumers = SimulatedConsumers(self)
        self.journals = SimulatedJournals(self, on_journal)
        self.accounts = SimulatedLedgers(self, on_ledger)

    def away(self) -> bool:
        """Whether Vault answers nobody now."""
        return self._outages.at(self._clock.now())

    def arrive(self) -> datetime:
        """Return the time, or raise VaultUnavailableError."""
        now = self._clock.now()
        if self._outages.at(now) or self._random.random() < self.fault_share:
            raise VaultUnavailableError("Vault does not answer")
        return now


class SimulatedConsumers:
    """`worker.ports.ConsumersStore`."""

    def __init__(self, vault: SimulatedVault) -> None:
        self._vault = vault
        self.paths: dict[PathLocation, ConsumersPath] = {}
        self.older: dict[PathLocation, dict[int, ServedDocument]] = {}

    def read(self, location: PathLocation) -> ConsumersPath:
        self._vault.arrive()
        return self.peek(location)

    def peek(self, location: PathLocation) -> ConsumersPath:
        """Return what is there, whether or not Vault answers."""
        return self.paths.get(location, _EMPTY)

    def write(self, location: PathLocation, document: ServedDocument, *, cas: int) -> WriteReceipt:
        return self._write(location, document, PathContent.DOCUMENT, cas)

    def write_tombstone(self, location: PathLocation, *, cas: int) -> WriteReceipt:
        return self._write(location, None, PathContent.TOMBSTONE, cas)

    def find(self, location: PathLocation, token_id: str) -> ServedDocument | None:
        self._vault.arrive()
        latest = self.peek(location).document
        if latest is not None and latest.token_id == token_id:
            return latest
        older = self.older.get(location, {})
        return next((older[one] for one in sorted(older, reverse=True) if older[one].token_id == token_id), None)

    def destroy_secret(self, location: PathLocation, token_id: str) -> tuple[int, ...]:
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
            self.older.setdefault(location, {})[before.version] = before.document
        self.paths[location] = ConsumersPath(cas + 1, now, content, document)
        return WriteReceipt(cas + 1, now)


class SimulatedJournals:
    """`worker.ports.JournalStore`."""

    def __init__(self, vault: SimulatedVault, told: Callable[[Journal], None]) -> None:
        self._vault = vault
        self._told = told
        self.stored: dict[PathLocation, VersionedJournal] = {}

    def read(self, location: PathLocation) -> VersionedJournal | None:
        self._vault.arrive()
        return self.stored.get(location)

    def write(self, location: PathLocation, journal: Journal, *, cas: int) -> VersionedJournal:
        self._vault.arrive()
        before = self.stored.get(location)
        if (before.version if before else 0) != cas:
            raise CasConflictError(f"the journal of {location} moved on from version {cas}")
        self.stored[location] = VersionedJournal(cas + 1, journal)
        self._told(journal)
        return self.stored[location]

    def server_time(self) -> datetime:
        return self._vault.arrive().replace(microsecond=0)


class SimulatedLedgers:
    """`worker.ports.AccountLedgers`."""

    def __init__(self, vault: SimulatedVault, told: Callable[[AccountLedger, AccountLedger], None]) -> None:
        self._vault = vault
        self._told = told
        self.stored: dict[str, VersionedLedger] = {}

    def read(self, account: str) -> VersionedLedger:
        self._vault.arrive()
        return self.peek(account)

    def peek(self, account: str) -> VersionedLedger:
        """Return what is there, whether or not Vault answers."""
        return self.stored.get(account) or VersionedLedger(0, AccountLedger(account=account))

    def write(self, ledger: AccountLedger, *, cas: int) -> VersionedLedger:
        self._vault.arrive()
        return self.put(ledger, cas=cas)

    def put(self, ledger: AccountLedger, *, cas: int) -> VersionedLedger:
        """Write as `write` does, but never fail by chance: a person tries again."""
        before = self.peek(ledger.account)
        if before.version != cas:
            raise CasConflictError(f"the ledger of {ledger.account} moved on from version {cas}")
        self.stored[ledger.account] = VersionedLedger(cas + 1, ledger)
        self._told(before.ledger, ledger)
        return self.stored[ledger.account]
