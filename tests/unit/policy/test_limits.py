"""What nears the size of one entry in Vault is told long before nothing can be written any more."""

import pytest

from tests.build import NOON, account, ago, facts, journal, record, served
from worker.account_ledger import AccountLedger, Baseline
from worker.journal import JOURNAL_LIMIT_BYTES, RecordState
from worker.policy.limits import MOST_LISTED
from worker.policy.plan import plan_flags
from worker.policy.steps import Reason

CURRENT = record(1, RecordState.CURRENT, promoted=ago(days=1))


def told(ledger: AccountLedger | None = None, *, labels: int = 0) -> list[tuple[Reason, str]]:
    past = tuple(f"mm/{'x' * 20}{number:06}" for number in range(labels))
    one = facts(journal(CURRENT, past_labels=past), served(1))
    plan = plan_flags(account(one, ledger=ledger, tokens=None), NOON)
    return [(step.reason, step.credential) for step in plan.steps if step.reason is Reason.NEAR_LIMIT]


def listing(tokens: int) -> AccountLedger:
    baseline = Baseline(token_ids=tuple(f"t{number}" for number in range(tokens)), at=ago(hours=1))
    return AccountLedger(account="main", baseline=baseline)


@pytest.mark.parametrize("tokens, expected", [(MOST_LISTED, []), (MOST_LISTED + 1, [(Reason.NEAR_LIMIT, "")])])
def test_an_account_with_more_listed_tokens_than_that_is_told(tokens: int, expected: list[tuple[Reason, str]]) -> None:
    assert told(listing(tokens)) == expected


@pytest.mark.parametrize("share, expected", [(0.6, []), (0.8, [(Reason.NEAR_LIMIT, "mm")])])
def test_a_journal_that_nears_its_limit_is_told(share: float, expected: list[tuple[Reason, str]]) -> None:
    bytes_of_a_label = 32
    assert told(labels=int(share * JOURNAL_LIMIT_BYTES / bytes_of_a_label)) == expected


def test_a_journal_of_ordinary_size_is_not_told() -> None:
    assert told() == []
