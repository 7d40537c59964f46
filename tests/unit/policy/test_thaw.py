"""What fell due in a freeze is rotated one after the other once it is over."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Freeze, Policy
from tests.build import NOON, ago, facts, journal, record, served, state
from worker.account_ledger import AccountLedger, OrderedFreeze
from worker.account_orders import unfreeze
from worker.journal import RecordState
from worker.policy.due import judge_due
from worker.policy.facts import CredentialFacts
from worker.policy.rotation import plan_rotation
from worker.policy.steps import Action, Reason
from worker.policy.thaw import turn_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CURRENT = RecordState.CURRENT


def configured(start: datetime, until: datetime, **more: object) -> Freeze:
    return Freeze.model_validate({"reason": "election", "start": start, "until": until, **more})


def named(name: str, *freezes: Freeze, promoted: datetime, ledger: AccountLedger | None = None) -> CredentialFacts:
    """Return the facts of a credential of that name, with a spread of a tenth."""
    one = facts(journal(record(1, CURRENT, promoted=promoted), credential=name), served(1), policy=Policy())
    credential = one.credential.model_copy(update={"name": name})
    return replace(one, credential=credential, state=state(ledger, *freezes))


NAMES = [f"bot-{number}" for number in range(200)]
FROZEN = configured(ago(days=3), ago(hours=1))
WITHIN = ago(days=2)


def turns(names: list[str], *freezes: Freeze, due_at: datetime = WITHIN) -> list[datetime]:
    return [turn_of(named(name, *freezes, promoted=ago(days=9)), due_at, NOON) for name in names]


def test_what_fell_due_in_a_freeze_is_spread_over_a_tenth_of_its_length_after_its_end() -> None:
    length = timedelta(days=3) - HOUR
    later = [one - ago(hours=1) for one in turns(NAMES, FROZEN)]
    assert min(later) >= timedelta()
    assert max(later) <= length / 10
    assert max(later) - min(later) > length / 10 * 0.9


def test_no_hour_of_the_spread_sees_a_stampede() -> None:
    hours = [int((one - ago(hours=1)) / (timedelta(days=3) / 10) * 10) for one in turns(NAMES, FROZEN)]
    assert max(hours.count(one) for one in range(10)) < len(NAMES) / 4


def test_a_credential_has_the_same_turn_each_time() -> None:
    assert turns(NAMES, FROZEN) == turns(NAMES, FROZEN)


@pytest.mark.parametrize("due_at", [ago(days=4), ago(minutes=30)])
def test_what_fell_due_outside_of_the_freeze_waits_for_nothing(due_at: datetime) -> None:
    assert turns(NAMES, FROZEN, due_at=due_at) == [due_at] * len(NAMES)


def test_a_freeze_of_other_accounts_spreads_nothing() -> None:
    other = configured(ago(days=3), ago(hours=1), accounts=("other",))
    assert turns(["mm"], other) == [ago(days=2)]


def test_a_freeze_that_is_not_over_spreads_nothing_yet() -> None:
    assert turns(["mm"], configured(ago(days=3), NOON + HOUR)) == [ago(days=2)]


def test_freezes_that_follow_on_each_other_count_as_one() -> None:
    first, second = configured(ago(days=3), ago(days=1)), configured(ago(days=1, hours=1), ago(hours=1))
    assert turns(NAMES, first, second) == turns(NAMES, FROZEN)


def test_a_recurring_freeze_spreads_what_fell_due_the_last_time() -> None:
    nightly = Freeze.model_validate({"reason": "night", "schedule": "0 2 * * *", "duration": "8h"})
    (turn,) = turns(["mm"], nightly, due_at=NOON.replace(hour=3))
    end = NOON.replace(hour=10)
    assert end <= turn <= end + timedelta(hours=8) / 10


def test_a_freeze_that_a_person_lifted_spreads_what_fell_due_in_it_too() -> None:
    ordered = OrderedFreeze(since=ago(days=3), until=NOON + 9 * DAY, by="ann", reason="upgrade")
    ledger = unfreeze(AccountLedger(account="main", freezes=(ordered,)), ago(hours=1))
    found = [turn_of(named(name, promoted=ago(days=9), ledger=ledger), ago(days=2), NOON) for name in NAMES]
    assert found == turns(NAMES, FROZEN)


def test_a_credential_whose_turn_has_not_come_waits_and_says_for_how_long() -> None:
    waiting = [one for one in NAMES if turns([one], FROZEN)[0] > NOON]
    plan = plan_rotation(named(waiting[0], FROZEN, promoted=ago(days=9)), NOON)
    (hold,) = plan.holds
    assert (plan.steps, hold.reason, "fell due in a freeze" in hold.sentence) == ((), Reason.NOT_DUE, True)


def test_a_credential_whose_turn_has_come_is_rotated() -> None:
    ready = next(one for one in NAMES if turns([one], FROZEN)[0] <= NOON)
    plan = plan_rotation(named(ready, FROZEN, promoted=ago(days=9)), NOON)
    assert plan.steps[0].action is Action.MINT


def test_what_is_past_max_age_waits_for_no_turn() -> None:
    waiting = next(one for one in NAMES if turns([one], FROZEN)[0] > NOON)
    plan = plan_rotation(named(waiting, FROZEN, promoted=ago(days=15)), NOON)
    assert plan.steps[0].reason is Reason.OVERDUE


def test_a_request_waits_for_no_turn() -> None:
    waiting = next(one for one in NAMES if turns([one], FROZEN)[0] > NOON)
    plan = plan_rotation(named(waiting, FROZEN, promoted=ago(days=9)), NOON, requested_at=NOON)
    assert plan.steps[0].reason is Reason.REQUESTED


@given(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.integers(-200, 20), st.integers(1, 100)), max_size=4),
    st.integers(-150, 0),
)
def test_a_turn_is_never_before_the_date_and_never_later_than_the_freezes_and_their_spread(
    name: str, intervals: list[tuple[int, int]], due: int
) -> None:
    freezes = [configured(NOON + at * HOUR, NOON + (at + length) * HOUR) for at, length in intervals]
    due_at = NOON + due * HOUR
    turn = turn_of(named(name, *freezes, promoted=ago(days=9)), due_at, NOON)
    over = [one.until for one in freezes if one.until is not None and one.until <= NOON]
    assert due_at <= turn <= max([due_at, *over]) + sum((length for _, length in intervals), 0) * HOUR / 10


def test_what_is_due_by_a_schedule_is_not_spread() -> None:
    one = named("mm", FROZEN, promoted=ago(days=9))
    policy = Policy(rotation_schedule="0 2 * * *", rotation_window=timedelta(hours=4))
    one = replace(one, credential=one.credential.model_copy(update={"policy": policy}))
    assert turn_of(one, WITHIN, NOON) == WITHIN


def test_the_due_date_itself_has_its_spread_as_ever() -> None:
    one = named("mm", promoted=ago(days=9))
    verdict = judge_due("mm", one.credential.policy, ago(days=9), NOON)
    assert turn_of(one, verdict.next_at, NOON) == verdict.next_at
