"""The requests session to Vault: bounded, unpacked, without redirects, and with nothing from the environment."""

import socket
from http import HTTPStatus
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from worker.network import BoundedSocket, connect_in_time


class EncodedAnswerError(requests.RequestException):
    """The answer is in an encoding that nobody asked for; it was not read."""


class CarefulSession(requests.Session):
    """Keeps the bounds of `worker.network.bounded`; proxies, authorities and logins of the environment count nothing.

    A redirect is an answer like any other. To follow one would hand the login to whatever host it names, since
    requests takes no more than `Authorization` out of the headers and nothing out of the body.

    Args:
        authorities: a PEM file with those to trust.
    """

    def __init__(self, *, authorities: str) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = authorities
        self.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter())

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: nothing is followed."""
        del resp
        return None


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(request, *args, **kwargs)
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in {"", "identity"} and response.status_code != HTTPStatus.NO_CONTENT:
            response.close()
            raise EncodedAnswerError("an encoding that was not asked for")
        return response


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connected(self)

    def connect(self) -> None:
        super().connect()
        self.sock = _bounded(self.sock)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connected(self)

    def connect(self) -> None:
        super().connect()
        self.sock = _bounded(self.sock)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _connected(connection: HTTPConnection) -> socket.socket:
    """Return a new connection, or raise what urllib3 does."""
    wait = connection.timeout if isinstance(connection.timeout, int | float) else None

    def connect(address: str, seconds: float | None) -> socket.socket:
        made = socket.create_connection((address, connection.port or connection.default_port), seconds)
        for option in connection.socket_options or ():
            made.setsockopt(*option)
        return made

    try:
        return connect_in_time(connection.host, connection.port or connection.default_port, wait, connect)
    except socket.gaierror as exc:
        raise NameResolutionError(connection.host, connection, exc) from exc
    except TimeoutError as exc:
        raise ConnectTimeoutError(connection, str(exc)) from exc
    except OSError as exc:
        raise NewConnectionError(connection, str(exc)) from exc


def _bounded(sock: socket.socket) -> socket.socket:
    return cast("socket.socket", BoundedSocket(sock))
