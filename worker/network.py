"""How long one exchange with a server may take in all, and how much it may answer.

A client's own time-outs bound one wait each, so a server that sends a byte now and then is waited for without end. What
runs within `bounded` has one deadline for everything: looking the name up, connecting, TLS, sending, and reading every
line of the answer. The clients of the exchange, of Vault and of Redis open their connections here.
"""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, TypeVar

T = TypeVar("T")

MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
"""A list of tens of thousands of tokens fits; an endless answer does not."""


class TooMuchAnsweredError(OSError):
    """The server sent more than it may within one exchange."""


@dataclass(slots=True)
class _Bounds:
    ends_at: float
    bytes_left: int


_BOUNDS: ContextVar[_Bounds | None] = ContextVar("bounds of the exchange with a server", default=None)


@contextmanager
def bounded(seconds: float, *, answer_bytes: int = MAX_ANSWER_BYTES) -> Iterator[None]:
    """Bound everything that this thread does with a server from here to the end.

    Args:
        seconds: for all of it; an enclosing `bounded` that ends earlier still counts.
        answer_bytes: that may be received, as they come from the network.
    """
    enclosing = _BOUNDS.get()
    ends_at = time.monotonic() + seconds
    reset = _BOUNDS.set(_Bounds(ends_at if enclosing is None else min(ends_at, enclosing.ends_at), answer_bytes))
    try:
        yield
    finally:
        _BOUNDS.reset(reset)


def time_left(wait: float | None) -> float | None:
    """Return how many seconds a single wait may last, at most `wait`; None without any bound.

    Raises TimeoutError when no time is left.
    """
    bounds = _BOUNDS.get()
    if bounds is None:
        return wait
    left = bounds.ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left if wait is None else min(wait, left)


def connect_in_time(host: str, port: int, wait: float | None, connect: Callable[[str, float | None], T]) -> T:
    """Return what the first address that takes a connection makes of it.

    Args:
        host: a name or an address.
        port: of the server.
        wait: seconds for the look-up and for each address; less when the bounds leave less.
        connect: connects to an address within that many seconds.

    Raises:
        OSError: no address could be connected to; `socket.gaierror` when the name has none, TimeoutError when there was
            no time.
    """
    failure: OSError = OSError(f"{host} has no address")
    for address in _addresses(host, port, time_left(wait)):
        try:
            return connect(address, time_left(wait))
        except OSError as exc:
            failure = exc
    raise failure


class BoundedSocket:
    """A connected socket, with or without TLS, whose every wait ends with the bounds of whoever uses it.

    A connection may outlive the exchange that opened it, so the bounds are looked up at each call.

    Args:
        sock: the socket; its own time-out still counts for each wait.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._wait = sock.gettimeout()
        self._io_refs = 0
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, wait: float | None) -> None:
        """Set how long a single wait may last, in seconds; None for as long as the bounds allow."""
        self._wait = wait

    def gettimeout(self) -> float | None:
        """Return how long a single wait may last."""
        return self._wait

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return at most so many bytes; raises TimeoutError or another OSError."""
        self._sock.settimeout(time_left(self._wait))
        return self._counted(self._sock.recv(size, flags))

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Fill the buffer with what is there and return how many bytes that were; raises as `recv` does."""
        self._sock.settimeout(time_left(self._wait))
        received = self._sock.recv_into(buffer, nbytes, flags)
        _count(received)
        return received

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of the data and return how many bytes; raises as `recv` does."""
        self._sock.settimeout(time_left(self._wait))
        return self._sock.send(data, flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of the data; raises as `recv` does."""
        view = memoryview(data).cast("B")
        while view:
            view = view[self.send(view, flags) :]

    def makefile(self, mode: str = "rb", buffering: int | None = None) -> io.BufferedReader:
        """Return a reader, which is all that `http.client` asks for."""
        del buffering
        if mode != "rb":
            raise ValueError(f"only for reading, not {mode!r}")
        self._io_refs += 1
        return io.BufferedReader(socket.SocketIO(self, "r"))  # type: ignore[arg-type] # it asks for nothing else

    def _decref_socketios(self) -> None:
        self._io_refs = max(0, self._io_refs - 1)
        if self._closed:
            self.close()

    def close(self) -> None:
        """Close the socket once no reader uses it any more, as sockets do."""
        self._closed = True
        if self._io_refs <= 0:
            self._sock.close()

    def _counted(self, data: bytes) -> bytes:
        _count(len(data))
        return data


def _count(received: int) -> None:
    bounds = _BOUNDS.get()
    if bounds is not None:
        bounds.bytes_left -= received
        if bounds.bytes_left < 0:
            raise TooMuchAnsweredError("the answer is too large")


def _addresses(host: str, port: int, wait: float | None) -> list[str]:
    """Return the host's addresses; a look-up cannot be interrupted, so it is left behind when time is up."""
    try:
        return [str(ip_address(host.strip("[]")))]
    except ValueError:
        pass
    found: list[str] = []
    failed: list[OSError] = []

    def look_up() -> None:
        try:
            found.extend(str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except UnicodeError:
            failed.append(socket.gaierror(socket.EAI_NONAME, "not the name of a host"))
        except OSError as exc:
            failed.append(exc)

    thread = threading.Thread(target=look_up, name=f"look-up of {host}", daemon=True)
    thread.start()
    thread.join(wait)
    if thread.is_alive():
        raise TimeoutError(f"looking up {host} took too long")
    if failed:
        raise failed[0]
    return found
