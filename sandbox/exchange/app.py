"""The exchange's public port: reads a request, lets faults befall it, writes the ledger, answers."""

import asyncio
import contextlib
import json
import math
from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from sandbox.exchange.auth import SignedRequest
from sandbox.exchange.calls import Answer, Work, match, work
from sandbox.exchange.cutting import cut, target_of
from sandbox.exchange.errors import Refusal, error_body
from sandbox.exchange.faults import Misfortune
from sandbox.exchange.records import Call, Fault
from sandbox.exchange.state import ExchangeState

_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
)

_INSTEAD: Mapping[Fault, HTTPStatus] = MappingProxyType(
    {
        Fault.THROTTLE: HTTPStatus.TOO_MANY_REQUESTS,
        Fault.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
        Fault.HTML_ERROR: HTTPStatus.BAD_GATEWAY,
    }
)
"""Endings that are answered instead of doing the work."""

_WITH_RETRY_AFTER = (Fault.THROTTLE, Fault.UNAVAILABLE)

_MESSAGES: Mapping[HTTPStatus, str] = MappingProxyType(
    {
        HTTPStatus.TOO_MANY_REQUESTS: "ThrottlerException: Too Many Requests",
        HTTPStatus.SERVICE_UNAVAILABLE: "Service is temporarily unavailable",
    }
)


class ExchangeApp:
    """The ASGI application of the public port."""

    def __init__(self, state: ExchangeState) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (or, when a fault says so, end its connection)."""
        call, token_id = match(scope["method"], scope["raw_path"].decode("latin-1"))
        misfortune = self._state.befall(call)
        request = _signed_request(scope, b"")
        if misfortune.ending is Fault.CUT_BEFORE:
            self._record(call, Work(self._state, request, misfortune, target_token_id=token_id), status=None)
            await cut(scope, receive, reset=True)
            return
        try:
            request = _signed_request(scope, await Request(scope, receive).body())
        except ClientDisconnect:
            return
        job = Work(self._state, request, misfortune, target_token_id=token_id)
        status, headers, body = self._answer(call, job)
        if Fault.SLOW in misfortune.amounts:
            await _wait(receive, misfortune.seconds(Fault.SLOW))
        await _deliver(scope, receive, send, status=status, headers=headers, body=body, ending=misfortune.ending)

    def _answer(self, call: Call, job: Work) -> tuple[HTTPStatus, dict[str, str], bytes]:
        # The ledger is written before the answer leaves, so that whoever has the answer finds the entry.
        headers = self._headers(job.misfortune)
        instead = _INSTEAD.get(job.misfortune.ending) if job.misfortune.ending else None
        if instead:
            self._record(call, job, status=instead, reason=str(job.misfortune.ending))
            if instead is HTTPStatus.BAD_GATEWAY:
                return instead, {**headers, "content-type": "text/html"}, _PAGE
            return instead, headers, _dump(error_body(instead, _MESSAGES[instead]))
        reason = None
        try:
            answer = work(call, job)
        except Refusal as refusal:
            reason = refusal.reason
            answer = Answer(refusal.status, refusal.body())
        self._record(call, job, status=answer.status, reason=reason)
        return answer.status, headers, _dump(answer.content)

    def _headers(self, misfortune: Misfortune) -> dict[str, str]:
        now = self._state.now() + timedelta(seconds=misfortune.seconds(Fault.SKEW_CLOCK))
        headers = {"content-type": "application/json; charset=utf-8", "date": format_datetime(now, usegmt=True)}
        wait = next((misfortune.amounts[fault] for fault in _WITH_RETRY_AFTER if fault in misfortune.amounts), None)
        if wait is not None:
            # Whole seconds are all that the header can say; rounding down would invite the client back too early.
            seconds = math.ceil(wait)
            as_date = format_datetime(now + timedelta(seconds=seconds), usegmt=True)
            headers["retry-after"] = as_date if self._state.options.retry_after == "date" else str(seconds)
        return headers

    def _record(self, call: Call, job: Work, *, status: int | None, reason: str | None = None) -> None:
        self._state.record(
            at=self._state.now(),
            call=call,
            method=job.request.method,
            path=job.request.target,
            auth=job.request.claimed,
            profile=job.caller.profile.name if job.caller else None,
            token_id=job.request.claimed_token_id,
            target_token_id=job.target_token_id,
            status=None if status is None else int(status),
            reason=reason,
            faults=job.misfortune.names,
        )


def _signed_request(scope: Scope, body: bytes) -> SignedRequest:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return SignedRequest(method=scope["method"], target=target_of(scope), body=body, headers=headers)


async def _wait(receive: Receive, seconds: float) -> None:
    # A client that gave up is not waited for, or stopping would take as long as the slowest answer.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                await asyncio.sleep(0)


async def _deliver(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    status: HTTPStatus,
    headers: dict[str, str],
    body: bytes,
    ending: Fault | None,
) -> None:
    if ending is Fault.LOSE_ANSWER:
        await cut(scope, receive, reset=False)
        return
    half = body[: len(body) // 2]
    if ending is Fault.TRUNCATED_JSON:
        body = half
    headers = {**headers, "content-length": str(len(body))}
    await send(
        {
            "type": "http.response.start",
            "status": status.value,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    if ending is Fault.CUT_ANSWER:
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await cut(scope, receive, reset=False)
        return
    await send({"type": "http.response.body", "body": body})


def _dump(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
