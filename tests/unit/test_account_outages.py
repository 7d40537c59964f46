"""The last outage in the account ledger: a silence during it proves nothing about a token."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.build import NOON
from worker.account_ledger import AccountLedger, end_outage, note_outage, quiet_since

EMPTY = AccountLedger(account="main")
minutes = st.integers(0, 600).map(lambda count: timedelta(minutes=count))
reads = st.lists(st.booleans(), max_size=80)


def read(answers: list[bool]) -> AccountLedger:
    """Return the ledger after one read a minute from noon on, each answered or not."""
    ledger = EMPTY
    for minute, answered in enumerate(answers):
        step = end_outage if answered else note_outage
        ledger = step(ledger, NOON + timedelta(minutes=minute))
    return ledger


def test_an_outage_lasts_from_the_first_read_that_failed_to_the_first_that_did_not() -> None:
    outage = read([True, False, False, True, True]).outage
    assert outage is not None
    assert (outage.since, outage.until) == (NOON + timedelta(minutes=1), NOON + timedelta(minutes=3))


def test_an_outage_that_goes_on_is_written_once() -> None:
    assert read([False, False, False]).sequence == 1


def test_a_new_outage_takes_the_place_of_the_one_before() -> None:
    outage = read([False, True, True, False]).outage
    assert outage is not None
    assert (outage.since, outage.until) == (NOON + timedelta(minutes=3), None)


def test_quiet_counts_from_the_end_of_the_outage_and_not_from_the_use_before_it() -> None:
    ledger = read([True, False, True])
    assert quiet_since(ledger, NOON, NOON + timedelta(hours=1)) == NOON + timedelta(minutes=2)


def test_nothing_is_quiet_during_an_outage() -> None:
    now = NOON + timedelta(hours=5)
    assert quiet_since(read([False]), NOON, now) == now


@given(answers=reads, last=minutes, later=minutes)
def test_an_outage_never_makes_a_token_look_quiet_for_longer(
    answers: list[bool], last: timedelta, later: timedelta
) -> None:
    use = NOON + last
    assert quiet_since(read(answers), use, use + later) >= use


@given(answers=reads)
def test_without_an_outage_quiet_counts_from_the_last_use(answers: list[bool]) -> None:
    if all(answers):
        assert quiet_since(read(answers), NOON, NOON + timedelta(days=1)) == NOON
