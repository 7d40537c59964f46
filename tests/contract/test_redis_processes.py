"""A real worker and real beats on a real Redis: they start, show signs of life, hand over, and end when told to."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from config.celery import QUEUE
from sandbox.processes import Child, Children
from sandbox.servers import EmbeddedRedis, free_port
from worker.heartbeat import HEARTBEAT_FILE
from worker.redis import connect

pytestmark = pytest.mark.servers

LOCK = "rotator:beat::lock"
CELERY = (sys.executable, "-m", "celery", "--quiet", "--app", "worker.app")
PATIENCE = 45.0
FULL = ("OutOfMemoryError", "ExecAbortError")
"""Of which the worker's log names one when a full Redis refuses a command."""

CONFIG = """
[schedule]
rotate_every = "1s"
revoke_every = "1s"
flag_every = "1s"
late_after = "4s"

[[accounts]]
name = "main"
api_url = "http://127.0.0.1:{port}"
identity_token_file = "identity.jwt"

[[credentials]]
name = "mm"
account = "main"
"""


def eventually(what: Callable[[], bool]) -> bool:
    """Return whether it came true within the time that a busy machine may need."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Processes:
    """Starts workers and beats that share one Redis; Vault and the exchange are not there."""

    def __init__(self, children: Children, folder: Path, url: str) -> None:
        self._children = children
        self._folder = folder
        self._url = url
        (folder / "rotator.toml").write_text(CONFIG.format(port=free_port()))
        (folder / "identity.jwt").write_text("")

    def worker(self, name: str = "worker") -> Child:
        return self._start(name, "worker", "--loglevel", "INFO", "--without-gossip", "--without-mingle")

    def beat(self, name: str) -> Child:
        return self._start(name, "beat", "--loglevel", "INFO")

    def heartbeat(self, name: str) -> Path:
        return self._folder / f"{name}.heartbeat"

    def _start(self, name: str, *argv: str) -> Child:
        environment = {
            "REDIS_URL": self._url,
            "VAULT_ADDR": f"http://127.0.0.1:{free_port()}",
            "VAULT_TOKEN": "not-a-real-token",
            "ROTATOR_CONFIG": str(self._folder / "rotator.toml"),
            HEARTBEAT_FILE: str(self.heartbeat(name)),
        }
        return self._children.start(name, (*CELERY, *argv), environment=environment)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(folder=tmp_path / "redis", append_only=True) as server:
        yield server


@pytest.fixture
def client(own_redis: EmbeddedRedis) -> Iterator[redis.Redis]:
    with connect(SecretStr(own_redis.url)) as made:
        yield made


@pytest.fixture
def processes(own_redis: EmbeddedRedis, tmp_path: Path) -> Iterator[Processes]:
    with Children(home=tmp_path / "children") as children:
        yield Processes(children, tmp_path, own_redis.url)


def test_a_worker_shows_signs_of_life_and_ends_cleanly_without_vault_and_exchange(processes: Processes) -> None:
    worker = processes.worker()
    assert eventually(processes.heartbeat("worker").exists), worker.log.read_text()
    assert (worker.stop(), processes.heartbeat("worker").exists()) == (0, False)


def test_two_beats_both_show_signs_of_life_and_the_second_takes_over(processes: Processes, client: redis.Redis) -> None:
    first = processes.beat("first")
    assert eventually(lambda: client.exists(LOCK) == 1), first.log.read_text()
    leader = client.get(LOCK)
    second = processes.beat("second")
    assert eventually(processes.heartbeat("second").exists), second.log.read_text()
    assert client.get(LOCK) == leader
    assert first.stop() == 0
    assert eventually(lambda: client.get(LOCK) not in {leader, None}), second.log.read_text()


def test_beat_tells_that_nobody_takes_its_wake_ups_and_that_somebody_does_again(processes: Processes) -> None:
    beat = processes.beat("beat")

    def told() -> int:
        return beat.log.read_text().count('"reason": "late"')

    assert eventually(lambda: told() == 1), beat.log.read_text()
    worker = processes.worker()
    assert eventually(lambda: told() == 2), beat.log.read_text() + worker.log.read_text()
    assert "The wake-ups in Redis are taken again." in beat.log.read_text()


def test_one_wake_up_reaches_the_worker_and_its_failure_is_told_and_not_fatal(processes: Processes) -> None:
    worker, beat = processes.worker(), processes.beat("beat")
    told = lambda: '"reason": "unreadable"' in worker.log.read_text()  # noqa: E731 - reads as what is waited for
    assert eventually(told), worker.log.read_text() + beat.log.read_text()
    assert worker.exit_code is None


def test_a_worker_outlives_a_restart_of_redis(processes: Processes, own_redis: EmbeddedRedis) -> None:
    worker, beat = processes.worker(), processes.beat("beat")
    assert eventually(lambda: "rotate_credential" in worker.log.read_text()), beat.log.read_text()

    def taken() -> int:
        """How many sweeps came by message: what a worker does by its own clock begins with the names."""
        return worker.log.read_text().count("Task worker.tasks.rotate_due_credentials")

    own_redis.stop()
    own_redis.start()
    seen = taken()
    assert eventually(lambda: taken() > seen + 1), worker.log.read_text()
    assert worker.exit_code is None


def test_a_worker_that_takes_a_wake_up_while_redis_is_full_lives_and_works_on(
    processes: Processes, client: redis.Redis
) -> None:
    worker, beat = processes.worker(), processes.beat("beat")

    def rotations() -> int:
        return worker.log.read_text().count("rotate_credential")

    def refused() -> bool:
        return any(one in worker.log.read_text() for one in FULL)

    assert eventually(lambda: rotations() > 0), beat.log.read_text()
    # What is queued while the worker stands still is taken when Redis is full, and then wakes up what cannot be sent.
    worker.send(signal.SIGSTOP)
    assert eventually(lambda: client.exists(QUEUE) == 1), beat.log.read_text()
    client.config_set("maxmemory", 1)
    worker.send(signal.SIGCONT)
    assert eventually(lambda: worker.exit_code is not None or refused()), worker.log.read_text()
    client.config_set("maxmemory", 0)
    seen = rotations()
    assert eventually(lambda: worker.exit_code is not None or rotations() > seen), worker.log.read_text()
    assert worker.exit_code is None, worker.log.read_text()
