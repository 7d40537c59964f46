"""A Redis that answers drop by drop, or without end: every command has one deadline and one size."""

from datetime import UTC, datetime, timedelta

import pytest
import redis
from pydantic import SecretStr

from tests.fakes.clock import FakeClock
from tests.fixtures.hostile import Behave, Stopwatch, answering, dripping, hostile
from worker.redis import RedisLeases, connect

AT_MOST = 10.0
"""Seconds: far above what a command may take, for a busy machine, and far below what the server would."""

LATE: dict[str, Behave] = {
    "bulk string": dripping(b"a" * 300, at_once=b"$1000\r\n"),
    "line": dripping(b"+" + b"O" * 300),
    "list": dripping(b"$1\r\na\r\n" * 60, at_once=b"*60\r\n"),
}


def url(server_url: str) -> SecretStr:
    return SecretStr(server_url.replace("http://", "redis://") + "/0")


@pytest.mark.parametrize("what", LATE)
def test_a_command_that_is_answered_drop_by_drop_ends_at_its_deadline(what: str) -> None:
    with (
        hostile(LATE[what]) as server,
        connect(url(server.url), socket_timeout=0.5, connect_timeout=0.5) as client,
        Stopwatch() as watch,
        pytest.raises(redis.RedisError),
    ):
        client.get("anything")
    assert watch.seconds < AT_MOST


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    size = 12 << 20
    with (
        hostile(answering(b"$%d\r\n" % size + b"a" * size + b"\r\n")) as server,
        connect(url(server.url), socket_timeout=20, connect_timeout=20) as client,
        pytest.raises(redis.RedisError),
    ):
        client.get("anything")


def test_a_lease_that_is_answered_drop_by_drop_counts_as_held_in_time() -> None:
    with (
        hostile(LATE["line"]) as server,
        connect(url(server.url), socket_timeout=0.5, connect_timeout=0.5) as client,
        Stopwatch() as watch,
    ):
        leases = RedisLeases(client=client, clock=FakeClock(datetime(2026, 3, 1, tzinfo=UTC)))
        with leases.hold("desk", timedelta(seconds=30)) as held:
            assert held
    assert watch.seconds < AT_MOST
