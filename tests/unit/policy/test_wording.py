"""How durations read in a sentence."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.policy.wording import span


@pytest.mark.parametrize(
    "duration, words",
    [
        (timedelta(), "0 s"),
        (timedelta(seconds=20), "20 s"),
        (timedelta(minutes=1, seconds=5), "1 min 5 s"),
        (timedelta(days=7, hours=3, minutes=9), "7 d 3 h"),
        (timedelta(days=1, seconds=1), "1 d 1 s"),
        (-timedelta(minutes=2), "-2 min"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(duration: timedelta, words: str) -> None:
    assert span(duration) == words


@given(st.timedeltas(min_value=timedelta(days=-4000), max_value=timedelta(days=4000)))
def test_a_span_never_has_more_than_two_units(duration: timedelta) -> None:
    assert len(span(duration).split()) in {2, 4}
