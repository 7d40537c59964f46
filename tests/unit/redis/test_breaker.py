from datetime import timedelta

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from tests.fakes.clock import FakeClock
from worker.redis.breaker import PAUSE, Breaker

PASSWORD = "hunter2hunter2"


def fails() -> str:
    raise RedisConnectionError(f"something about {PASSWORD}")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> Breaker:
    return Breaker(clock=clock)


def test_an_answer_is_passed_on(breaker: Breaker) -> None:
    assert breaker.ask(lambda: "pong", otherwise="nothing") == "pong"


def test_a_failure_is_no_answer(breaker: Breaker) -> None:
    assert breaker.ask(fails, otherwise="nothing") is None


def test_after_a_failure_redis_is_not_asked(breaker: Breaker) -> None:
    breaker.ask(fails, otherwise="nothing")
    assert breaker.ask(lambda: "pong", otherwise="nothing") is None


def test_after_the_pause_redis_is_asked_again(breaker: Breaker, clock: FakeClock) -> None:
    breaker.ask(fails, otherwise="nothing")
    clock.advance(timedelta(seconds=PAUSE))
    assert breaker.ask(lambda: "pong", otherwise="nothing") == "pong"


def test_a_mistake_of_ours_is_not_swallowed(breaker: Breaker) -> None:
    with pytest.raises(ZeroDivisionError):
        breaker.ask(lambda: 1 // 0, otherwise="nothing")


def test_one_outage_is_one_log_line_that_says_what_is_lost_and_not_what_redis_said(breaker: Breaker) -> None:
    with capture_logs() as lines:
        for _ in range(5):
            breaker.ask(fails, otherwise="events are dropped")
    assert [line["result"] for line in lines] == ["events are dropped"]
    assert PASSWORD not in str(lines)
