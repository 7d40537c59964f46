"""What a journal makes of a token that left its path: grace only ever begins later."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Policy
from tests.build import NOON, ago, intent, journal, record
from worker.journal import RecordState, abandon, note_departure
from worker.models import Departure
from worker.policy.departures import why_held

spans = st.timedeltas(timedelta(0), timedelta(days=60))
ORPHAN, SUPERSEDED, REVOKING = RecordState.ABANDONED, RecordState.SUPERSEDED, RecordState.REVOKING


def left(at: timedelta, version: int = 6) -> Departure:
    return Departure(version, served_at=NOON - at - timedelta(hours=1), left_at=NOON - at)


@given(superseded=spans, gone=spans)
def test_noting_a_departure_never_makes_a_grace_shorter(superseded: timedelta, gone: timedelta) -> None:
    before = journal(record(1, SUPERSEDED, promoted=ago(days=90), superseded=NOON - superseded))
    noted = note_departure(before, left(gone), token_id="t1", label="mm/r1").record_of("t1")
    assert noted is not None
    assert noted.superseded_at == NOON - min(superseded, gone)


@given(gone=spans)
def test_noting_it_again_changes_nothing(gone: timedelta) -> None:
    once = note_departure(journal(record(1, ORPHAN)), left(gone), token_id="t1", label="mm/r1")
    assert note_departure(once, left(gone), token_id="t1", label="mm/r1") == once


@pytest.mark.parametrize("state", [RecordState.CURRENT, RecordState.REVOKED])
def test_a_token_that_is_current_or_ended_stays_what_it_is(state: RecordState) -> None:
    before = journal(record(1, state))
    assert note_departure(before, left(timedelta(hours=1)), token_id="t1", label="mm/r1") == before


def test_a_marked_token_stays_marked() -> None:
    noted = note_departure(journal(record(1, REVOKING)), left(timedelta(hours=1)), token_id="t1", label="mm/r1")
    assert [(one.state, one.superseded_at) for one in noted.ledger] == [(REVOKING, ago(hours=1))]


def test_a_token_without_a_record_gets_one_that_can_end() -> None:
    noted = note_departure(journal(), left(timedelta(hours=1)), token_id="t1", label="mm/r1")
    (found,) = noted.ledger
    assert (found.state, found.label, found.rotation_id) == (SUPERSEDED, "mm/r1", "r1")
    assert found.derived_at is not None


def test_an_attempt_that_was_served_is_superseded_no_earlier_than_it_was_staged() -> None:
    open_one = journal(intent=intent(9, opened=ago(minutes=5), staged=True))
    given_up = abandon(open_one, reason="fenced", now=NOON, departure=left(timedelta(hours=25)))
    assert [(one.state, one.superseded_at) for one in given_up.ledger] == [(SUPERSEDED, ago(minutes=5))]


@given(gone=spans)
def test_a_token_is_held_exactly_for_its_grace(gone: timedelta) -> None:
    held = why_held(left(gone), "mm/r1", Policy(), NOON)
    assert (held is not None) is (gone < Policy().grace)


def test_a_token_that_is_at_the_path_is_held() -> None:
    assert why_held(Departure(6, served_at=ago(days=30), left_at=None), "mm/r1", Policy(), NOON)


def test_a_token_that_no_version_held_is_not() -> None:
    assert why_held(None, "mm/r1", Policy(), NOON) is None
