"""A journal in the past differs from the original by its times alone."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from sandbox.chaos.past import moved_into_the_past
from tests.build import ago, journal, record
from worker.journal import RecordState

TWO = journal(
    record(1, RecordState.SUPERSEDED, promoted=ago(hours=2), superseded=ago(hours=1)),
    record(2, RecordState.CURRENT, promoted=ago(hours=1)),
)


@given(by=st.timedeltas(timedelta(0), timedelta(days=400)))
def test_every_time_moves_by_the_same_span(by: timedelta) -> None:
    for before, after in zip(TWO.ledger, moved_into_the_past(TWO, by).ledger, strict=True):
        assert before.promoted_at is not None
        assert after.promoted_at == before.promoted_at - by
        assert after.windows[0].opened_at == before.windows[0].opened_at - by
        assert after.superseded_at == (before.superseded_at and before.superseded_at - by)


@given(by=st.timedeltas(timedelta(0), timedelta(days=400)))
def test_nothing_else_changes_but_the_count_of_writes(by: timedelta) -> None:
    there_and_back = moved_into_the_past(moved_into_the_past(TWO, by), -by)
    assert there_and_back == TWO.model_copy(update={"sequence": TWO.sequence + 2})
