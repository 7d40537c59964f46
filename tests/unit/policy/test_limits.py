"""What nears the size of one entry in Vault is told long before nothing can be written any more."""

import json
from uuid import UUID

import pytest

from tests.build import NOON, account, ago, facts, journal, record, served
from worker.account_ledger import AccountLedger, Baseline, Suspicion
from worker.journal import JOURNAL_LIMIT_BYTES, RecordState
from worker.policy.limits import ENTRY_BYTES
from worker.policy.plan import plan_flags
from worker.policy.steps import Reason
from worker.vault.documents import account_ledger_data

CURRENT = record(1, RecordState.CURRENT, promoted=ago(days=1))


def told(ledger: AccountLedger | None = None, *, labels: int = 0) -> list[tuple[Reason, str]]:
    past = tuple(f"mm/{'x' * 20}{number:06}" for number in range(labels))
    one = facts(journal(CURRENT, past_labels=past), served(1))
    plan = plan_flags(account(one, ledger=ledger, tokens=None), NOON)
    return [(step.reason, step.credential) for step in plan.steps if step.reason is Reason.NEAR_LIMIT]


def listing(tokens: int) -> AccountLedger:
    """Return a ledger whose last list had so many tokens, with ids as long as a UUID."""
    baseline = Baseline(token_ids=tuple(str(UUID(int=number)) for number in range(tokens)), at=ago(hours=1))
    return AccountLedger(account="main", baseline=baseline)


def test_an_account_is_told_while_a_doubted_list_still_fits_beside_the_believed_one() -> None:
    last_that_is_not_told = next(count for count in range(1_000, 30_000, 500) if told(listing(count)))
    ids = listing(last_that_is_not_told).baseline
    assert ids is not None
    doubt = Suspicion(token_ids=ids.token_ids, first_at=NOON, lost=9, sentence="x" * 300)
    both = listing(last_that_is_not_told).model_copy(update={"suspicion": doubt})
    assert 0.6 * ENTRY_BYTES < len(json.dumps(account_ledger_data(both))) < 0.9 * ENTRY_BYTES


def test_an_account_of_ordinary_size_is_not_told() -> None:
    assert told(listing(5_000)) == []


@pytest.mark.parametrize("share, expected", [(0.6, []), (0.8, [(Reason.NEAR_LIMIT, "mm")])])
def test_a_journal_that_nears_its_limit_is_told(share: float, expected: list[tuple[Reason, str]]) -> None:
    bytes_of_a_label = 32
    assert told(labels=int(share * JOURNAL_LIMIT_BYTES / bytes_of_a_label)) == expected


def test_a_journal_of_ordinary_size_is_not_told() -> None:
    assert told() == []
