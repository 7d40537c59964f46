"""Where an account ledger is, and whose it may be."""

import pytest

from config.schema import VaultLayout
from tests.fakes.clock import FakeClock
from tests.fakes.vault import FakeVault
from worker.account_ledger import AccountLedger
from worker.errors import VaultDocumentError
from worker.models import PathLocation
from worker.vault.documents import account_ledger_data


def test_a_copy_of_another_accounts_ledger_is_refused() -> None:
    vault, layout = FakeVault(clock=FakeClock()), VaultLayout()
    there = PathLocation(layout.journal_mount, f"{layout.account_prefix}/main")
    vault.kv.write(there, account_ledger_data(AccountLedger(account="partner")), cas=0, max_versions=10)

    with pytest.raises(VaultDocumentError, match="'partner'"):
        vault.accounts.read("main")
