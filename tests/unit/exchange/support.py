"""A scripted exchange without a network, a one-connection-at-a-time server with one, and what both need."""

import base64
import contextlib
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

import httpx
from pydantic import SecretStr

from tests.fakes.clock import FakeClock
from worker.exchange import ExchangeClient
from worker.outside import NOTHING_SPECIAL, Outside

NOW = datetime(2026, 3, 30, 12, 0, 0, 123456, tzinfo=UTC)
API_URL = "https://exchange.test"
IDENTITY = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJkZXNrIn0.c2lnbmF0dXJlLW9mLXRoZS1pZGVudGl0eQ"
SECRET = base64.b64encode(bytes(range(200, 232))).decode()
DERIVED = {
    "apiKey": "tok-1",
    "tokenId": "tok-1",
    "secret": SECRET,
    "createdAt": "2026-03-30T12:00:00.000Z",
    "scopes": ["trading"],
    "profile": {"id": 7, "account": "0xabc"},
}
LISTED = {
    "tokenId": "tok-1",
    "label": "maker/abc",
    "scopes": ["trading"],
    "createdAt": "2026-03-30T12:00:00.000Z",
    "lastUsedAt": None,
}

Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass
class Script(httpx.BaseTransport):
    """Answers with one reply after the other, and remembers the requests."""

    replies: list[Reply]
    requests: list[httpx.Request] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        if not self.replies and request.url.path.endswith("/capabilities"):
            return httpx.Response(404)  # whose identity it is: what a test that scripts something else is not about
        self.requests.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, httpx.Response) else reply(request)


class Identities:
    """An identity source that gives one token after the other, the last one for ever."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens)

    def token(self) -> SecretStr:
        return SecretStr(self._tokens.pop(0) if len(self._tokens) > 1 else self._tokens[0])

    def expires_at(self) -> datetime | None:
        return None


def exchange(
    transport: httpx.BaseTransport | None,
    *,
    clock: FakeClock | None = None,
    api_url: str = API_URL,
    identity: Identities | None = None,
    outside: Outside = NOTHING_SPECIAL,
) -> ExchangeClient:
    return ExchangeClient(
        account="desk",
        api_url=api_url,
        identity=identity or Identities(IDENTITY),
        clock=clock or FakeClock(NOW),
        transport=transport,
        outside=outside,
    )


def http_date(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC), usegmt=True)


class Chunks(httpx.SyncByteStream):
    """A body in pieces; a callable in between is called when its turn comes."""

    def __init__(self, *parts: bytes | Callable[[], object]) -> None:
        self._parts = parts
        self.given = 0
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, bytes):
                self.given += 1
                yield part
            else:
                part()

    def close(self) -> None:
        self.closed = True


def everything_about(exc: BaseException) -> str:
    """Return all text that a logger or an error tracker could get out of an exception, its relatives included."""
    parts: list[str] = []
    pending: list[BaseException | None] = [exc]
    while pending:
        one = pending.pop()
        if one is None:
            continue
        parts += [str(one), repr(one), repr(one.args), repr(vars(one)), *traceback.format_exception(one)]
        pending += [one.__cause__, one.__context__]
    return "\n".join(parts)


@dataclass
class Wire:
    """What a `serve` server saw."""

    url: str
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


def answer_bytes(body: bytes = b"[]", *, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


@contextlib.contextmanager
def serve(reply: bytes = answer_bytes()) -> Iterator[Wire]:
    """Run a real server that gives every request the same bytes and keeps connections alive.

    An empty reply closes the connection instead.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = Wire(f"http://127.0.0.1:{listener.getsockname()[1]}")
        open_sockets: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    wire.connections += 1
                    open_sockets.append(connection)
                    threads.append(threading.Thread(target=_serve_one, args=(connection, reply, wire)))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield wire
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for connection in open_sockets:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def _serve_one(connection: socket.socket, reply: bytes, wire: Wire) -> None:
    with connection, contextlib.suppress(OSError):
        buffer = b""
        while chunk := connection.recv(65536):
            buffer += chunk
            head, separator, rest = buffer.partition(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            length = int(lengths[0].split(b":")[1]) if lengths else 0
            if separator and len(rest) >= length:
                wire.requests.append(buffer)
                buffer = b""
                if not reply:
                    return
                connection.sendall(reply)
