"""When a leading beat sends: by its own clock and by what was noted, but what was noted never puts it off for long."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.timetable import AHEAD, due_at, hint

EVERY = 60.0
seconds = st.floats(-1e9, 1e9)


@pytest.mark.parametrize(
    "sent, told, due",
    [
        (None, None, -math.inf),  # Redis was emptied, or this is the first beat: at once
        (None, 1000.0 - 20, 1040.0),  # another leader sent it 20 s ago
        (None, 1000.0 - 500, 560.0),  # nobody did for long: at once, and once
        (1000.0, None, 1060.0),
        (1000.0, 980.0, 1060.0),
        (1000.0, 1030.0, 1090.0),  # another one led meanwhile
    ],
)
def test_a_sweep_is_due_one_interval_after_it_was_last_sent(sent: float | None, told: float | None, due: float) -> None:
    assert due_at(every=EVERY, started=1000.0, sent=sent, told=told) == due


@given(seconds, st.none() | seconds, st.none() | seconds)
def test_nothing_that_is_noted_puts_a_sweep_off_for_two_intervals(
    started: float, sent: float | None, told: float | None
) -> None:
    own = started if sent is None else sent
    assert due_at(every=EVERY, started=started, sent=sent, told=told) <= own + 2 * EVERY


@given(seconds, seconds, seconds)
def test_nothing_that_is_noted_makes_a_sweep_come_sooner_than_its_interval(
    started: float, sent: float, told: float
) -> None:
    assert due_at(every=EVERY, started=started, sent=sent, told=told) >= sent + EVERY


@pytest.mark.parametrize(
    "raw, ago",
    [
        (b"1000", 0.0),
        (b"940.5", 59.5),
        (b"1004", 0.0),
        (b"1006", None),
        (b"nan", None),
        (b"inf", None),
        (b"-inf", None),
        (b"", None),
        (b"\xff", None),
        (b"yesterday", None),
        (None, None),
        (5, None),
    ],
)
def test_a_note_counts_only_if_it_is_a_time_that_is_past(raw: object, ago: float | None) -> None:
    assert hint(raw, now=1000.0) == ago


@given(st.binary(max_size=40) | st.floats().map(lambda one: str(one).encode()), st.floats(0, 1e10))
def test_any_note_is_an_age_or_nothing(raw: bytes, now: float) -> None:
    found = hint(raw, now=now)
    assert found is None or 0 <= found < math.inf


def test_a_small_difference_between_clocks_is_borne() -> None:
    assert hint(b"1000", now=1000.0 - AHEAD) == 0.0
