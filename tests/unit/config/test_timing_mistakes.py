"""Schedules, windows, zones and freezes: which are taken, which are refused, and how levels replace one another."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.calendars import check_cron, longest_gap
from config.mistakes import Mistake
from config.schema import Policy
from config.settings import check_settings, load_settings
from config.tables import Place
from tests.unit.config.files import SOUND, environ_with

ACCOUNT = 'name = "desk"'
POLICY = "credentials[maker].policy"
FREEZE = "freezes[#1]"
DAILY = 'rotation_schedule = "0 3 * * *"'


def levels(*, defaults: str = "", account: str = "", credential: str = "") -> str:
    between = SOUND.replace(ACCOUNT, f"{ACCOUNT}\n[accounts.policy]\n{account}")
    return f"[defaults]\n{defaults}\n{between}[credentials.policy]\n{credential}\n"


def freeze(lines: str) -> str:
    return f'{SOUND}[[freezes]]\nreason = "election"\n{lines}\n'


MISTAKES = {
    "a period and a schedule at one level": (
        levels(credential=f'rotation_period = "7d"\n{DAILY}'),
        f"{POLICY}.rotation_schedule",
        "beside rotation_period",
    ),
    "a schedule with seconds": (
        levels(credential='rotation_schedule = "0 0 3 * * *"'),
        f"{POLICY}.rotation_schedule",
        "not a cron",
    ),
    "a schedule of four fields": (
        levels(credential='rotation_schedule = "0 3 * *"'),
        f"{POLICY}.rotation_schedule",
        "not a cron",
    ),
    "a schedule on a day that no month has": (
        levels(credential='rotation_schedule = "0 3 30 2 *"'),
        f"{POLICY}.rotation_schedule",
        "not a cron",
    ),
    "a zone that nobody knows": (
        levels(credential=f'{DAILY}\nrotation_timezone = "Europe/Londn"'),
        f"{POLICY}.rotation_timezone",
        "not a time zone",
    ),
    "a window without a schedule": (
        levels(credential='rotation_window = "1h"'),
        f"{POLICY}.rotation_window",
        "rotation_window is",
    ),
    "a schedule rarer than max_age": (
        levels(credential='rotation_schedule = "0 3 1 * *"'),
        f"{POLICY}.rotation_schedule",
        "max_age is 14d",
    ),
    "a schedule dense on a day that is rare": (
        levels(credential='rotation_schedule = "* * 1 * *"'),
        f"{POLICY}.rotation_schedule",
        "max_age is 14d",
    ),
    "a schedule dense in a season that is rare": (
        levels(credential='rotation_schedule = "0 3,4,5 * 1-3 *"'),
        f"{POLICY}.rotation_schedule",
        "max_age is 14d",
    ),
    "a freeze for an account nobody defined": (
        freeze('start = 2026-11-03T00:00:00Z\nuntil = 2026-11-04T00:00:00Z\naccounts = ["dsk"]'),
        f"{FREEZE}.accounts",
        "not an account",
    ),
    "a freeze that ends before it begins": (
        freeze("start = 2026-11-03T00:00:00Z\nuntil = 2026-11-02T00:00:00Z"),
        f"{FREEZE}.until",
        "not after start",
    ),
    "a freeze without offset": (
        freeze("start = 2026-11-03T00:00:00\nuntil = 2026-11-04T00:00:00Z"),
        f"{FREEZE}.start",
        "no offset",
    ),
    "a freeze that is dated and recurring": (
        freeze('start = 2026-11-03T00:00:00Z\nuntil = 2026-11-04T00:00:00Z\nschedule = "0 3 * * *"\nduration = "1h"'),
        f"{FREEZE}.duration",
        "beside start",
    ),
    "a freeze that never ends": (
        freeze('schedule = "0 3 * * *"\nduration = "1d"'),
        f"{FREEZE}.duration",
        "begins after 1d",
    ),
    "account ledgers among the journals": (
        f'[vault]\naccount_prefix = "journal/accounts"\n{SOUND}',
        "vault.account_prefix",
        "overlaps journal_prefix",
    ),
}


@pytest.mark.parametrize("toml, key, wrong", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_of_timing_is_told_once_at_its_key(tmp_path: Path, toml: str, key: str, wrong: str) -> None:
    found = check_settings(environ_with(tmp_path, toml))

    assert [(one.key, wrong in one.wrong) for one in found] == [(key, True)], found


def test_a_dense_day_each_week_may_be_frozen_for_an_hour_at_a_time(tmp_path: Path) -> None:
    assert check_settings(environ_with(tmp_path, freeze('schedule = "* * * * MON"\nduration = "1h"'))) == []


PERIOD = 'rotation_period = "7d"'
WINDOWED = f'{DAILY}\nrotation_window = "1h"'


def merged(folder: Path, toml: str) -> Policy:
    return load_settings(environ_with(folder, toml)).credentials[0].policy


@pytest.mark.parametrize("higher", ["defaults", "account"])
def test_a_schedule_takes_the_place_of_a_period_from_a_higher_level(tmp_path: Path, higher: str) -> None:
    policy = merged(tmp_path, levels(**{higher: PERIOD}, credential=DAILY))

    assert (policy.rotation_period, policy.rotation_schedule) == (None, "0 3 * * *")


@pytest.mark.parametrize("higher", ["defaults", "account"])
def test_a_period_takes_the_place_of_schedule_and_window_from_a_higher_level(tmp_path: Path, higher: str) -> None:
    policy = merged(tmp_path, levels(**{higher: WINDOWED}, credential=PERIOD))

    assert (policy.rotation_period, policy.rotation_schedule, policy.rotation_window) == (timedelta(days=7), None, None)


def test_a_window_belongs_to_a_schedule_of_a_higher_level(tmp_path: Path) -> None:
    policy = merged(tmp_path, levels(defaults=DAILY, credential='rotation_window = "1h"'))

    assert (policy.rotation_schedule, policy.rotation_window) == ("0 3 * * *", timedelta(hours=1))


@given(
    chosen=st.lists(st.sampled_from(["", PERIOD, DAILY]), min_size=3, max_size=3),
)
def test_whatever_the_levels_choose_exactly_one_of_period_and_schedule_is_in_force(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[str]
) -> None:
    defaults, account, credential = chosen
    policy = merged(
        tmp_path_factory.mktemp("levels"), levels(defaults=defaults, account=account, credential=credential)
    )

    assert (policy.rotation_period is None) != (policy.rotation_schedule is None)


@given(text=st.one_of(st.text(max_size=30), st.text(alphabet="0123456789*/,-L# ", max_size=20)))
def test_any_text_is_a_schedule_with_a_positive_gap_or_a_mistake(text: str) -> None:
    mistakes: list[Mistake] = []

    usable = check_cron(text, Place("file", "rotation_schedule", mistakes))

    assert usable != bool(mistakes)
    assert not usable or longest_gap(text, "UTC") > timedelta()


@pytest.mark.parametrize(
    "expression, days",
    [("0 3 * * *", 1), ("0 3 * * MON", 7), ("* 3 1 * *", 31), ("0 3 29 2 *", 366 + 3 * 365)],
)
def test_the_longest_gap_of_a_schedule_reaches_over_its_rarest_day(expression: str, days: int) -> None:
    assert timedelta() <= timedelta(days=days) - longest_gap(expression, "UTC") < timedelta(hours=1)


def test_a_gap_counts_the_hour_that_a_clock_change_adds() -> None:
    assert longest_gap("0 3 * * *", "Europe/London") == timedelta(hours=25)
