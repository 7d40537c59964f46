"""What ASGI has no word for: a request's target exactly as sent, and cutting the connection it came by."""

import asyncio
import contextlib
import socket
import struct
from typing import Any

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_CUTTER = "sandbox.cutter"
_TARGET = "sandbox.target"


class _Connection(h11.Connection):
    """Remembers the target of the request being read: ASGI splits it, and "/x?" becomes the same as "/x"."""

    target: bytes = b""

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self.target = event.target
        return event


class CuttableProtocol(H11Protocol):
    """HTTP/1.1 with each request's scope carrying its target and the means to end its connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        connection = self.conn = _Connection(h11.SERVER)
        inner: ASGIApp = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope[_CUTTER] = self
            scope[_TARGET] = connection.target.decode("latin-1")
            await inner(scope, receive, send)

        self.app = app

    def cut(self, *, reset: bool) -> None:
        """End the connection now: with a TCP reset, or closed in good order but in the middle of HTTP."""
        if reset:
            endpoint = self.transport.get_extra_info("socket")
            with contextlib.suppress(OSError):  # gone already
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()


def target_of(scope: Scope) -> str:
    """Return the request's target, path and query, exactly as it was sent."""
    target: str = scope[_TARGET]
    return target


async def cut(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Cut the connection that this request came by, and return when it is gone.

    Returning earlier would make uvicorn report an application that forgot to answer.
    """
    protocol: CuttableProtocol = scope[_CUTTER]
    protocol.cut(reset=reset)
    while (await receive())["type"] != "http.disconnect":
        await asyncio.sleep(0)
