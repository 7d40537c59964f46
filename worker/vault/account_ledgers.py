"""The account ledgers, as `worker.ports.AccountLedgers`."""

from worker.account_ledger import AccountLedger, VersionedLedger
from worker.errors import VaultDocumentError
from worker.models import PathLocation
from worker.vault.documents import account_ledger_data, parse_account_ledger
from worker.vault.kv import Kv

_MAX_VERSIONS = 10  # no secret is in them, and a few old ones show what changed


class VaultAccountLedgers:
    """`worker.ports.AccountLedgers` on KV v2, beside the journals.

    Args:
        kv: the engine.
        mount: the journals' mount.
        prefix: the folder in it.
    """

    def __init__(self, *, kv: Kv, mount: str, prefix: str) -> None:
        self._kv = kv
        self._mount = mount
        self._prefix = prefix

    def read(self, account: str) -> VersionedLedger:
        """Return the account's ledger; see `worker.ports.AccountLedgers.read`.

        Raises VaultDocumentError when it was deleted, is damaged, belongs to another account or was written by another
        release.
        """
        where = self._location(account)
        latest = self._kv.read(where)
        if latest is None:
            return VersionedLedger(0, AccountLedger(account=account))
        ledger = parse_account_ledger(latest.data, where)
        if ledger.account != account:
            # It is written where it says that it belongs: a copy would be taken for the original from then on.
            raise VaultDocumentError(
                f"The account ledger at {where} is that of account {ledger.account!r:.80}. Put back what was there; "
                f"until then nothing is derived or revoked for account {account}."
            )
        return VersionedLedger(latest.version, ledger)

    def write(self, ledger: AccountLedger, *, cas: int) -> VersionedLedger:
        """Write the ledger as the version after `cas`; see `worker.ports.AccountLedgers.write`."""
        where = self._location(ledger.account)
        receipt = self._kv.write(where, account_ledger_data(ledger), cas=cas, max_versions=_MAX_VERSIONS)
        return VersionedLedger(receipt.version, ledger)

    def _location(self, account: str) -> PathLocation:
        return PathLocation(self._mount, f"{self._prefix}/{account}")
