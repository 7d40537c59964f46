"""A proxy that can hold one chosen request: before the server sees it, or after it did its work.

Everything else passes unchanged. Whoever set the trap decides what becomes of the held request: it goes on (late,
maybe long after its sender gave up or died), or its connection is cut.
"""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import BinaryIO, Self
from urllib.parse import urlsplit

from sandbox.chaos.wire import BrokenMessageError, Message, read_answer, read_request

UPSTREAM_SECONDS = 30.0
CLOSE_SECONDS = 5.0
_LOCALHOST = "127.0.0.1"


class Moment(StrEnum):
    """When a request is held."""

    BEFORE = "before"  # the server has not seen it
    AFTER = "after"  # the server did its work; the answer has not left for the client


class Verdict(StrEnum):
    """What becomes of a held request."""

    GO_ON = "go_on"
    CUT = "cut"


class Hold:
    """One held request, or the wait for it.

    Args:
        matches: asked for each request that arrives, in order, until it answers True.
        moment: when the request is held.
    """

    def __init__(self, *, matches: Callable[[Message], bool], moment: Moment) -> None:
        self._matches = matches
        self.moment = moment
        self.reached = threading.Event()
        self.over = threading.Event()
        """Set when the proxy is done with the request: its answer is passed on, or dropped, or it was cut."""
        self._verdict = Verdict.CUT
        self._decided = threading.Event()
        self._lock = threading.Lock()
        self._taken = False

    def takes(self, message: Message) -> bool:
        """Whether this is the request that is waited for; True once."""
        with self._lock:
            if self._taken or self._decided.is_set() or not self._matches(message):
                return False
            self._taken = True
            return True

    def let_go(self) -> None:
        """Let it go on its way: to the server, or back to the client."""
        self._decide(Verdict.GO_ON)

    def cut(self) -> None:
        """Reset the client's connection; a request that the server has not seen never reaches it."""
        self._decide(Verdict.CUT)

    def pause(self) -> Verdict:
        """Say that the request is here, and return what becomes of it once that is decided."""
        self.reached.set()
        self._decided.wait()
        return self._verdict

    def _decide(self, verdict: Verdict) -> None:
        with self._lock:
            if not self._decided.is_set():
                self._verdict = verdict
                self._decided.set()


@dataclass(frozen=True, slots=True)
class Passed:
    """One request that came through."""

    at: float
    message: Message


class PausingProxy:
    """Stands before one server on a port of its own; a thread for each connection.

    Args:
        upstream: the server's URL; only host and port count.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or _LOCALHOST, parts.port or 80)
        self._holds: list[Hold] = []
        self._passed: list[Passed] = []
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._in_flight = 0
        self._lock = threading.Lock()
        self._closing = False
        self._listener = socket.create_server((_LOCALHOST, 0), backlog=64)
        self._accepting = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._accepting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Its address, to be used in place of the server's."""
        return f"http://{_LOCALHOST}:{self.port}"

    @property
    def busy(self) -> bool:
        """Whether a request is under way or held."""
        with self._lock:
            return self._in_flight > 0

    def passed(self) -> tuple[Passed, ...]:
        """Return every request that came since the last `forget`, in order, the held ones included."""
        with self._lock:
            return tuple(self._passed)

    def forget(self) -> None:
        """Forget which requests came, and take back every trap."""
        with self._lock:
            self._passed.clear()
            holds, self._holds = self._holds, []
        for hold in holds:
            hold.cut()

    def trap(self, matches: Callable[[Message], bool], moment: Moment) -> Hold:
        """Hold the first request that matches, and return the hold."""
        hold = Hold(matches=matches, moment=moment)
        with self._lock:
            self._holds.append(hold)
        return hold

    def close(self) -> None:
        """Cut what is held and what is open, and stop listening. May be called again."""
        with self._lock:
            self._closing = True
            holds, self._holds = self._holds, []
        for hold in holds:
            hold.cut()
        with contextlib.suppress(OSError):  # wakes the accepting thread up
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(CLOSE_SECONDS)
        with self._lock:
            connections, threads = tuple(self._open), tuple(self._threads)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(CLOSE_SECONDS)

    # --- one thread accepts, one serves each connection

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), name="proxied", daemon=True)
            with self._lock:
                if self._closing:
                    connection.close()
                    return
                self._open.add(connection)
                self._threads.add(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._converse(connection)
        except (OSError, BrokenMessageError, ValueError):
            return  # one side is gone; the other is told by the end of its connection
        finally:
            with self._lock:
                self._open.discard(connection)
                self._threads.discard(threading.current_thread())

    def _converse(self, connection: socket.socket) -> None:
        """Pass requests and answers on until one side ends the connection."""
        with connection.makefile("rb") as stream:
            while self._pass_one(connection, stream):
                pass

    def _pass_one(self, connection: socket.socket, stream: BinaryIO) -> bool:
        """Pass one request and its answer on; return whether another may follow on this connection."""
        request = read_request(stream)
        if request is None:
            return False
        with self._under_way(request) as hold:
            if hold and hold.moment is Moment.BEFORE and hold.pause() is Verdict.CUT:
                reset_when_closed(connection)
                return False
            answer = self._ask(request)
            if hold and hold.moment is Moment.AFTER and hold.pause() is Verdict.CUT:
                reset_when_closed(connection)
                return False
            connection.sendall(answer.raw)
        return "close" not in answer.headers.get("connection", "").lower()

    @contextlib.contextmanager
    def _under_way(self, request: Message) -> Iterator[Hold | None]:
        with self._lock:
            self._in_flight += 1
            self._passed.append(Passed(time.monotonic(), request))
            hold = next((one for one in self._holds if one.takes(request)), None)
        try:
            yield hold
        finally:
            with self._lock:
                self._in_flight -= 1
            if hold:
                hold.over.set()

    def _ask(self, request: Message) -> Message:
        # A connection for each request: one that is kept could be closed by the server at the very moment it is used,
        # which would be a fault that nobody ordered.
        with (
            socket.create_connection(self._upstream, timeout=UPSTREAM_SECONDS) as upstream,
            upstream.makefile("rb") as stream,
        ):
            upstream.sendall(request.raw)
            return read_answer(stream, to_method=request.method)


def reset_when_closed(connection: socket.socket) -> None:
    """Make the close that follows a reset, as a broken network does, not an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
