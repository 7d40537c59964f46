"""One address for servers of which only one is used at a time, as a virtual IP is."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

LOCALHOST = "127.0.0.1"
PIECE = 65536
CLOSE_SECONDS = 5.0


class VirtualAddress:
    """Passes every connection on to the server that it points at when the connection is opened."""

    def __init__(self) -> None:
        self._target: int | None = None
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server((LOCALHOST, 0), backlog=64)
        self._accepting = threading.Thread(target=self._accept, name="address", daemon=True)
        self._accepting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def point_at(self, port: int) -> None:
        """Pass new connections on to that port; those that are open stay where they are."""
        with self._lock:
            self._target = port

    def cut(self) -> None:
        """End every connection that is open."""
        with self._lock:
            connections = tuple(self._open)
        for one in connections:
            _end(one)

    def close(self) -> None:
        """Stop listening and end everything; may be called again."""
        _end(self._listener)
        self._listener.close()
        self._accepting.join(CLOSE_SECONDS)
        self.cut()
        for thread in self._threads:
            thread.join(CLOSE_SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._pass_on, args=(client,), name="address", daemon=True)
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
            thread.start()

    def _pass_on(self, client: socket.socket) -> None:
        with self._lock:
            target = self._target
        with client, contextlib.suppress(OSError), socket.create_connection((LOCALHOST, target or 0)) as server:
            with self._lock:
                self._open |= {client, server}
            back = threading.Thread(target=_pump, args=(server, client), name="address", daemon=True)
            back.start()
            _pump(client, server)
            back.join()
            with self._lock:
                self._open -= {client, server}


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes until one side ends, and end both."""
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    _end(source)
    _end(sink)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
