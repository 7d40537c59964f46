"""How a proxy talks with the server behind it, for each connection that a client made to the proxy."""

import select
import socket
from contextlib import ExitStack
from typing import BinaryIO, Protocol

from sandbox.chaos.resp import read_command, read_reply
from sandbox.chaos.wire import BrokenMessageError, Message, read_answer, read_request

UPSTREAM_SECONDS = 30.0

Address = tuple[str, int]


class Conversation(Protocol):
    """One client's connection, as the proxy passes it on."""

    def read(self, stream: BinaryIO) -> Message | None:
        """Return the client's next request, or None when it has ended the connection."""
        ...

    def ask(self, request: Message) -> Message:
        """Return the server's whole answer."""
        ...

    def close(self) -> None:
        """End the connection to the server, if one is kept."""
        ...


class HttpConversation:
    """A connection to the server for each request.

    One that is kept could be closed by the server at the very moment it is used, which would be a fault that nobody
    ordered.
    """

    def __init__(self, upstream: Address, client: socket.socket) -> None:
        del client
        self._upstream = upstream

    def read(self, stream: BinaryIO) -> Message | None:
        """See `Conversation.read`."""
        return read_request(stream)

    def ask(self, request: Message) -> Message:
        """See `Conversation.ask`."""
        with (
            socket.create_connection(self._upstream, timeout=UPSTREAM_SECONDS) as upstream,
            upstream.makefile("rb") as stream,
        ):
            upstream.sendall(request.raw)
            return read_answer(stream, to_method=request.method)

    def close(self) -> None:
        """Nothing is kept."""


class RedisConversation:
    """One connection to the server for as long as the client's lasts: login and database belong to it."""

    def __init__(self, upstream: Address, client: socket.socket) -> None:
        self._client = client
        self._exit = ExitStack()
        self._socket = self._exit.enter_context(socket.create_connection(upstream, timeout=UPSTREAM_SECONDS))
        self._stream = self._exit.enter_context(self._socket.makefile("rb"))

    def read(self, stream: BinaryIO) -> Message | None:
        """See `Conversation.read`."""
        return read_command(stream)

    def ask(self, request: Message) -> Message:
        """See `Conversation.ask`."""
        self._socket.sendall(request.raw)
        self._await_reply()
        return read_reply(self._stream)

    def _await_reply(self) -> None:
        """Return when the server answers; raises BrokenMessageError when the client goes away first.

        A worker's wait for its queue ends with the worker: else what is put there next would be handed to the dead.
        """
        watched = [self._socket, self._client]
        while True:
            readable, _, _ = select.select(watched, [], [])
            if self._socket in readable:
                return
            if self._client.recv(1, socket.MSG_PEEK) == b"":
                raise BrokenMessageError("the client went away before the answer")
            watched = [self._socket]  # it has sent more, and waits for two answers

    def close(self) -> None:
        """End the connection to the server."""
        self._exit.close()
