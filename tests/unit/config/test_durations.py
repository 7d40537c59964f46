from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    "text,seconds",
    [
        ("20s", 20),
        ("90m", 5_400),
        ("36h", 129_600),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1h30m", 5_400),
        ("1w2d3h4m5s", 788_645),
        ("0s", 0),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "7", "-7d", "1.5h", "7 d", "30m1h", "1h1h", "7D", "1y", "d", "7dx", "\u0667d", "1:30"]
)
def test_what_could_mean_two_things_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_a_duration_that_no_timedelta_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        parse_duration("999999999w")


@given(st.integers(min_value=0, max_value=10**9))
def test_what_is_written_reads_back_as_itself(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError as refusal:
        sentence = str(refusal)
    else:
        return
    assert "duration" in sentence
