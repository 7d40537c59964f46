"""The pausing proxy before a real Redis: commands pass, one is held, and a client that is gone takes nothing away."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import active_count
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from pydantic import SecretStr

from sandbox.chaos.proxy import Hold, Moment
from sandbox.chaos.redis_proxy import RedisProxy
from sandbox.chaos.waiting import Halt
from sandbox.servers import EmbeddedRedis
from worker.redis import connect

pytestmark = pytest.mark.servers

SECONDS = 10.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(folder=tmp_path_factory.mktemp("redis")) as one:
        yield one


@pytest.fixture
def direct(server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with connect(SecretStr(server.url)) as client:
        client.flushall()
        yield client


@pytest.fixture
def proxy(server: EmbeddedRedis) -> Iterator[RedisProxy]:
    with RedisProxy(server.url) as one:
        yield one


@pytest.fixture
def client(server: EmbeddedRedis, proxy: RedisProxy) -> Iterator[redis.Redis]:
    with behind(server, proxy) as one:
        yield one


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def behind(server: EmbeddedRedis, proxy: RedisProxy, **more: Any) -> redis.Redis:
    parts = urlsplit(server.url)
    return connect(SecretStr(f"redis://:{parts.password}@127.0.0.1:{proxy.port}/0"), **more)


def trap(proxy: RedisProxy, name: str, moment: Moment) -> Hold:
    return proxy.trap(lambda message: message.start == name, moment)


def soon(condition: Callable[[], bool]) -> bool:
    return Halt().until(condition, SECONDS)


def test_commands_pass_and_are_remembered_by_name(client: redis.Redis, proxy: RedisProxy) -> None:
    client.set("k", "v")
    assert client.get("k") == "v"
    assert [one.message.start for one in proxy.passed()][-2:] == ["SET k", "GET k"]


def test_several_commands_that_are_sent_at_once_are_answered_in_order(client: redis.Redis, direct: redis.Redis) -> None:
    direct.rpush("many", *"abc")
    with client.pipeline() as pipeline:
        for _ in "abc":
            pipeline.lpop("many")
        assert pipeline.execute() == ["a", "b", "c"]


@pytest.mark.parametrize("moment, stored", [(Moment.BEFORE, None), (Moment.AFTER, "v")], ids=str)
def test_a_held_command_waits_before_or_after_the_servers_work(
    client: redis.Redis, direct: redis.Redis, proxy: RedisProxy, aside: ThreadPoolExecutor, moment: Moment, stored: str
) -> None:
    hold = trap(proxy, "SET k", moment)
    answer = aside.submit(client.set, "k", "v")
    assert hold.reached.wait(SECONDS)
    seen, busy = direct.get("k"), proxy.busy
    hold.let_go()
    assert (seen, busy, answer.result(SECONDS)) == (stored, True, True)


@pytest.mark.parametrize("moment, stored", [(Moment.BEFORE, None), (Moment.AFTER, "v")], ids=str)
def test_a_cut_command_fails_and_was_done_only_if_it_was_held_afterwards(
    client: redis.Redis, direct: redis.Redis, proxy: RedisProxy, aside: ThreadPoolExecutor, moment: Moment, stored: str
) -> None:
    hold = trap(proxy, "SET k", moment)
    answer = aside.submit(client.set, "k", "v")
    assert hold.reached.wait(SECONDS)
    hold.cut()
    with pytest.raises(redis.ConnectionError):
        answer.result(SECONDS)
    assert hold.over.wait(SECONDS)
    assert direct.get("k") == stored


def test_a_command_whose_sender_gave_up_still_lands_when_it_is_let_go(
    server: EmbeddedRedis, direct: redis.Redis, proxy: RedisProxy
) -> None:
    hold = trap(proxy, "SET k", Moment.BEFORE)
    with behind(server, proxy, socket_timeout=0.2) as hurried, pytest.raises(redis.TimeoutError):
        hurried.set("k", "v")
    hold.let_go()
    assert hold.over.wait(SECONDS)
    assert direct.get("k") == "v"


def test_a_client_that_is_gone_takes_nothing_off_a_queue(
    server: EmbeddedRedis, direct: redis.Redis, proxy: RedisProxy
) -> None:
    def clients_that_wait() -> int:
        return sum(one["cmd"] == "brpop" for one in direct.client_list())

    with behind(server, proxy, socket_timeout=0.2) as hurried, pytest.raises(redis.TimeoutError):
        hurried.brpop(["queue"], timeout=60)
    assert soon(lambda: clients_that_wait() == 0)
    direct.lpush("queue", "work")
    assert direct.llen("queue") == 1


def test_waiting_for_work_is_no_work(
    server: EmbeddedRedis, direct: redis.Redis, proxy: RedisProxy, aside: ThreadPoolExecutor
) -> None:
    with behind(server, proxy) as idle:
        idle.ping()
        waiting = aside.submit(idle.brpop, ["queue"], timeout=1)
        assert soon(lambda: direct.info("clients")["blocked_clients"] == 1)
        busy = proxy.busy
        direct.lpush("queue", "work")
        assert (busy, waiting.result(SECONDS)) == (False, ("queue", "work"))


def test_closing_cuts_what_is_held_and_leaves_no_thread(server: EmbeddedRedis, aside: ThreadPoolExecutor) -> None:
    aside.submit(int).result()
    before, began = active_count(), monotonic()
    with RedisProxy(server.url) as proxy, behind(server, proxy) as client:
        hold = trap(proxy, "SET k", Moment.BEFORE)
        answer = aside.submit(client.set, "k", "v")
        assert hold.reached.wait(SECONDS)
        proxy.close()
        with pytest.raises(redis.ConnectionError):
            answer.result(SECONDS)
    assert active_count() <= before + 1
    assert monotonic() - began < SECONDS
