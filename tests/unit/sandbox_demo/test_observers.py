import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
import redis

from sandbox.observers import EnvelopeSink, MonitorCapture, ProcessWatch, descendants, everything_in
from sandbox.servers import EmbeddedRedis
from tests.unit.sandbox_demo.test_processes import until

ENVELOPE = b'{"event_id":"1"}\n{"type":"event"}\n{"message":"hello","level":"warning"}\n{"type":"session"}\n{"sid":"2"}'


@pytest.fixture
def sink() -> Iterator[EnvelopeSink]:
    made = EnvelopeSink()
    yield made
    made.close()


def post(sink: EnvelopeSink, body: bytes, encoding: str | None = None) -> int:
    url = urlsplit(sink.dsn)
    headers = {"content-encoding": encoding} if encoding else {}
    return httpx.post(
        f"http://{url.hostname}:{url.port}/api/1/envelope/", content=body, headers=headers, trust_env=False
    ).status_code


def test_the_sink_keeps_an_envelope_as_it_came(sink: EnvelopeSink) -> None:
    assert (post(sink, ENVELOPE), sink.envelopes) == (200, (ENVELOPE,))


def test_the_sink_unpacks_a_compressed_envelope(sink: EnvelopeSink) -> None:
    post(sink, gzip.compress(ENVELOPE), "gzip")
    assert sink.envelopes == (ENVELOPE,)


def test_the_sink_keeps_what_it_cannot_unpack(sink: EnvelopeSink) -> None:
    post(sink, b"not gzip", "gzip")
    assert sink.envelopes == (b"not gzip",)


def test_the_sink_tells_events_from_other_items(sink: EnvelopeSink) -> None:
    post(sink, ENVELOPE)
    assert [event["message"] for event in sink.events()] == ["hello"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_the_watch_sees_command_line_and_environment_of_a_child() -> None:
    watch = ProcessWatch(os.getpid())
    command = [sys.executable, "-c", "import time; time.sleep(60)", "seen-argument"]
    with subprocess.Popen(command, env={"SEEN": "variable"}) as child:
        until(lambda: f"the environ of process {child.pid}" in watch.seen)
        child.kill()
    watch.close()
    shown = [watch.seen[f"the {what} of process {child.pid}"] for what in ("cmdline", "environ")]
    assert (b"seen-argument" in shown[0], b"SEEN=variable" in shown[1]) == (True, True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_children_of_children_are_descendants() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with subprocess.Popen([sys.executable, "-c", script], start_new_session=True) as child:
        until(lambda: len(descendants(child.pid)) == 1)
        (grandchild,) = descendants(child.pid)
        assert {child.pid, grandchild} <= descendants(os.getpid())
        os.killpg(child.pid, 9)


@pytest.mark.servers
def test_every_type_of_key_is_read_from_redis(redis_server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("observed-string", "value-1")
        client.rpush("observed-list", "value-2")
        client.sadd("observed-set", "value-3")
        client.zadd("observed-zset", {"value-4": 1})
        client.hset("observed-hash", "field", "value-5")
        client.xadd("observed-stream", {"field": "value-6"})
    everything = everything_in(redis_server.url)
    assert [n for n in range(1, 7) if f"value-{n}".encode() not in everything] == []


@pytest.mark.servers
def test_the_monitor_sees_commands_but_not_the_password(redis_server: EmbeddedRedis) -> None:
    password = urlsplit(redis_server.url).password or ""
    monitor = MonitorCapture(host="127.0.0.1", port=redis_server.port, password=password)
    until(lambda: b"+OK\r\n+OK\r\n" in monitor.seen)
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("observed-command", "value")
    until(lambda: b"observed-command" in monitor.seen)
    monitor.close()
    assert password.encode() not in monitor.seen
