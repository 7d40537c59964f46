"""When a credential is due: period, spread, schedule, window, hard limit, and what daylight saving does to them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Policy
from tests.build import NOON, ago, record
from worker.journal import RecordState
from worker.policy.due import age_of, is_overdue, judge_due, last_time, next_time, spread_of

WEEK = timedelta(days=7)
MINUTE = timedelta(minutes=1)
ZONES = ("UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
SCHEDULES = (
    "0 3 * * *",
    "30 2 * * *",  # in the gap of New York, in the overlap of neither of its neighbours
    "30 1 * * *",  # in the overlap of New York, in the gap and the overlap of London
    "15 2 * * *",  # in the gap of Lord Howe, which is half an hour wide
    "45 1 * * *",  # in its overlap
    "0 */6 * * *",
    "30 2 * * 0",
    "0 4 1 * *",
)
zones = st.sampled_from(ZONES)
schedules = st.sampled_from(SCHEDULES)
moments = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zone given


def nightly(**more: object) -> Policy:
    fields: dict[str, object] = {"rotation_period": None, "rotation_schedule": "0 3 * * *", **more}
    return Policy.model_validate(fields)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- by period ------------------------------------------------------------------------------------------------------


@given(name=st.text(min_size=1, max_size=40), spread=st.floats(0, 0.5), late=st.timedeltas(timedelta(), WEEK))
def test_a_credential_is_due_at_its_period_at_the_latest_and_stays_due(
    name: str, spread: float, late: timedelta
) -> None:
    assert judge_due(name, Policy(spread=spread), NOON, NOON + WEEK + late).due


@given(name=st.text(min_size=1, max_size=40), spread=st.floats(0, 0.5))
def test_a_credential_is_never_due_earlier_than_its_spread_allows(name: str, spread: float) -> None:
    verdict = judge_due(name, Policy(spread=spread), NOON, NOON)
    assert NOON + WEEK - spread * WEEK - timedelta(milliseconds=1) <= verdict.next_at <= NOON + WEEK


def test_without_spread_a_credential_is_due_exactly_at_its_period() -> None:
    assert judge_due("mm", Policy(spread=0), NOON, NOON).next_at == NOON + WEEK


@given(name=st.text(min_size=1, max_size=40), times=st.tuples(moments, moments))
def test_the_spread_of_a_credential_is_the_same_at_every_time(name: str, times: tuple[datetime, datetime]) -> None:
    offsets = {judge_due(name, Policy(), promoted, promoted).next_at - promoted for promoted in times}
    assert len(offsets) == 1


def test_the_spread_of_many_credentials_fills_its_whole_width_evenly() -> None:
    tenths = [int(spread_of(f"credential-{number}", WEEK) / WEEK * 10) for number in range(1000)]
    assert all(60 <= tenths.count(tenth) <= 140 for tenth in range(10))


def test_two_hundred_credentials_of_one_first_start_do_not_fall_due_in_one_minute() -> None:
    due = [judge_due(f"mm-{number}", Policy(), NOON, NOON).next_at for number in range(200)]
    assert max(sum(abs(one - other) < MINUTE for other in due) for one in due) <= 4


# --- by schedule ----------------------------------------------------------------------------------------------------

SCHEDULED = [
    ("before the first time since its promotion", "2026-06-01 04:00", "2026-06-02 02:59", nightly(), False),
    ("at the very time", "2026-06-01 04:00", "2026-06-02 03:00", nightly(), True),
    ("long after the time, without a window", "2026-06-01 04:00", "2026-06-02 23:00", nightly(), True),
    (
        "in the last second of the window",
        "2026-06-01 04:00",
        "2026-06-02 04:59:59",
        nightly(rotation_window=timedelta(hours=2)),
        True,
    ),
    (
        "when the window has closed",
        "2026-06-01 04:00",
        "2026-06-02 05:00",
        nightly(rotation_window=timedelta(hours=2)),
        False,
    ),
    ("when it was promoted after the time", "2026-06-02 03:00:01", "2026-06-02 03:30", nightly(), False),
    ("when it was promoted at the very time", "2026-06-02 03:00", "2026-06-02 03:30", nightly(), False),
    (
        "by the clock of the schedule's zone, in summer",
        "2026-06-01 12:00",
        "2026-06-02 02:00",
        nightly(rotation_timezone="Europe/London"),
        True,
    ),
    (
        "an hour later by UTC, in winter",
        "2026-01-01 12:00",
        "2026-01-02 02:00",
        nightly(rotation_timezone="Europe/London"),
        False,
    ),
]


@pytest.mark.parametrize("case", SCHEDULED, ids=[name for name, *_ in SCHEDULED])
def test_a_scheduled_credential_is_due_or_not(case: tuple[str, str, str, Policy, bool]) -> None:
    _, promoted, now, policy, due = case
    assert judge_due("mm", policy, at(promoted), at(now)).due is due


def test_a_window_that_closed_is_named_and_the_next_time_too() -> None:
    verdict = judge_due(
        "mm", nightly(rotation_window=timedelta(hours=1)), at("2026-06-01 04:00"), at("2026-06-02 09:00")
    )
    assert (verdict.missed, verdict.next_at) == (at("2026-06-02 03:00"), at("2026-06-03 03:00"))


@given(schedule=schedules, zone=zones, moment=moments)
def test_the_last_time_is_the_one_that_the_next_time_named(schedule: str, zone: str, moment: datetime) -> None:
    following = next_time(schedule, zone, moment)
    assert following > moment
    assert last_time(schedule, zone, following) == following
    assert last_time(schedule, zone, following + timedelta(seconds=59)) == following


@given(schedule=schedules, zone=zones, moment=moments)
def test_nothing_lies_between_the_last_time_and_the_next_one(schedule: str, zone: str, moment: datetime) -> None:
    last = last_time(schedule, zone, moment)
    assert last is not None
    assert last <= moment
    assert next_time(schedule, zone, last) == next_time(schedule, zone, moment)


CHANGES = [
    ("Europe/London", "2026-03-29", "2026-10-25"),
    ("America/New_York", "2026-03-08", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-10-04", "2026-04-05"),
]


@pytest.mark.parametrize("zone, spring, autumn", CHANGES)
@pytest.mark.parametrize("minute", range(0, 24 * 60, 15))
def test_daylight_saving_neither_skips_nor_doubles_a_daily_rotation(
    zone: str, spring: str, autumn: str, minute: int
) -> None:
    schedule = f"{minute % 60} {minute // 60} * * *"
    for change in (spring, autumn):
        start = datetime.fromisoformat(change).replace(tzinfo=ZoneInfo(zone)) - timedelta(days=2)
        moment, days = start.astimezone(UTC) - MINUTE, []
        for _ in range(5):
            moment = next_time(schedule, zone, moment)
            days.append(moment.astimezone(ZoneInfo(zone)).date())
        assert days == [(start + timedelta(days=number)).date() for number in range(5)]


@pytest.mark.parametrize("zone, spring, autumn", CHANGES)
@pytest.mark.parametrize("minute", range(0, 4 * 60, 15))
def test_a_sweep_every_ten_minutes_rotates_once_a_day_over_both_changes(
    zone: str, spring: str, autumn: str, minute: int
) -> None:
    policy = nightly(
        rotation_schedule=f"{minute % 60} {minute // 60} * * *",
        rotation_timezone=zone,
        rotation_window=timedelta(minutes=30),
    )
    for change in (spring, autumn):
        midnight = datetime.fromisoformat(change).replace(tzinfo=ZoneInfo(zone)) - timedelta(days=2)
        now = promoted = midnight.astimezone(UTC) - MINUTE
        end = (midnight + timedelta(days=5)).astimezone(UTC) - MINUTE
        rotations = 0
        while (now := now + timedelta(minutes=10)) < end:
            if judge_due("mm", policy, promoted, now).due:
                promoted, rotations = now, rotations + 1
        assert rotations == 5


# --- hard limit -----------------------------------------------------------------------------------------------------


def test_a_token_exactly_max_age_old_is_not_overdue_yet() -> None:
    assert not is_overdue(record(1, RecordState.CURRENT, promoted=ago(days=14)), Policy(), NOON)


def test_a_token_a_second_older_is() -> None:
    assert is_overdue(record(1, RecordState.CURRENT, promoted=ago(days=14, seconds=1)), Policy(), NOON)


def test_age_counts_from_the_derive_although_the_promote_came_later() -> None:
    late = record(1, RecordState.CURRENT, derived=ago(days=15), promoted=ago(days=3))
    assert age_of(late, NOON) == timedelta(days=15)


def test_the_age_of_an_adopted_token_counts_from_its_adoption() -> None:
    adopted = record(1, RecordState.CURRENT, derived=ago(days=900), promoted=ago(days=1), adopted_as="desk")
    assert age_of(adopted, NOON) == timedelta(days=1)


def test_a_token_of_unknown_age_is_never_overdue() -> None:
    unknown = record(1, RecordState.CURRENT).model_copy(update={"derived_at": None, "promoted_at": None})
    assert not is_overdue(unknown, Policy(), NOON)
