"""The pausing proxy for Redis, whose clients send several commands before they read, and wait long for one of them.

A connection of the client has one of the server, whose replies come in the order of the commands.
"""

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO, Final

from sandbox.chaos.proxy import UPSTREAM_SECONDS, Hold, Moment, PausingProxy, Verdict, reset_when_closed
from sandbox.chaos.resp import is_push, read_command, read_reply
from sandbox.chaos.wire import BrokenMessageError, Message
from worker.broker import TAKE_SHA

_WAITING_FOR_WORK: Final = frozenset({"BRPOP", "BLPOP"})
"""What an idle client has open, or asks, all the time: no work is under way because of it."""

_TAKE: Final = TAKE_SHA.encode()


@dataclass(slots=True)
class _Asked:
    """A command whose reply has not come."""

    hold: Hold | None
    waits: bool
    done: ExitStack


class _Conversation:
    """One connection: commands that were sent on and not answered, in order."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self._asked: deque[_Asked] = deque()
        self._changed = threading.Condition()

    def send_on(self, command: Message, asked: _Asked) -> None:
        with self._changed:
            self._asked.append(asked)
        self.server.sendall(command.raw)

    def answered(self) -> _Asked:
        """Return the command that the next reply belongs to."""
        with self._changed:
            if not self._asked:
                raise BrokenMessageError("a reply came to no command")
            return self._asked[0]

    def forget_first(self) -> None:
        with self._changed:
            self._asked.popleft().done.close()
            self._changed.notify_all()

    def forget_all(self) -> None:
        with self._changed:
            while self._asked:
                self._asked.popleft().done.close()
            self._changed.notify_all()

    def await_answers(self) -> None:
        """Return when the server did everything that it was asked for, waiting for work excepted."""
        with self._changed:
            self._changed.wait_for(lambda: all(one.waits for one in self._asked), UPSTREAM_SECONDS)


class RedisProxy(PausingProxy):
    """Stands before a Redis on a port of its own; commands are named by verb and first key, such as `SET lease`."""

    def _converse(self, connection: socket.socket) -> None:
        with (
            socket.create_connection(self._upstream, timeout=UPSTREAM_SECONDS) as server,
            connection.makefile("rb") as commands,
            server.makefile("rb") as replies,
        ):
            server.settimeout(None)
            talk = _Conversation(connection, server)
            answering = threading.Thread(target=self._answer, args=(talk, replies), name="proxied", daemon=True)
            answering.start()
            try:
                self._ask_on(talk, commands)
            finally:
                # A client that is gone must not take a message off a queue any more.
                _end(server)
                answering.join()
                talk.forget_all()

    def _ask_on(self, talk: _Conversation, commands: BinaryIO) -> None:
        """Pass commands on until the client ends the connection, or one is cut."""
        while command := read_command(commands):
            with ExitStack() as stack:
                waits = command.method in _WAITING_FOR_WORK or (command.method == "EVALSHA" and _TAKE in command.raw)
                hold = None if waits else stack.enter_context(self._under_way(command))
                if hold and hold.moment is Moment.BEFORE and hold.pause() is Verdict.CUT:
                    reset_when_closed(talk.client)
                    return
                talk.send_on(command, _Asked(hold, waits, stack.pop_all()))
        talk.await_answers()

    def _answer(self, talk: _Conversation, replies: BinaryIO) -> None:
        """Pass replies back until the server ends the connection, or one is cut."""
        with _ending(talk), contextlib.suppress(OSError, BrokenMessageError, ValueError):
            while reply := read_reply(replies):
                if is_push(reply):
                    talk.client.sendall(reply)
                    continue
                hold = talk.answered().hold
                if hold and hold.moment is Moment.AFTER and hold.pause() is Verdict.CUT:
                    reset_when_closed(talk.client)
                    return
                try:
                    talk.client.sendall(reply)
                finally:
                    talk.forget_first()


@contextlib.contextmanager
def _ending(talk: _Conversation) -> Iterator[None]:
    """Wake up, afterwards, whoever reads what the client sends or waits for answers; that one closes the connection."""
    try:
        yield
    finally:
        talk.forget_all()
        with contextlib.suppress(OSError):
            talk.client.shutdown(socket.SHUT_RD)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
