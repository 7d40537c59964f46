"""Watchers that run beside the system and remember what they saw, so that it can be searched for secrets afterwards."""

import gzip
import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PROC = Path("/proc")
SAMPLE_SECONDS = 0.25
SOCKET_SECONDS = 0.2


class MonitorCapture:
    """Everything that Redis is told while it runs, as MONITOR shows it.

    Args:
        host: where redis-server listens.
        port: likewise.
        password: sent by us before MONITOR; Redis shows no AUTH command to monitors.
    """

    def __init__(self, *, host: str, port: int, password: str) -> None:
        self._socket = socket.create_connection((host, port), timeout=SOCKET_SECONDS)
        self._socket.sendall(f"AUTH {password}\r\nMONITOR\r\n".encode())
        self._seen = bytearray()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="monitor", daemon=True)
        self._thread.start()

    @property
    def seen(self) -> bytes:
        """What was captured so far."""
        return bytes(self._seen)

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                piece = self._socket.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            if not piece:
                return
            self._seen += piece


class EnvelopeSink:
    """Takes what the Sentry SDK sends and keeps it, unpacked."""

    def __init__(self) -> None:
        self._envelopes: list[bytes] = []
        sink = self._envelopes

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                sink.append(_unpacked(body, self.headers.get("content-encoding")))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="sentry-sink", daemon=True)
        self._thread.start()

    @property
    def dsn(self) -> str:
        """The DSN that leads here."""
        return f"http://sandbox@127.0.0.1:{self._server.server_address[1]}/1"

    @property
    def envelopes(self) -> tuple[bytes, ...]:
        """All envelopes so far, unpacked."""
        return tuple(self._envelopes)

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield the events (messages and errors) among the envelopes' items."""
        for envelope in self.envelopes:
            lines = envelope.split(b"\n")
            for header, payload in zip(lines[1::2], lines[2::2], strict=False):
                if json.loads(header or b"{}").get("type") == "event":
                    yield json.loads(payload)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _unpacked(body: bytes, encoding: str | None) -> bytes:
    try:
        return gzip.decompress(body) if encoding == "gzip" else body
    except (OSError, EOFError, zlib.error):
        return body


class ProcessWatch:
    """Command lines and environments of a process' descendants, looked at again and again. Linux only.

    Args:
        root: whose descendants are watched.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._seen: dict[str, set[bytes]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="process-watch", daemon=True)
        self._thread.start()

    @property
    def seen(self) -> dict[str, bytes]:
        """What each process showed to other processes of this user, by a name for it."""
        return {name: b"\0".join(sorted(pieces)) for name, pieces in list(self._seen.items())}

    def close(self) -> None:
        """Look a last time and stop."""
        self._stop.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        for pid in descendants(self._root):
            for what in ("cmdline", "environ"):
                content = _read(PROC / str(pid) / what)
                if content:
                    self._seen.setdefault(f"the {what} of process {pid}", set()).add(content)


def descendants(root: int) -> frozenset[int]:
    """Return the process ids of all children of `root`, their children, and so on (none where there is no /proc)."""
    parents = {int(entry.name): _parent(entry) for entry in PROC.glob("[0-9]*")} if PROC.is_dir() else {}
    found: set[int] = set()
    fresh = {root}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return frozenset(found)


def _parent(entry: Path) -> int | None:
    # The second field is the command in parentheses, which may itself hold spaces and parentheses.
    fields = _read(entry / "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended, or is another user's
        return b""


def everything_in(url: str) -> bytes:
    """Return all keys and values of a Redis database, whatever their types; raises redis.RedisError."""
    with _client(url) as client:
        return b"\n".join(piece for key in client.scan_iter() for piece in (key, *_flat(_value(client, key))))


@contextmanager
def _client(url: str) -> Iterator["redis.Redis"]:
    client = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), socket_timeout=5)
    try:
        yield client
    finally:
        client.close()


def _value(client: "redis.Redis", key: bytes) -> object:
    readers: dict[bytes, Callable[[], object]] = {
        b"string": lambda: client.get(key),
        b"list": lambda: client.lrange(key.decode(), 0, -1),
        b"set": lambda: client.smembers(key.decode()),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"hash": lambda: client.hgetall(key.decode()),
        b"stream": lambda: client.xrange(key),
    }
    kind = client.type(key)
    return None if kind == b"none" else readers[kind]()  # type: ignore[index]  # redis types both flavours at once


def _flat(value: object) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _flat(pair)
    elif isinstance(value, (list, tuple, set)):
        for one in value:
            yield from _flat(one)
