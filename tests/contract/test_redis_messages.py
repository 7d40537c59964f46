"""What Celery really writes into Redis: names, and nothing else."""

import base64
import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
import redis
from pydantic import SecretStr

from config.celery import QUEUE
from config.schedule import FLAG_STALE, REVOKE_EXPIRED, ROTATE_DUE, expires_after
from sandbox.servers import EmbeddedRedis
from tests.fakes.clock import FakeClock
from tests.unit.celery.apps import settings_of
from worker.app import RotatorApp
from worker.engine import Engine
from worker.redis import connect
from worker.snapshot import Gatherer
from worker.tasks import FLAG_ACCOUNT, REVOKE_ACCOUNT, ROTATE_CREDENTIAL
from worker.wiring import Container

pytestmark = pytest.mark.servers

CREDENTIALS = {"mm": "main", "hedge": "main", "settle": "second"}


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    with connect(SecretStr(redis_server.url)) as made:
        made.delete(QUEUE)
        yield made
        made.delete(QUEUE)


@pytest.fixture
def app(redis_server: EmbeddedRedis) -> Iterator[RotatorApp]:
    settings = settings_of(CREDENTIALS, redis_url=redis_server.url)
    made = RotatorApp(lambda: settings)
    made.use(
        Container(settings=settings, clock=FakeClock(), gatherer=cast("Gatherer", None), engine=cast("Engine", None))
    )
    yield made
    made.close()


def published(client: redis.Redis) -> list[dict[str, Any]]:
    """Return the messages in the queue, the oldest first, bodies decoded."""
    raw = cast("list[str]", client.lrange(QUEUE, 0, -1))[::-1]
    messages = [json.loads(one) for one in raw]
    return [{**one, "body": json.loads(base64.b64decode(one["body"]))} for one in messages]


@pytest.mark.parametrize(
    "sweep, task, names",
    [
        (ROTATE_DUE, ROTATE_CREDENTIAL, ["mm", "hedge", "settle"]),
        (REVOKE_EXPIRED, REVOKE_ACCOUNT, ["main", "second"]),
        (FLAG_STALE, FLAG_ACCOUNT, ["main", "second"]),
    ],
)
def test_a_message_carries_one_name_and_nothing_else(
    app: RotatorApp, client: redis.Redis, sweep: str, task: str, names: list[str]
) -> None:
    app.tasks[sweep]()
    nothing = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    found = [(one["headers"]["task"], one["body"]) for one in published(client)]
    assert found == [(task, [[name], {}, nothing]) for name in names]


def test_a_message_expires_within_its_sweeps_interval(app: RotatorApp, client: redis.Redis) -> None:
    app.tasks[ROTATE_DUE]()
    (mm, *_) = published(client)
    assert mm["headers"]["expires"] is not None
    assert expires_after(app.settings.schedule.rotate_every) < app.settings.schedule.rotate_every.total_seconds()


def test_a_message_is_json(app: RotatorApp, client: redis.Redis) -> None:
    app.tasks[ROTATE_DUE]()
    assert {one["content-type"] for one in published(client)} == {"application/json"}


def test_no_password_is_in_a_message(app: RotatorApp, client: redis.Redis, redis_server: EmbeddedRedis) -> None:
    app.tasks[ROTATE_DUE]()
    password = redis_server.url.split(":")[2].split("@")[0]
    assert password not in json.dumps(published(client))
