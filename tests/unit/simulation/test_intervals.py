"""Intervals: the moments that lie in any of some stretches of time."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sandbox.simulation.fleet import BEGIN
from sandbox.simulation.intervals import Intervals, union


def at(minutes: int) -> datetime:
    return BEGIN + timedelta(minutes=minutes)


PAIRS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6)


def built(pairs: list[tuple[int, int]]) -> Intervals:
    return Intervals((at(start), at(until)) for start, until in pairs)


@given(PAIRS, st.integers(0, 60))
def test_a_moment_lies_in_them_if_it_lies_in_any_of_those_given(pairs: list[tuple[int, int]], minute: int) -> None:
    assert built(pairs).at(at(minute)) is any(start <= minute < until for start, until in pairs)


@given(PAIRS, st.integers(0, 30), st.integers(30, 60))
def test_what_they_cover_counts_each_moment_once(pairs: list[tuple[int, int]], first: int, last: int) -> None:
    covered = sum(any(start <= one < until for start, until in pairs) for one in range(first, last))
    assert built(pairs).within(at(first), at(last)) == timedelta(minutes=covered)


@given(PAIRS, st.integers(0, 60), st.integers(0, 60))
def test_adding_one_is_the_same_as_having_been_given_it(pairs: list[tuple[int, int]], start: int, until: int) -> None:
    added = built(pairs)
    added.add(at(start), at(until))
    assert added.all == built([*pairs, (start, until)]).all


def test_the_end_at_a_moment_is_that_of_everything_that_touches() -> None:
    assert Intervals([(at(1), at(5)), (at(5), at(9))]).end_at(at(2)) == at(9)


def test_there_is_no_end_outside_of_them() -> None:
    assert Intervals([(at(1), at(5))]).end_at(at(5)) is None


@given(PAIRS, PAIRS)
def test_a_union_holds_the_moments_of_each(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    assert union([built(first), built(second)]).all == built([*first, *second]).all
