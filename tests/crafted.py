"""Elements that somebody who can write to Redis puts into the queue. None of them may do anything."""

import base64
import bz2
import json
import zlib
from collections.abc import Mapping
from typing import Any

CREDENTIAL = "market-maker"
ROTATE = "worker.tasks.rotate_credential"
SWEEP = "worker.tasks.rotate_due_credentials"
NOTHING: dict[str, Any] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def message(
    task: object = ROTATE,
    args: object = (CREDENTIAL,),
    *,
    kwargs: object = None,
    embed: object = None,
    body: bytes | None = None,
    headers: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a message as Celery sends it, with anything in it replaced."""
    if body is None:
        body = json.dumps([args, {} if kwargs is None else kwargs, NOTHING if embed is None else embed]).encode()
    return {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": task,
            "id": "00000000-0000-0000-0000-000000000001",
            "shadow": None,
            "eta": None,
            "expires": None,
            "group": None,
            "group_index": None,
            "retries": 0,
            "timelimit": [None, None],
            "root_id": "00000000-0000-0000-0000-000000000001",
            "parent_id": None,
            "argsrepr": "()",
            "kwargsrepr": "{}",
            "origin": "gen1@host",
            "ignore_result": False,
            "replaced_task_nesting": 0,
            "stamped_headers": None,
            "stamps": {},
            **(headers or {}),
        },
        "properties": {
            "correlation_id": "00000000-0000-0000-0000-000000000001",
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "rotator"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "00000000-0000-0000-0000-000000000002",
            **(properties or {}),
        },
    }


def without(made: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return a message that lacks something."""
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner.pop(path[-1])
    return made


_SIGNATURE = {"task": ROTATE, "args": [CREDENTIAL], "kwargs": {}, "options": {}}
_BOMB = bz2.compress(b"0" * 50_000_000)

CRAFTED: dict[str, Any] = {
    "no JSON": b"\xff\xfe not json {",
    "nothing": b"",
    "a number": 5,
    "null": None,
    "a list": [1, 2],
    "text": "hello",
    "deeply nested": b"[" * 10_000,
    "an endless number": b"9" * 10_000,
    "not a number": b"NaN",
    "an empty mapping": {},
    "no properties": without(message(), "properties"),
    "no headers": without(message(), "headers"),
    "headers that are a list": message() | {"headers": [1]},
    "no task": without(message(), "headers", "task"),
    "a task that is a list": message(["x"]),
    "application/data": message() | {"content-type": "application/data"},
    "pickle": message() | {"content-type": "application/x-python-serialize", "content-encoding": "binary"},
    "yaml": message() | {"content-type": "application/x-yaml"},
    "no content type": message() | {"content-type": None},
    "another encoding": message() | {"content-encoding": "utf-16"},
    "an unknown encoding": message() | {"content-encoding": "no-such-codec"},
    "a body that is 5": message(body=b"5"),
    "a body that is null": message(body=b"null"),
    "a body that is a list of one": message(body=b"[1]"),
    "a body that is no JSON": message(body=b"{"),
    "a body that is a mapping": message(body=b"{}"),
    "a body that is not base64": message() | {"body": "%%%"},
    "a body that is a list, undecoded": message() | {"body": [1]},
    "a body in another encoding": message(properties={"body_encoding": "hex"}),
    "a bomb of bz2": message(body=_BOMB, headers={"compression": "application/x-bz2"}),
    "gzip": message(body=zlib.compress(b"[]"), headers={"compression": "application/x-gzip"}),
    "celery.map": message("celery.map", [_SIGNATURE, [["market-maker"]] * 1000]),
    "celery.chord_unlock": message("celery.chord_unlock", ["g", _SIGNATURE], kwargs={"result": [[["x", None], None]]}),
    "celery.backend_cleanup": message("celery.backend_cleanup", []),
    "an unknown task": message("os.system", ["id"]),
    "an unknown credential": message(args=["nobody"]),
    "a long name": message(args=["x" * 5000]),
    "two arguments": message(args=[CREDENTIAL, CREDENTIAL]),
    "no argument": message(args=[]),
    "an argument that is a list": message(args=[[CREDENTIAL]]),
    "arguments that are text": message(args=CREDENTIAL),
    "an argument by keyword": message(args=[], kwargs={"credential": CREDENTIAL}),
    "a sweep with an argument": message(SWEEP, ["x"]),
    "a callback": message(embed={**NOTHING, "callbacks": [_SIGNATURE]}),
    "an errback": message(embed={**NOTHING, "errbacks": [_SIGNATURE]}),
    "a chain": message(embed={**NOTHING, "chain": [_SIGNATURE]}),
    "a chord": message(embed={**NOTHING, "chord": _SIGNATURE}),
    "an embed that is a list": message(embed=[]),
    "an ETA": message(headers={"eta": "2099-01-01T00:00:00+00:00"}),
    "an ETA that is none": message(headers={"eta": "soon"}),
    "expired": message(headers={"expires": "2001-01-01T00:00:00+00:00"}),
    "an expiry that is none": message(headers={"expires": "never"}),
    "an expiry that is a mapping": message(headers={"expires": {"a": 1}}),
    "retries": message(headers={"retries": 3}),
    "a time limit": message(headers={"timelimit": [0.001, 0.001]}),
    "a group": message(headers={"group": "g"}),
    "stamps": message(headers={"stamped_headers": ["a"], "stamps": {"a": 1}}),
    "protocol 1": {
        **message(headers={"task": None}),
        "body": base64.b64encode(
            json.dumps({"task": "celery.map", "id": "1", "args": [], "kwargs": {}}).encode()
        ).decode(),
    },
    "too long": message(headers={"argsrepr": "x" * 50_000}),
}
"""By what is odd about each."""

HARMLESS: dict[str, Any] = {
    "no delivery tag": without(message(), "properties", "delivery_tag"),
    "a delivery tag that is a list": message(properties={"delivery_tag": [1]}),
    "no delivery info": without(message(), "properties", "delivery_info"),
    "delivery info that is text": message(properties={"delivery_info": "x"}),
    "a priority that is none": message(properties={"priority": "high"}),
    "headers of nobody": message(headers={"ignore_result": [1], "replaced_task_nesting": "x", "origin": 5}),
    "a parent that is a list": message(headers={"parent_id": [1], "root_id": {}}),
}
"""What is odd about these is not looked at: they are wake-ups. They once ended a worker."""


def element(made: Any) -> bytes:
    """Return it as it is put into the queue."""
    return made if isinstance(made, bytes) else json.dumps(made).encode()
