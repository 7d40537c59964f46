"""What stood in the way is known without asking the worker."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from config.schema import Freeze
from sandbox.simulation.fleet import BEGIN, DAY, HOUR
from sandbox.simulation.intervals import Intervals
from sandbox.simulation.truth import Halt, Truth, freeze_intervals, local_times


def truth(**more: Intervals) -> Truth:
    return Truth(
        vault=more.get("vault", Intervals()),
        exchange=more.get("exchange", Intervals()),
        sluggish={"desk": Intervals()},
        frozen={"desk": more.get("frozen", Intervals())},
    )


@pytest.mark.parametrize(
    "day, hour", [(datetime(2026, 3, 28, tzinfo=UTC), 2), (datetime(2026, 3, 29, tzinfo=UTC), 1)], ids=["before", "on"]
)
def test_a_local_hour_moves_with_daylight_saving(day: datetime, hour: int) -> None:
    assert day.replace(hour=hour) in set(local_times("Europe/Berlin", 3, days=120))


def test_local_times_of_a_weekday_are_seven_days_apart_but_for_daylight_saving() -> None:
    found = list(local_times("Asia/Tokyo", 3, days=90, weekday=6))
    assert {after - before for before, after in pairwise(found)} == {7 * DAY}


def test_the_weekly_freeze_begins_friday_noon_in_new_york() -> None:
    freeze = Freeze(reason="expiry", schedule="0 12 * * FRI", timezone="America/New_York", duration=4 * HOUR)
    assert (datetime(2026, 1, 9, 17, tzinfo=UTC), datetime(2026, 1, 9, 21, tzinfo=UTC)) in freeze_intervals(
        freeze, days=30
    )


def test_time_in_which_two_things_stand_in_the_way_counts_once() -> None:
    world = truth(vault=Intervals([(BEGIN, BEGIN + 2 * HOUR)]), exchange=Intervals([(BEGIN + HOUR, BEGIN + 3 * HOUR)]))
    assert world.held("desk", "mm", BEGIN, BEGIN + DAY) == 3 * HOUR


def test_a_pause_without_an_end_holds_until_now() -> None:
    world = truth()
    world.pauses.append(Halt("desk", None, BEGIN))
    assert world.held("desk", "mm", BEGIN, BEGIN + DAY) == DAY


def test_a_pause_of_one_credential_does_not_hold_another() -> None:
    world = truth()
    world.pauses.append(Halt("desk", "mm", BEGIN))
    assert not world.is_paused("desk", "taker", BEGIN + HOUR)


def test_a_freeze_is_no_excuse_where_freezes_do_not_count() -> None:
    world = truth(frozen=Intervals([(BEGIN, BEGIN + DAY)]))
    assert world.held("desk", "mm", BEGIN, BEGIN + DAY, freezes=False) == timedelta()


def test_the_way_is_free_when_the_last_of_several_things_in_a_row_is_over() -> None:
    world = truth(
        vault=Intervals([(BEGIN, BEGIN + 2 * HOUR)]), frozen=Intervals([(BEGIN + 2 * HOUR, BEGIN + 5 * HOUR)])
    )
    assert world.free_at("desk", "mm", BEGIN + HOUR) == BEGIN + 5 * HOUR
