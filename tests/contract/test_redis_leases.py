"""Leases in a real Redis: exclusive while it lasts, and never in the way."""

import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from pydantic import SecretStr

from sandbox.servers import EmbeddedRedis, free_port
from tests.fakes.clock import FakeClock
from worker.redis import RedisLeases, connect
from worker.redis.breaker import PAUSE
from worker.redis.lease import LEASE_PREFIX

pytestmark = pytest.mark.servers

TTL = timedelta(seconds=60)


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with connect(SecretStr(redis_server.url)) as made:
        yield made


@pytest.fixture
def name() -> str:
    return f"rotate:{uuid.uuid4().hex}"


@pytest.fixture
def leases(client: redis.Redis) -> RedisLeases:
    return RedisLeases(client=client, clock=FakeClock())


def other_worker(client: redis.Redis) -> RedisLeases:
    return RedisLeases(client=client, clock=FakeClock())


def test_a_lease_that_is_held_is_refused_to_another(leases: RedisLeases, client: redis.Redis, name: str) -> None:
    with leases.hold(name, TTL), other_worker(client).hold(name, TTL) as held:
        assert held is False


def test_the_same_worker_cannot_hold_it_twice(leases: RedisLeases, name: str) -> None:
    with leases.hold(name, TTL), leases.hold(name, TTL) as held:
        assert held is False


def test_a_lease_of_another_name_is_free(leases: RedisLeases, client: redis.Redis, name: str) -> None:
    with leases.hold(name, TTL), other_worker(client).hold(f"{name}-2", TTL) as held:
        assert held is True


def test_a_lease_is_free_again_after_its_holder_is_done(leases: RedisLeases, client: redis.Redis, name: str) -> None:
    with leases.hold(name, TTL):
        pass
    with other_worker(client).hold(name, TTL) as held:
        assert held is True


def test_a_lease_is_free_again_after_its_holder_failed(leases: RedisLeases, client: redis.Redis, name: str) -> None:
    with pytest.raises(ZeroDivisionError), leases.hold(name, TTL):
        raise ZeroDivisionError
    with other_worker(client).hold(name, TTL) as held:
        assert held is True


def test_one_that_was_refused_does_not_give_back_the_holders_lease(
    leases: RedisLeases, client: redis.Redis, name: str
) -> None:
    with leases.hold(name, TTL):
        with other_worker(client).hold(name, TTL):
            pass
        with other_worker(client).hold(name, TTL) as held:
            assert held is False


def test_a_lease_ends_by_itself(leases: RedisLeases, client: redis.Redis, name: str) -> None:
    with leases.hold(name, timedelta(seconds=7)):
        left = client.pttl(LEASE_PREFIX + name)
    assert isinstance(left, int)
    assert 0 < left <= 7_000


def test_a_holder_that_slept_past_its_lease_does_not_give_back_the_next_ones(
    leases: RedisLeases, client: redis.Redis, name: str
) -> None:
    following = other_worker(client).hold(name, TTL)
    with leases.hold(name, TTL):
        client.delete(LEASE_PREFIX + name)  # it expired
        following.__enter__()
    with other_worker(client).hold(name, TTL) as held:
        assert held is False
    following.__exit__(None, None, None)


def test_a_lease_may_be_given_back_by_another_thread(leases: RedisLeases, client: redis.Redis, name: str) -> None:
    lease = leases.hold(name, TTL)
    thread = threading.Thread(target=lease.__enter__)
    thread.start()
    thread.join()
    lease.__exit__(None, None, None)
    assert client.exists(LEASE_PREFIX + name) == 0


def test_work_goes_on_without_a_lease_while_redis_is_down(name: str) -> None:
    with (
        connect(SecretStr(f"redis://127.0.0.1:{free_port()}/0")) as client,
        RedisLeases(client=client, clock=FakeClock()).hold(name, TTL) as held,
    ):
        assert held is True


def test_a_redis_that_goes_away_while_a_lease_is_held_does_no_harm(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    with (
        EmbeddedRedis(folder=tmp_path_factory.mktemp("redis")) as server,
        connect(SecretStr(server.url)) as client,
        RedisLeases(client=client, clock=FakeClock()).hold(name, TTL) as held,
    ):
        assert held is True
        server.stop()


def test_leases_work_again_some_time_after_redis_came_back(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    clock = FakeClock()
    with EmbeddedRedis(folder=tmp_path_factory.mktemp("redis")) as server, connect(SecretStr(server.url)) as client:
        leases = RedisLeases(client=client, clock=clock)
        server.stop()
        with leases.hold(name, TTL):
            pass
        server.start()
        clock.advance(timedelta(seconds=PAUSE))
        with leases.hold(name, TTL):
            assert client.exists(LEASE_PREFIX + name) == 1


@pytest.mark.parametrize("lasts", [None, TTL * 2], ids=["for ever", "longer than any lease"])
def test_what_somebody_else_put_there_stops_nobody(
    leases: RedisLeases, client: redis.Redis, name: str, lasts: timedelta | None
) -> None:
    client.set(LEASE_PREFIX + name, "not a lease", px=lasts)
    with leases.hold(name, TTL) as held:
        assert held is True


def test_a_lease_that_somebody_takes_again_and_again_is_gone_on_without_after_twice_its_life(
    client: redis.Redis, name: str
) -> None:
    clock = FakeClock()
    leases = RedisLeases(client=client, clock=clock)
    found = []
    for _ in range(8):
        client.set(LEASE_PREFIX + name, "somebody", px=TTL)
        with leases.hold(name, TTL) as held:
            found.append(held)
        clock.advance(TTL / 2 + timedelta(seconds=1))
    assert found == [False, False, False, False, True, False, False, False]


def test_a_lease_that_was_free_meanwhile_is_waited_for_anew(client: redis.Redis, name: str) -> None:
    clock = FakeClock()
    leases = RedisLeases(client=client, clock=clock)
    found = []
    for _ in range(8):
        client.set(LEASE_PREFIX + name, "somebody", px=TTL)
        with leases.hold(name, TTL) as held:
            found.append(held)
        client.delete(LEASE_PREFIX + name)
        with leases.hold(name, TTL):
            clock.advance(TTL)
    assert found == [False] * 8
