from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import START, FakeClock


@given(st.lists(st.integers(0, 10**6), max_size=10))
def test_sleeping_moves_both_clocks_by_what_was_slept(naps: list[int]) -> None:
    clock = FakeClock()
    for seconds in naps:
        clock.sleep(seconds)
    assert clock.now() - START == timedelta(seconds=sum(naps))
    assert clock.monotonic() == sum(naps)
    assert clock.slept == naps


@given(st.timedeltas(timedelta(0), timedelta(days=1000)))
def test_advancing_moves_both_clocks(by: timedelta) -> None:
    clock = FakeClock()
    clock.advance(by)
    assert (clock.now() - START, clock.monotonic()) == (by, by.total_seconds())


@given(st.timedeltas(timedelta(days=-1000), timedelta(days=1000)))
def test_a_step_moves_the_wall_clock_alone(by: timedelta) -> None:
    clock = FakeClock()
    clock.step(by)
    assert (clock.now() - START, clock.monotonic()) == (by, 0.0)


def test_time_does_not_run_backwards() -> None:
    clock = FakeClock()
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(timedelta(seconds=-1))
    with pytest.raises(ValueError, match="negative"):
        clock.sleep(-1)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone-aware"):
        FakeClock(datetime(2026, 1, 1))  # noqa: DTZ001 - that it is refused is the test
