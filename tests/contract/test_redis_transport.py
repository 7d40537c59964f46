"""Our own way of messages through a real Redis: what goes in as a wake-up comes out, and nothing else does."""

from collections.abc import Iterator
from contextlib import closing, suppress
from queue import Empty
from typing import Any, cast

import pytest
import redis

from config.celery import QUEUE
from config.schedule import FLAG_STALE, ROTATE_CREDENTIAL
from sandbox.servers import EmbeddedRedis
from tests.crafted import CRAFTED, CREDENTIAL, HARMLESS, element, message
from tests.unit.celery.apps import settings_of
from worker.app import RotatorApp
from worker.broker import AT_ONCE, FAR_TOO_MANY, Channel

pytestmark = pytest.mark.servers


@pytest.fixture
def server(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url) as client:
        client.delete(QUEUE)
        yield client
        client.delete(QUEUE)


@pytest.fixture
def app(redis_server: EmbeddedRedis) -> Iterator[RotatorApp]:
    settings = settings_of({CREDENTIAL: "desk", "hedger": "desk"}, redis_url=redis_server.url)
    with closing(RotatorApp(lambda: settings)) as made:
        yield made


@pytest.fixture
def channel(app: RotatorApp, server: redis.Redis) -> Iterator[Channel]:
    with app.connection_for_read() as connection:
        yield cast("Channel", connection.default_channel)


def taken(channel: Channel) -> list[tuple[str, str]]:
    """Return the tasks and names of everything that comes out of the queue."""
    found: list[tuple[str, str]] = []
    with suppress(Empty):
        while True:
            headers = channel._get(QUEUE)["headers"]
            found.append((headers["task"], headers["argsrepr"]))
    return found


def test_what_is_sent_comes_out(app: RotatorApp, channel: Channel) -> None:
    app.send_task(ROTATE_CREDENTIAL, args=("hedger",), expires=30)
    app.send_task(FLAG_STALE, expires=30)
    assert taken(channel) == [(ROTATE_CREDENTIAL, "('hedger',)"), (FLAG_STALE, "()")]


def test_what_is_no_wake_up_is_dropped_and_the_next_one_comes_out(
    app: RotatorApp, channel: Channel, server: redis.Redis
) -> None:
    server.lpush(QUEUE, *(element(one) for one in CRAFTED.values()))
    app.send_task(ROTATE_CREDENTIAL, args=("hedger",))
    assert (taken(channel), server.exists(QUEUE)) == ([(ROTATE_CREDENTIAL, "('hedger',)")], 0)


def test_what_celery_gets_was_made_anew(channel: Channel, server: redis.Redis) -> None:
    found = []
    for made in (message(), *HARMLESS.values()):
        server.lpush(QUEUE, element(made))
        found.append(channel._get(QUEUE))
    tags = {one["properties"].pop("delivery_tag") for one in found}
    assert (len(tags), [one for one in found if one != found[0]]) == (len(found), [])


def test_a_message_that_was_taken_leaves_nothing_behind(channel: Channel, server: redis.Redis) -> None:
    before = set(server.keys("*"))
    server.lpush(QUEUE, element(message()))
    taken(channel)
    assert set(server.keys("*")) == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda server: server.set(QUEUE, "x"),
        lambda server: server.hset(QUEUE, "a", "b"),
        lambda server: server.sadd(QUEUE, "a"),
        lambda server: server.zadd(QUEUE, {"a": 1}),
        lambda server: server.xadd(QUEUE, {"a": "b"}),
    ],
    ids=["text", "hash", "set", "sorted set", "stream"],
)
@pytest.mark.parametrize("reads_first", [True, False], ids=["found by a reader", "found by a sender"])
def test_another_thing_in_the_queues_place_is_removed(
    app: RotatorApp, channel: Channel, server: redis.Redis, spoil: Any, *, reads_first: bool
) -> None:
    spoil(server)
    if reads_first:
        assert taken(channel) == []
    app.send_task(ROTATE_CREDENTIAL, args=("hedger",))
    assert taken(channel) == [(ROTATE_CREDENTIAL, "('hedger',)")]


def test_scripts_that_redis_forgot_are_told_to_it_again(channel: Channel, server: redis.Redis) -> None:
    taken(channel)
    server.script_flush()
    server.lpush(QUEUE, element(message()))
    assert len(taken(channel)) == 1


def test_a_queue_that_is_far_too_long_is_cut_to_its_ends(channel: Channel, server: redis.Redis) -> None:
    server.lpush(QUEUE, element(message(args=["hedger"])))
    for _ in range(10):
        server.lpush(QUEUE, *["x"] * (FAR_TOO_MANY // 5))
    server.lpush(QUEUE, element(message()))
    assert (channel._get(QUEUE)["headers"]["argsrepr"], server.exists(QUEUE)) == ("('hedger',)", 0)
    assert channel._get(QUEUE)["headers"]["argsrepr"] == f"('{CREDENTIAL}',)"


def test_a_worker_takes_half_of_what_is_there_and_leaves_the_rest_to_others(
    channel: Channel, server: redis.Redis
) -> None:
    server.lpush(QUEUE, *[element(message())] * 10)
    channel._get(QUEUE)
    left = server.llen(QUEUE)
    server.lpush(QUEUE, *[element(message())] * 1000)
    channel._get(QUEUE)
    assert (left, server.llen(QUEUE)) == (5, 1005 - AT_ONCE)


def test_an_element_of_many_megabytes_does_not_leave_redis(channel: Channel, server: redis.Redis) -> None:
    before = server.info("stats")["total_net_output_bytes"]
    server.eval("redis.call('lpush', KEYS[1], string.rep('x', 50000000))", 1, QUEUE)
    taken(channel)
    sent = server.info("stats")["total_net_output_bytes"] - before
    assert (sent < 100_000, server.exists(QUEUE)) == (True, 0)


def test_a_redis_that_is_away_is_an_empty_queue(app: RotatorApp, tmp_path: Any) -> None:
    with EmbeddedRedis(folder=tmp_path / "redis") as own:
        settings = settings_of({CREDENTIAL: "desk"}, redis_url=own.url)
        with closing(RotatorApp(lambda: settings)) as other, other.connection_for_read() as connection:
            channel = cast("Channel", connection.default_channel)
            own.stop()
            assert taken(channel) == []
