"""The event stream in a real Redis."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from pydantic import SecretStr

from sandbox.servers import EmbeddedRedis, free_port
from tests.build import NOON
from tests.fakes.clock import FakeClock
from worker.policy.steps import Action, Outcome, Reason, Result
from worker.redis import STREAM, RedisEvents, connect
from worker.redis.breaker import PAUSE
from worker.redis.events import KEPT

pytestmark = pytest.mark.servers


def outcome(number: int = 0) -> Outcome:
    return Outcome(
        at=NOON + timedelta(seconds=number),
        account="main",
        credential="mm",
        action=Action.PROMOTE,
        result=Result.DONE,
        reason=Reason.PERIOD_REACHED,
        sentence=f"number {number}",
        token_id="t1",
        rotation_id="r1",
        evidence={"version": "7"},
    )


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with connect(SecretStr(redis_server.url)) as made:
        made.delete(STREAM)
        yield made


@pytest.fixture
def events(client: redis.Redis) -> RedisEvents:
    return RedisEvents(client=client, clock=FakeClock())


def test_what_was_appended_is_read_back_whole(events: RedisEvents) -> None:
    events.append(outcome())
    assert events.read_latest(1) == (outcome(),)


def test_the_latest_come_last(events: RedisEvents) -> None:
    for number in range(5):
        events.append(outcome(number))
    assert events.read_latest(2) == (outcome(3), outcome(4))


def test_an_empty_stream_reads_as_nothing(events: RedisEvents) -> None:
    assert events.read_latest(10) == ()


def test_what_others_wrote_into_the_stream_is_skipped(events: RedisEvents, client: redis.Redis) -> None:
    events.append(outcome())
    client.xadd(STREAM, {"outcome": "{not json"})
    client.xadd(STREAM, {"other": "field"})
    client.xadd(STREAM, {"outcome": '{"at": "2026-06-01T12:00:00"}'})
    assert events.read_latest(10) == (outcome(),)


def test_the_stream_does_not_grow_without_end(events: RedisEvents, client: redis.Redis) -> None:
    with client.pipeline() as pipe:
        for _ in range(KEPT + 500):
            pipe.xadd(STREAM, {"filler": "x"})
        pipe.execute()
    events.append(outcome())
    length = client.xlen(STREAM)
    assert isinstance(length, int)
    assert length < KEPT + 200


def test_events_are_dropped_while_redis_is_down() -> None:
    with connect(SecretStr(f"redis://127.0.0.1:{free_port()}/0")) as client:
        events = RedisEvents(client=client, clock=FakeClock())
        events.append(outcome())
        assert events.read_latest(1) == ()


def test_a_redis_that_failed_is_left_alone_for_a_while(tmp_path_factory: pytest.TempPathFactory) -> None:
    clock = FakeClock()
    with EmbeddedRedis(folder=tmp_path_factory.mktemp("redis")) as server, connect(SecretStr(server.url)) as client:
        events = RedisEvents(client=client, clock=clock)
        server.stop()
        events.append(outcome(1))
        server.start()
        events.append(outcome(2))  # too soon
        clock.advance(timedelta(seconds=PAUSE))
        events.append(outcome(3))
        assert events.read_latest(5) == (outcome(3),)
