"""Outages in the account ledger: time in which nobody could use a token proves nothing about it."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.build import NOON
from worker.account_ledger import KEPT_OUTAGES, AccountLedger, end_outage, note_outage, outage_within

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
    ledger = read([True, False, False, True, True])
    (outage,) = ledger.outages
    assert (outage.since, outage.until) == (NOON + timedelta(minutes=1), NOON + timedelta(minutes=3))


def test_an_outage_that_goes_on_is_written_once() -> None:
    assert read([False, False, False]).sequence == 1


def test_an_outage_that_lasts_counts_up_to_now() -> None:
    ledger = read([False])
    assert outage_within(ledger, NOON - timedelta(hours=1), NOON + timedelta(hours=2)) == timedelta(hours=2)


def test_only_what_lies_within_the_time_counts() -> None:
    ledger = read([False] * 10 + [True])
    within = outage_within(ledger, NOON + timedelta(minutes=5), NOON + timedelta(minutes=8))
    assert within == timedelta(minutes=3)


def test_only_the_latest_outages_are_kept() -> None:
    assert len(read([False, True] * (KEPT_OUTAGES + 5)).outages) == KEPT_OUTAGES


@given(answers=reads, start=minutes, length=minutes)
def test_an_outage_never_fills_more_than_the_time_it_is_asked_about(
    answers: list[bool], start: timedelta, length: timedelta
) -> None:
    begin = NOON + start
    assert timedelta() <= outage_within(read(answers), begin, begin + length) <= length


@given(answers=reads)
def test_outages_do_not_overlap_and_at_most_the_last_one_goes_on(answers: list[bool]) -> None:
    outages = read(answers).outages
    ends = [one.until for one in outages[:-1]]
    assert None not in ends
    assert all(end <= following.since for end, following in zip(ends, outages[1:], strict=True) if end is not None)
