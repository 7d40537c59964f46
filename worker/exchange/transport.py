"""One request, one answer, within a deadline; httpx's exceptions end here."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from worker.errors import ExchangeUnavailableError
from worker.exchange.network import BoundedTransport
from worker.exchange.text import clean
from worker.network import MAX_ANSWER_BYTES, bounded
from worker.outside import NOTHING_SPECIAL, Outside
from worker.ports import Clock

CONNECT_SECONDS = 5.0
POOL_SECONDS = 5.0
WRITE_SECONDS = 5.0
READ_SECONDS = 10.0
_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "limitless-rotator"}

_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class AnswerLostError(ExchangeUnavailableError):
    """The request may have left, and no whole answer came back: harmless unless the request makes something."""


class _TooLateError(Exception):
    """The deadline passed before the request was written."""


class _BrokenOffError(Exception):
    """We stopped reading an answer: too slow or too large."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, whatever its status.

    Attributes:
        status: the HTTP status.
        headers: case-insensitive.
        body: never in the repr, since it may hold a secret.
        sent_at: our clock just before the request.
        received_at: our clock when the headers were there.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    sent_at: datetime
    received_at: datetime

    @property
    def is_success(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the meaning of 2xx


class Transport:
    """Sends requests to one API; safe to share between threads.

    Redirects are not followed, since a signature covers the path and an identity is for one host. Cookies are not
    kept: one that was set for the identity could make a dead token look alive. An answer in an encoding is refused
    unread: a few bytes can unpack to gigabytes. Nothing is taken from the environment or a `.netrc`.

    Args:
        api_url: http or https, with or without a path.
        clock: measures deadlines and dates answers.
        transport: replaces the network, for tests; closed by `close`.
        outside: whom to trust, and the proxy.

    Raises:
        ValueError: the URL is not an absolute http(s) URL, or has a user, query or fragment.
    """

    def __init__(
        self,
        *,
        api_url: str,
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
        outside: Outside = NOTHING_SPECIAL,
    ) -> None:
        self._base = _checked(api_url)
        self._clock = clock
        proxy = outside.proxy_for(self._base)
        tls = outside.tls() if transport is None else None  # slow to make, so made once for both
        # The second client never reuses a connection: one that the server has just closed would make it unknowable
        # whether a request that must not be repeated was carried out.
        self._pooled, self._fresh = (
            httpx.Client(
                transport=transport or BoundedTransport(tls=tls, kept=kept, proxy=proxy),
                headers=_HEADERS,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                follow_redirects=False,
                trust_env=False,
            )
            for kept in (16, 0)
        )

    @property
    def base_url(self) -> str:
        """The API's URL without a trailing slash."""
        return self._base

    def close(self) -> None:
        """Close all connections; what is under way fails."""
        self._pooled.close()
        self._fresh.close()

    def send(
        self,
        method: str,
        target: str,
        *,
        purpose: str,
        auth: httpx.Auth,
        deadline: float,
        body: bytes | None = None,
        fresh_connection: bool = False,
    ) -> Answer:
        """Return the answer to one request.

        Args:
            method: in capitals.
            target: path and query, percent-encoded, below the API's URL.
            purpose: whose request this is and what for; begins every message.
            auth: adds headers.
            deadline: on the clock's monotonic scale, for everything: nothing is sent after it, and nothing of an answer
                is read after it.
            body: JSON, sent as it is; None for a request without one.
            fresh_connection: never reuse one.

        Raises:
            AnswerLostError: the request may have left, and no whole answer came back.
            ExchangeUnavailableError: the request certainly did not leave.
        """
        remaining = deadline - self._clock.monotonic()
        if remaining <= 0:
            raise ExchangeUnavailableError(f"{purpose}: no time was left for the request, so it was not sent.")
        client = self._fresh if fresh_connection else self._pooled
        request = client.build_request(
            method,
            self._base + target,
            content=body,
            headers={} if body is None else {"content-type": "application/json"},
            timeout=_timeouts(remaining),
            extensions={"trace": self._gate(deadline)},
        )
        # The failure is raised outside of `except`: httpx's exceptions carry the request, and with it its secrets.
        failure: ExchangeUnavailableError
        try:
            with bounded(remaining):
                return self._receive(client, request, auth=auth, deadline=deadline)
        except _TooLateError:
            failure = ExchangeUnavailableError(f"{purpose}: connecting took all the time there was; nothing was sent.")
        except _NOT_SENT as exc:
            failure = ExchangeUnavailableError(f"{purpose}: {_unreached(exc)}. Nothing was sent.")
        except (_BrokenOffError, httpx.HTTPError) as exc:
            failure = AnswerLostError(f"{purpose}: {_lost(exc)}.")
        raise failure

    def _receive(self, client: httpx.Client, request: httpx.Request, *, auth: httpx.Auth, deadline: float) -> Answer:
        sent_at = self._clock.now()
        response = client.send(request, auth=auth, stream=True)
        received_at = self._clock.now()
        try:
            if response.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
                raise _BrokenOffError("the answer is encoded, although nothing but identity was asked for")
            body = self._read(response, deadline)
        finally:
            response.close()
        return Answer(response.status_code, response.headers, body, sent_at, received_at)

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        body = bytearray()
        try:
            for chunk in self._chunks(response, deadline):
                body += chunk
        except (httpx.HTTPError, _BrokenOffError):
            # A refusal is one by its status; only its explanation is cut.
            if response.is_success:
                raise
        return bytes(body)

    def _chunks(self, response: httpx.Response, deadline: float) -> Iterator[bytes]:
        received, late = 0, False
        for chunk in response.iter_bytes():  # of an unencoded answer these are the raw ones
            if late:
                raise _BrokenOffError("the answer did not end in time")
            received += len(chunk)
            if received > MAX_ANSWER_BYTES:
                raise _BrokenOffError(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
            yield chunk
            # Only a further chunk proves that this was not the last: a whole answer that is late may hold a secret.
            late = self._clock.monotonic() > deadline

    def _gate(self, deadline: float) -> Callable[[str, Mapping[str, Any]], None]:
        # Connecting can outlast its time-out (name resolution, several addresses). A request that leaves late could be
        # carried out after its sender was given up on.
        def on_event(name: str, _info: Mapping[str, Any]) -> None:
            if name.endswith(".send_request_headers.started") and self._clock.monotonic() >= deadline:
                raise _TooLateError

        return on_event


def _checked(api_url: str) -> str:
    try:
        url = httpx.URL(api_url)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise ValueError("api_url must be an http or https URL with a host and without a user, query or fragment.")
    return api_url.rstrip("/")


def _timeouts(remaining: float) -> httpx.Timeout:
    return httpx.Timeout(
        connect=min(CONNECT_SECONDS, remaining),
        pool=min(POOL_SECONDS, remaining),
        write=min(WRITE_SECONDS, remaining),
        read=min(READ_SECONDS, remaining),
    )


def _unreached(exc: Exception) -> str:
    match exc:
        case httpx.ConnectTimeout():
            return "connecting timed out"
        case httpx.PoolTimeout():
            return "all connections were busy for too long"
        case _:
            # Nothing of the request is in these: they speak of addresses, certificates and proxies.
            return f"no connection ({clean(str(exc)) or type(exc).__name__})"


def _lost(exc: Exception) -> str:
    match exc:
        case _BrokenOffError():
            return str(exc)
        case httpx.TimeoutException():
            return "no answer came in time"
        case _:
            # Its text is not shown: it can quote what was sent.
            return f"the connection broke before a whole answer was there ({type(exc).__name__})"
