"""What the queue may say: wake up, for this task and this name. Everything else is refused before Celery sees it.

Whoever can write to Redis can put anything into the queue. So an element is read here, under a bound on its size, and
what is accepted is two words of our own configuration and an id; the message that Celery gets is made anew from those.
Nothing that the sender chose besides (content type, compression, links to other tasks, times, routing) gets further.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from config.schedule import Expected

MAX_BYTES = 16_384
"""No element of ours is longer: a tenth of it holds names, times and Celery's headers."""

_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_EMPTY: tuple[Any, ...] = (None, 0, [], {}, [None, None])
_SENT_EMPTY = (
    "eta",
    "group",
    "retries",
    "timelimit",
    "shadow",
    "stamps",
    "stamped_headers",
    "compression",
)
"""Headers that would make more of a message than a wake-up. Celery writes most of them, empty."""


class Refused(StrEnum):
    """Why an element of the queue is dropped."""

    TOO_LONG = "longer than any message of ours"
    NOT_A_MESSAGE = "no message"
    CONTENT_TYPE = "not plain JSON"
    TASK = "a task that is not woken up by messages"
    ARGUMENTS = "not the name of one thing that is configured"
    EXTRAS = "more than a wake-up"
    EXPIRED = "expired"
    TOO_OFTEN = "more often than any schedule asks for"


@dataclass(frozen=True, slots=True)
class WakeUp:
    """One accepted wake-up: `name` is the credential or account, or None for a sweep."""

    task: str
    name: str | None
    id: str | None = None


class _RefusedError(Exception):
    def __init__(self, reason: Refused) -> None:
        super().__init__(reason)
        self.reason = reason


def read(raw: bytes, expected: Mapping[str, Expected], now: datetime) -> WakeUp | Refused:
    """Return the wake-up in one element of the queue, or why there is none. Never raises.

    Args:
        raw: the element as Redis has it.
        expected: for each task that messages wake up, what its argument may be.
        now: judges whether it expired.
    """
    if len(raw) > MAX_BYTES:
        return Refused.TOO_LONG
    try:
        return _read(raw, expected, now)
    except _RefusedError as refusal:
        return refusal.reason


def _read(raw: bytes, expected: Mapping[str, Expected], now: datetime) -> WakeUp:
    message = _mapping(_json(raw))
    headers, properties = _mapping(message.get("headers")), _mapping(message.get("properties"))
    _require_plain(message, properties)
    task = headers.get("task")
    known = expected.get(task) if isinstance(task, str) else None
    if not isinstance(task, str) or known is None:
        raise _RefusedError(Refused.TASK)
    if any(headers.get(one) not in _EMPTY for one in _SENT_EMPTY):
        raise _RefusedError(Refused.EXTRAS)
    name = _name(_body(message), known)
    if _is_over(headers.get("expires"), now):
        raise _RefusedError(Refused.EXPIRED)
    task_id = headers.get("id")
    return WakeUp(task, name, task_id if isinstance(task_id, str) and _ID.fullmatch(task_id) else None)


def _require_plain(message: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    plain = (
        message.get("content-type") == "application/json"
        and message.get("content-encoding") == "utf-8"
        and properties.get("body_encoding") == "base64"
    )
    if not plain:
        raise _RefusedError(Refused.CONTENT_TYPE)


def _body(message: Mapping[str, Any]) -> Any:
    body = message.get("body")
    if not isinstance(body, str):
        raise _RefusedError(Refused.NOT_A_MESSAGE)
    try:
        return _json(base64.b64decode(body, validate=True))
    except ValueError:
        raise _RefusedError(Refused.NOT_A_MESSAGE) from None


def _name(body: Any, known: Expected) -> str | None:
    if not isinstance(body, list) or len(body) != 3:  # noqa: PLR2004 - args, kwargs, embed: Celery's protocol 2
        raise _RefusedError(Refused.NOT_A_MESSAGE)
    args, kwargs, embed = body
    if kwargs != {} or not isinstance(embed, dict) or any(one is not None for one in embed.values()):
        raise _RefusedError(Refused.EXTRAS)
    if known.names is None:
        if args != []:
            raise _RefusedError(Refused.ARGUMENTS)
        return None
    if not isinstance(args, list) or len(args) != 1 or not isinstance(args[0], str) or args[0] not in known.names:
        raise _RefusedError(Refused.ARGUMENTS)
    return args[0]


def _is_over(expires: Any, now: datetime) -> bool:
    """Whether that time is past; raises _RefusedError when it is no time."""
    if expires is None:
        return False
    if not isinstance(expires, str):
        raise _RefusedError(Refused.EXTRAS)
    try:
        at = datetime.fromisoformat(expires)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)) <= now
    except (ValueError, OverflowError):
        raise _RefusedError(Refused.EXTRAS) from None


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _RefusedError(Refused.NOT_A_MESSAGE)
    return value


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):  # ValueError: also of bytes that are no text, and of endless numbers
        raise _RefusedError(Refused.NOT_A_MESSAGE) from None
