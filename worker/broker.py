"""The way of messages through Redis: one list for each queue, and nothing else.

Takes the place of kombu's own Redis transport, which trusts what it finds: an element that is no JSON, a key of
another kind or a damaged note about an unfinished message ends or stalls a worker, and whoever can write to Redis
makes it decode, decompress and restore what he likes. A wake-up needs no note: one that is lost is made up for by the
next sweep. So nothing is kept of a message that was taken, and what Celery is given was made by `worker.gate`.
"""

import base64
import hashlib
import itertools
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty
from typing import Any, cast
from urllib.parse import urlsplit

import redis
import structlog
from kombu.transport import virtual
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from config.celery import QUEUE
from worker.gate import MAX_BYTES, WakeUp
from worker.inbox import Inbox
from worker.redis import connect

INBOX = "inbox"
"""The transport option that holds this worker's inbox."""

AT_ONCE = 200
"""How many elements are taken at once at most."""

ROUNDS = 50
"""How often it takes more before it pauses, when nothing of what it took was a wake-up."""

FAR_TOO_MANY = 20_000
"""A longer queue is not ours, and is cut to its two ends."""

RETRY_SECONDS = 1.0
"""How soon Redis is asked again after it failed."""

# Half of what is there, so that several workers share what a sweep wakes up. What is too long does not leave Redis.
TAKE = """
local kind = redis.call('type', KEYS[1]).ok
if kind == 'none' then return {0} end
if kind ~= 'list' then redis.call('unlink', KEYS[1]) return {-1} end
local length = redis.call('llen', KEYS[1])
local taken = {length}
local function take(command, count)
  for _ = 1, count do
    local one = redis.call(command, KEYS[1])
    if not one then return end
    if #one > tonumber(ARGV[3]) then one = string.rep(' ', tonumber(ARGV[3]) + 1) end
    taken[#taken + 1] = one
  end
end
local most = tonumber(ARGV[2])
if length > tonumber(ARGV[1]) then
  take('rpop', most / 2)
  take('lpop', most / 2)
  redis.call('unlink', KEYS[1])
else
  take('rpop', math.min(most, math.ceil(length / 2)))
end
return taken
"""
TAKE_SHA = hashlib.sha1(TAKE.encode()).hexdigest()  # noqa: S324 - how Redis names a script

_NOTHING = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}

_TAGS = itertools.count(1)

_log = structlog.get_logger(__name__)


class Channel(virtual.Channel):
    """Puts messages into a list in Redis, and takes wake-ups out of it.

    Raises:
        RedisError: Redis cannot be reached.
    """

    do_restore = False
    supports_fanout = False

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        options = connection.client.transport_options
        self._inbox: Inbox | None = options.get(INBOX)
        self._client = connect(
            SecretStr(connection.client.hostname),
            socket_timeout=options.get("socket_timeout", 5),
            connect_timeout=options.get("socket_connect_timeout", 3),
            # Once more, to get over a connection that Redis closed. What may thereby be sent twice is a wake-up.
            retry=Retry(NoBackoff(), 1),
            text=False,
        )
        self._take = self._client.register_script(TAKE)
        self._failing = False
        self._not_before = 0.0
        try:
            self._client.ping()
        except BaseException:
            self._client.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        super().close()
        with suppress(RedisError, OSError):
            self._client.close()

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        del kwargs
        text = json.dumps(message)
        try:
            self._client.lpush(queue, text)
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            self._client.unlink(queue)
            self._client.lpush(queue, text)

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        """Return the next message, made anew; raises Empty when there is none, or Redis does not answer."""
        del timeout
        inbox = self._inbox
        if inbox is None:
            raise Empty
        wake_up = inbox.next()
        rounds = 0
        while wake_up is None and rounds < ROUNDS and self._fill(inbox, queue):
            wake_up, rounds = inbox.next(), rounds + 1
        if wake_up is None:
            if queue == QUEUE and not self._failing:
                # Another queue's owner wakes its worker up as he likes; and without Redis there are no leases, so that
                # every worker would begin the same work, and get in the way of people's orders.
                inbox.wake_up_what_is_overdue()
            wake_up = inbox.next()
        if wake_up is None:
            raise Empty
        return _message(wake_up, queue)

    def _fill(self, inbox: Inbox, queue: str) -> bool:
        """Let the inbox sift what is in the queue; return whether there was anything."""
        if time.monotonic() < self._not_before:
            return False
        elements: list[bytes] = []
        with self._telling_failures():
            length, *elements = cast(
                "tuple[Any, ...]", self._take(keys=[queue], args=[FAR_TOO_MANY, AT_ONCE, MAX_BYTES])
            )
            inbox.vitals.answered()
            if length < 0:
                inbox.displaced(queue)
            if length > FAR_TOO_MANY:
                inbox.flooded(length)
            inbox.sift(elements)
        return bool(elements)

    @contextmanager
    def _telling_failures(self) -> Iterator[None]:
        """Whatever Redis does, the loop that reads from it goes on, and asks again soon."""
        try:
            yield
        except (RedisError, OSError) as error:
            self._not_before = time.monotonic() + RETRY_SECONDS
            if not self._failing:
                self._failing = True
                _log.warning("queue_unreachable", error=type(error).__name__, result="asked again every second")
            return
        if self._failing:
            self._failing = False
            _log.info("queue_reached_again")

    def _size(self, queue: str) -> int:
        del queue
        return 0

    def _purge(self, queue: str) -> int:
        self._client.unlink(queue)
        return 0

    def _restore(self, message: Any) -> None:
        """Nothing is delivered again: the next sweep makes up for it."""

    def _restore_at_beginning(self, message: Any) -> None:
        """Nothing is delivered again: the next sweep makes up for it."""


class Transport(virtual.Transport):
    """What Celery asks for channels; Redis's address comes with the connection."""

    Channel = Channel
    can_parse_url = True
    driver_type = "redis"
    driver_name = "redis"
    polling_interval = 0.1
    """Seconds between looks into an empty queue."""

    # Whatever Redis answers: connect again and go on, rather than end.
    connection_errors = (
        *virtual.Transport.connection_errors,
        RedisError,
        OSError,
    )

    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:  # noqa: FBT001, FBT002 - kombu's
        """Return the address without any login."""
        del include_password, mask
        parts = urlsplit(uri)
        return f"{parts.scheme}://{parts.hostname}:{parts.port}{parts.path}"

    def driver_version(self) -> str:
        """Return redis-py's version."""
        return str(redis.__version__)


def _message(wake_up: WakeUp, queue: str) -> dict[str, Any]:
    """Return what Celery sends for such a wake-up, and nothing that came with this one."""
    task_id = wake_up.id or str(uuid.uuid4())
    args = [] if wake_up.name is None else [wake_up.name]
    return {
        "body": base64.b64encode(json.dumps([args, {}, _NOTHING]).encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {
            "lang": "py",
            "task": wake_up.task,
            "id": task_id,
            "root_id": task_id,
            "parent_id": None,
            "group": None,
            "retries": 0,
            "timelimit": [None, None],
            "eta": None,
            "expires": None,
            "argsrepr": repr(tuple(args)),
            "kwargsrepr": "{}",
        },
        "properties": {
            "correlation_id": task_id,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(next(_TAGS)),
        },
    }
