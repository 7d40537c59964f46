"""The journals, as `worker.ports.JournalStore`."""

from datetime import datetime

from worker.journal import Journal, VersionedJournal
from worker.models import PathLocation
from worker.vault.documents import journal_data, parse_journal
from worker.vault.kv import Kv

_MAX_VERSIONS = 1  # an older journal would keep a secret that was staged in it


class VaultJournals:
    """`worker.ports.JournalStore` on KV v2, on a mount that the worker alone can read.

    Args:
        kv: the engine.
        mount: the journals' mount.
        prefix: the folder in it.
    """

    def __init__(self, *, kv: Kv, mount: str, prefix: str) -> None:
        self._kv = kv
        self._mount = mount
        self._prefix = prefix

    def journal_location(self, location: PathLocation) -> PathLocation:
        """Return where the journal of that consumers' path lives."""
        return PathLocation(self._mount, f"{self._prefix}/{location.mount}/{location.path}")

    def read(self, location: PathLocation) -> VersionedJournal | None:
        """Return the journal of that consumers' path; see `worker.ports.JournalStore.read`.

        Raises VaultDocumentError when it was deleted, is damaged or was written by another release.
        """
        where = self.journal_location(location)
        latest = self._kv.read(where)
        if latest is None:
            return None
        return VersionedJournal(version=latest.version, journal=parse_journal(latest.data, where))

    def write(self, location: PathLocation, journal: Journal, *, cas: int) -> VersionedJournal:
        """Write the journal as the version after `cas`; see `worker.ports.JournalStore.write`."""
        where = self.journal_location(location)
        receipt = self._kv.write(where, journal_data(journal), cas=cas, max_versions=_MAX_VERSIONS)
        return VersionedJournal(version=receipt.version, journal=journal)

    def server_time(self) -> datetime:
        """Return Vault's own clock (whole seconds), or raise TransientError."""
        return self._kv.server_time()
