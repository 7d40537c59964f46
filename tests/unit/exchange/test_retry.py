"""Which failures are repeated, and after what wait."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st
from tenacity import nap

from tests.fakes.clock import FakeClock
from tests.unit.exchange.support import NOW, Script, exchange, http_date
from worker.errors import (
    AuthenticationRefusedError,
    ExchangeRefusedError,
    ExchangeUnavailableError,
    TransientError,
    UnreadableAnswerError,
)
from worker.exchange.retry import ATTEMPTS, LONGEST_RETRY_AFTER, backoff, parse_http_date, parse_retry_after


@given(st.integers(min_value=0, max_value=3600))
def test_retry_after_in_seconds_is_read(seconds: int) -> None:
    assert parse_retry_after(str(seconds), now=NOW) == timedelta(seconds=seconds)


@given(st.integers(min_value=0, max_value=3599))
def test_retry_after_as_a_date_is_the_time_until_then(seconds: int) -> None:
    now = NOW.replace(microsecond=0)
    assert parse_retry_after(http_date(now + timedelta(seconds=seconds)), now=now) == timedelta(seconds=seconds)


def test_a_date_that_has_passed_asks_for_no_wait() -> None:
    assert parse_retry_after(http_date(NOW - timedelta(hours=1)), now=NOW) == timedelta(0)


@pytest.mark.parametrize("value", ["999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_absurd_wait_is_cut(value: str) -> None:
    assert parse_retry_after(value, now=NOW) == LONGEST_RETRY_AFTER


@pytest.mark.parametrize("value", [None, "", "soon", "-1", "nan", "inf", "1e3", "٣", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_an_unreadable_retry_after_is_none(value: str | None) -> None:
    assert parse_retry_after(value, now=NOW) is None


@given(st.text())
def test_no_header_breaks_the_reader(value: str) -> None:
    wait = parse_retry_after(value, now=NOW)
    assert wait is None or timedelta(0) <= wait <= LONGEST_RETRY_AFTER


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds UTC
def test_an_http_date_is_read_back_as_utc(moment: datetime) -> None:
    assert parse_http_date(http_date(moment)) == moment.replace(microsecond=0)


@given(asked=st.floats(0, 10), remaining=st.floats(11, 30))
def test_the_wait_is_never_shorter_than_asked_for_and_ends_within_the_deadline(asked: float, remaining: float) -> None:
    failure = ExchangeUnavailableError("throttled", retry_after=timedelta(seconds=asked))
    wait = backoff(failure, remaining=remaining)
    assert not isinstance(wait, bool)
    assert timedelta(seconds=asked).total_seconds() <= wait < remaining


def test_a_longer_wait_than_the_cap_is_left_to_the_next_sweep() -> None:
    assert backoff(ExchangeUnavailableError("t", retry_after=timedelta(seconds=11)), remaining=30) is False


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    assert backoff(ExchangeUnavailableError("t", retry_after=timedelta(seconds=8)), remaining=8) is False


@given(st.floats(max_value=3.0, allow_nan=False))
def test_without_time_left_nothing_is_repeated(remaining: float) -> None:
    assert backoff(ExchangeUnavailableError("down"), remaining=remaining) is False


@pytest.mark.parametrize(
    "failure",
    [
        TransientError("500"),
        ExchangeRefusedError("400", status=400),
        AuthenticationRefusedError("401", status=401),
        ValueError("a bug"),
    ],
)
def test_what_will_not_get_better_is_not_repeated(failure: Exception) -> None:
    assert backoff(failure, remaining=30) is False


def test_half_an_answer_is_asked_for_again() -> None:
    assert backoff(UnreadableAnswerError("cut"), remaining=30) is True


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_throttled_call_waits_as_long_as_it_was_told(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(NOW)
    monkeypatch.setattr(nap, "time", SimpleNamespace(sleep=clock.sleep))
    # The exchange's own clock is an hour ahead: a date must be measured against that.
    theirs = NOW + timedelta(hours=1)
    header = "7" if form == "seconds" else http_date(theirs + timedelta(seconds=7))
    throttled = httpx.Response(429, headers={"retry-after": header, "date": http_date(theirs)})
    with stamina.set_testing(False), exchange(Script([throttled, httpx.Response(200, json=[])]), clock=clock) as client:
        client.list_tokens()
    assert len(clock.slept) == 1
    assert 7 <= clock.slept[0] < 8


def test_without_a_retry_after_the_waits_grow_and_end_after_the_last_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock(NOW)
    monkeypatch.setattr(nap, "time", SimpleNamespace(sleep=clock.sleep))
    script = Script([httpx.Response(503)] * ATTEMPTS)
    with stamina.set_testing(False), exchange(script, clock=clock) as client, pytest.raises(ExchangeUnavailableError):
        client.list_tokens()
    assert [0.2 * 2**n <= wait <= 0.2 * 2**n + 0.5 for n, wait in enumerate(clock.slept)] == [True] * (ATTEMPTS - 1)


def test_slow_failures_use_up_the_total_deadline() -> None:
    clock = FakeClock(NOW)

    def slow(_: httpx.Request) -> httpx.Response:
        clock.advance(timedelta(seconds=14))
        return httpx.Response(503)

    script = Script([slow, slow, slow, slow])
    with exchange(script, clock=clock) as client, pytest.raises(ExchangeUnavailableError):
        client.list_tokens()
    assert len(script.requests) == 2
