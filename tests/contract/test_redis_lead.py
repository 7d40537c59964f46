"""A beat's lead on a real Redis: whoever holds it as a leader does is believed, and nobody else."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
import redis

from config.celery import QUEUE
from config.schedule import beat_schedule
from sandbox.servers import EmbeddedRedis
from tests.unit.celery.apps import settings_of
from worker.app import RotatorApp
from worker.beat import LEAD_KEY, SENT_KEY, SteadyScheduler

pytestmark = pytest.mark.servers


@pytest.fixture
def server(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url) as client:
        client.delete(LEAD_KEY, SENT_KEY, QUEUE)
        yield client
        client.delete(LEAD_KEY, SENT_KEY, QUEUE)


@pytest.fixture
def beat(redis_server: EmbeddedRedis) -> Iterator[Callable[[], SteadyScheduler]]:
    """Return a function that makes a beat whose sweeps are due every minute, the last every five."""
    settings = settings_of({"mm": "main"}, redis_url=redis_server.url)
    with ExitStack() as stack:

        def make() -> SteadyScheduler:
            app = stack.enter_context(closing(RotatorApp(lambda: settings)))
            return stack.enter_context(closing(SteadyScheduler(app=app)))

        yield make


def sent(server: redis.Redis) -> int:
    return int(server.llen(QUEUE))


def test_the_first_beat_sends_everything_at_once_and_once(
    beat: Callable[[], SteadyScheduler], server: redis.Redis
) -> None:
    one = beat()
    one.tick()
    one.tick()
    assert sent(server) == 3


def test_a_second_beat_waits(beat: Callable[[], SteadyScheduler], server: redis.Redis) -> None:
    beat().tick()
    beat().tick()
    assert sent(server) == 3


def test_a_new_leader_does_not_send_again_what_was_just_sent(
    beat: Callable[[], SteadyScheduler], server: redis.Redis
) -> None:
    first, second = beat(), beat()
    first.tick()
    first.close()
    second.tick()
    assert sent(server) == 3


def test_a_new_leader_sends_once_what_was_last_sent_long_ago(
    beat: Callable[[], SteadyScheduler], server: redis.Redis
) -> None:
    names = beat_schedule(settings_of({}).schedule)
    server.hset(SENT_KEY, mapping=dict.fromkeys(names, str(time.time() - 86_400)))
    one = beat()
    one.tick()
    one.tick()
    assert sent(server) == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda server: server.set(LEAD_KEY, "another"),
        lambda server: server.set(LEAD_KEY, "another", px=10**12),
        lambda server: server.set(LEAD_KEY, "another", px=31_000),
        lambda server: server.set(LEAD_KEY, b"\xff"),
        lambda server: server.lpush(LEAD_KEY, "another"),
        lambda server: server.hset(LEAD_KEY, "a", "b"),
    ],
    ids=["without end", "for years", "longer than any", "no text", "a list", "a hash"],
)
def test_a_lead_that_no_leader_can_have_is_taken_over(
    beat: Callable[[], SteadyScheduler], server: redis.Redis, spoil: Callable[[redis.Redis], Any]
) -> None:
    spoil(server)
    beat().tick()
    assert sent(server) == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda server: server.set(SENT_KEY, "x"),
        lambda server: server.lpush(SENT_KEY, "x"),
        lambda server: server.hset(SENT_KEY, "rotate-due-credentials", b"\xff"),
        lambda server: server.hset(SENT_KEY, "rotate-due-credentials", "nan"),
        lambda server: server.hset(SENT_KEY, "rotate-due-credentials", "1e300"),
        lambda server: server.hset(SENT_KEY, "rotate-due-credentials", "x" * 1_000_000),
    ],
    ids=["text", "a list", "no text", "no number", "far in the future", "endless"],
)
def test_a_note_that_makes_no_sense_is_no_note(
    beat: Callable[[], SteadyScheduler], server: redis.Redis, spoil: Callable[[redis.Redis], Any]
) -> None:
    spoil(server)
    beat().tick()
    assert (sent(server), server.type(SENT_KEY)) == (3, b"hash")


def test_nothing_is_read_from_what_earlier_versions_kept(
    beat: Callable[[], SteadyScheduler], server: redis.Redis
) -> None:
    server.hset("rotator:beat:foreign", "definition", '{"name": "foreign", "task": "os.system", "schedule": 1}')
    server.zadd("rotator:beat::schedule", {"rotator:beat:foreign": 1})
    beat().tick()
    assert b"os.system" not in b"".join(server.lrange(QUEUE, 0, -1))  # type: ignore[arg-type]  # see `sent`
    assert sent(server) == 3


def test_a_beat_whose_redis_is_away_waits_and_is_well(
    beat: Callable[[], SteadyScheduler], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTATOR_HEARTBEAT_FILE", str(tmp_path / "beat"))
    settings = settings_of({"mm": "main"}, redis_url="redis://127.0.0.1:1/0")
    with (
        closing(RotatorApp(lambda: settings)) as app,
        closing(SteadyScheduler(app=app)) as one,
    ):
        assert one.tick() > 0
        assert (tmp_path / "beat").exists()
