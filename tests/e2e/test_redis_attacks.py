"""Whoever can write to Redis may wake the workers up, and nothing more: sweeps go on, whatever he does each second."""

import json
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis

from config.celery import QUEUE
from config.schedule import FLAG_ACCOUNT, REVOKE_ACCOUNT, ROTATE_CREDENTIAL
from tests.crafted import CRAFTED, HARMLESS, SWEEP, element, message
from tests.e2e.outage_stack import System, running_system
from tests.e2e.processes import until
from worker.beat import LEAD_KEY, SENT_KEY
from worker.redis import STREAM
from worker.redis.lease import LEASE_PREFIX

pytestmark = [pytest.mark.e2e, pytest.mark.servers, pytest.mark.timeout(120)]

CONFIG = Path(__file__).parent / "attacks.toml"
INTERVAL = 3.0
SECONDS = 11.0
"""How long each attack lasts: three whole pairs of intervals would begin in it."""

SWEEPS = (ROTATE_CREDENTIAL, REVOKE_ACCOUNT, FLAG_ACCOUNT)
NAMES = {ROTATE_CREDENTIAL: ("market-maker", "hedger"), REVOKE_ACCOUNT: ("desk",), FLAG_ACCOUNT: ("desk",)}
TASKS_OF_SWEEPS = (SWEEP, "worker.tasks.revoke_expired_tokens", "worker.tasks.flag_stale_tokens")
OURS = (QUEUE, LEAD_KEY, SENT_KEY, STREAM, f"{LEASE_PREFIX}rotate:market-maker", f"{LEASE_PREFIX}revoke:desk")
KOMBUS = ("unacked", "unacked_index", "unacked_mutex", f"_kombu.binding.{QUEUE}", f"{QUEUE}\x06\x163")
REDBEATS = ("rotator:beat::schedule", "rotator:beat::statics", "rotator:beat:rotate-due-credentials")


def crafted_messages(server: redis.Redis, turn: int) -> None:
    """Everything that once ended a worker, held its threads, or did what its sender wanted."""
    del turn
    server.lpush(QUEUE, *(element(one) for one in (*CRAFTED.values(), *HARMLESS.values())))
    server.lpush(QUEUE, *[element(CRAFTED["celery.map"])] * 16)


def keys_of_another_kind(server: redis.Redis, turn: int) -> None:
    """Every key that the product, kombu or RedBeat uses or used holds something else."""
    for key in (*OURS, *KOMBUS, *REDBEATS):
        server.delete(key)
        (
            lambda key: server.set(key, b"\xff nonsense"),
            lambda key: server.hset(key, "a", b"\xff"),
            lambda key: server.zadd(key, {"not json": 1}),
        )[turn % 3](key)


def a_lead_and_hints_that_lie(server: redis.Redis, turn: int) -> None:
    """Somebody else leads for ever, for years, or for as long as a leader may; all was sent just now, or will be."""
    life: dict[str, Any] = ({}, {"px": 10**12}, {"px": 30_000})[turn % 3]
    server.set(LEAD_KEY, "another", **life)
    now = time.time()
    said = (str(now), str(now + 1e9), "nan", b"\xff" * 100, "-1e308")[turn % 5]
    server.delete(SENT_KEY, *REDBEATS)
    server.hset(SENT_KEY, mapping=dict.fromkeys(("rotate-due-credentials", "revoke-expired-tokens"), said))
    server.hset(SENT_KEY, "flag-stale-tokens", str(now))
    for name in ("rotate:market-maker", "rotate:hedger", "revoke:desk"):
        server.set(f"{LEASE_PREFIX}{name}", "another", px=3_000)
    redbeat = {"name": "foreign", "task": "worker.tasks.rotate_credential", "schedule": 1, "args": ["market-maker"]}
    server.hset("rotator:beat:foreign", "definition", json.dumps(redbeat))
    server.zadd("rotator:beat::schedule", {"rotator:beat:foreign": 1})


def everything_is_gone(server: redis.Redis, turn: int) -> None:
    """Redis is emptied, forgets its scripts, and cuts every connection; the queue's readers have a rival."""
    del turn
    server.flushall()
    server.script_flush()
    server.client_kill_filter(_type="normal", skipme=True)
    with suppress(redis.RedisError):
        server.brpop([QUEUE], timeout=0.2)


def floods(server: redis.Redis, turn: int) -> None:
    """Hundreds of thousands of elements, elements of many megabytes, and wake-ups that are valid, by the hundred."""
    if turn == 0:
        for _ in range(40):
            server.lpush("flood", *["x"] * 5_000)
        server.set("giant", "x" * 16_000_000)
        server.eval("redis.call('rpush', KEYS[1], redis.call('get', KEYS[2]))", 2, "flood", "giant")
    server.copy("flood", QUEUE, replace=True)
    valid = [element(message(task, [name])) for task, names in NAMES.items() for name in names]
    valid += [element(message(task, [])) for task in TASKS_OF_SWEEPS]
    server.lpush(QUEUE, *valid * 100)


ATTACKS = (crafted_messages, keys_of_another_kind, a_lead_and_hints_that_lie, everything_is_gone, floods)


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with running_system(config=CONFIG) as one:
        yield one


@pytest.fixture
def attacker(system: System) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(system.stack.redis.url, socket_timeout=10) as client:
        yield client


def repeat(act: Callable[[redis.Redis, int], None], server: redis.Redis, over: threading.Event) -> int:
    """Do it once a second until it is over, at any moment within the second; return how often."""
    draw = random.Random(act.__name__)  # noqa: S311 - seeded, so that a run can be repeated
    turn = 0
    while not over.is_set():
        with suppress(redis.ConnectionError):  # it cuts its own connections too
            act(server, turn)
        turn += 1
        over.wait(draw.uniform(0.9, 1.1))
    return turn


def completed(system: System) -> dict[str, list[float]]:
    """Return when each kind of sweep was completed by any worker, in seconds since the epoch, in order."""
    found: dict[str, list[float]] = {task: [] for task in SWEEPS}
    for name in ("worker-1", "worker-2"):
        for line in system.log(name).splitlines():
            with suppress(ValueError):
                entry = json.loads(line)
                task = str(entry.get("event", "")).removeprefix("Task ").partition("[")[0]
                if task in found and "succeeded in" in entry["event"]:
                    found[task].append(datetime.fromisoformat(entry["timestamp"]).timestamp())
    return {task: sorted(times) for task, times in found.items()}


def longest_silence(times: list[float], began: float, ended: float) -> float:
    inside = [began, *(one for one in times if began < one < ended), ended]
    return max((later - earlier for earlier, later in pairwise(inside)), default=math.inf)


@pytest.mark.parametrize("act", ATTACKS, ids=lambda act: act.__name__)
def test_sweeps_go_on_within_two_intervals_and_nobody_ends(
    system: System, attacker: redis.Redis, act: Callable[[redis.Redis, int], None]
) -> None:
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        attacking = pool.submit(repeat, act, attacker, over)
        began = time.time()
        end = time.monotonic() + SECONDS
        try:
            until(lambda: time.monotonic() >= end, SECONDS + 5, "the end of the attack")
        finally:
            over.set()
        ended = time.time()
        assert attacking.result() >= 3
    silences = {task: longest_silence(times, began, ended) for task, times in completed(system).items()}
    assert {task: round(one, 1) for task, one in silences.items() if one > 2 * INTERVAL} == {}
    assert list(system._ended_processes()) == []


def test_after_all_of_that_everything_is_rotated_and_nobody_was_rejected(system: System, attacker: redis.Redis) -> None:
    attacker.flushall()
    system.wait_for_rotations()
    assert system.faults() == []
    assert system.alerts("foreign_message")[""] >= 1
    logs = "".join(system.log(f"worker-{number}") for number in (1, 2))
    assert "os.system" not in logs
    assert logs.count("foreign_message") < 60, "what is refused is told once for each kind"
