"""httpx's transport, bounded in time from the look-up of a name to the last byte of an answer."""

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx
from pydantic import SecretStr

from worker.network import BoundedSocket, connect_in_time, time_left


class BoundedTransport(httpx.HTTPTransport):
    """Keeps the bounds of `worker.network.bounded`, and takes nothing from the environment.

    Args:
        tls: how servers are verified.
        kept: how many idle connections are kept.
        proxy: an http or https URL.
    """

    def __init__(self, *, tls: ssl.SSLContext | None, kept: int, proxy: SecretStr | None) -> None:
        super().__init__(
            verify=tls or True,
            proxy=_proxy(proxy, tls) if proxy else None,
            trust_env=False,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=kept),
        )
        # httpx offers no way to give httpcore its backend, which is httpcore's public one.
        self._pool._network_backend = _Backend()


def _proxy(url: SecretStr, tls: ssl.SSLContext | None) -> httpx.Proxy:
    proxy = httpx.Proxy(url.get_secret_value())
    proxy.ssl_context = tls if proxy.url.scheme == "https" else None
    return proxy


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        options = list(socket_options or ())

        def connect(address: str, wait: float | None) -> httpcore.NetworkStream:
            try:
                return super(_Backend, self).connect_tcp(address, port, wait, local_address, options)
            except httpcore.ConnectTimeout as exc:
                raise TimeoutError(str(exc)) from exc
            except httpcore.ConnectError as exc:
                raise OSError(str(exc)) from exc

        with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
            return _Stream(connect_in_time(host, port, timeout, connect))


class _Stream(httpcore.NetworkStream):
    """A stream whose reads and writes keep the bounds; everything else is httpcore's."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._socket = BoundedSocket(stream.get_extra_info("socket"))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(timeout)
        with _as(httpcore.ReadTimeout, httpcore.ReadError):
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._socket.settimeout(timeout)
        with _as(httpcore.WriteTimeout, httpcore.WriteError):
            self._socket.sendall(buffer)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with _as(httpcore.ConnectTimeout, httpcore.ConnectError):
            return _Stream(self._stream.start_tls(ssl_context, server_hostname, time_left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


@contextmanager
def _as(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as exc:
        raise late(str(exc)) from exc
    except OSError as exc:
        raise broken(str(exc)) from exc
