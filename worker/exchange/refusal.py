"""What an answer that is not a 2xx means for the caller."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import SecretStr

from worker.errors import (
    AuthenticationRefusedError,
    ClockSkewError,
    ExchangeRefusedError,
    ExchangeUnavailableError,
    RotatorError,
    TransientError,
)
from worker.exchange.retry import parse_http_date, parse_retry_after
from worker.exchange.text import clean, describe_body
from worker.exchange.transport import Answer
from worker.exchange.wire import WireFormatError, read_object

SIGNATURE_WINDOW = timedelta(seconds=30)
"""How far a signature's timestamp may be from the exchange's clock."""

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_PASSING = frozenset({408, 425, 429, 502, 503, 504})
_CLIENT_ERRORS, _SERVER_ERRORS = range(400, 500), range(500, 600)
_THROTTLED = (
    " It throttles this account. Nothing is lost, and sweeps go on by themselves. If this lasts, look what else calls "
    "the exchange for this account, and let sweeps come less often ([schedule] in the configuration)."
)
_AWAY = (
    " It is away, or under maintenance. Nothing is lost, and sweeps go on by themselves. What it has announced is at "
    "/maintenance/status of the same address."
)
_ADVICE = {429: _THROTTLED, 502: _AWAY, 503: _AWAY, 504: _AWAY}
"""What a person is told who reads that an answer kept coming."""


def server_time(answer: Answer) -> datetime | None:
    """Return the exchange's clock (whole seconds) by the `Date` header, or None without a readable one."""
    return parse_http_date(answer.headers.get("date"))


def clock_skew(answer: Answer) -> timedelta:
    """Return the exchange's clock minus ours, zero while the time of sending to that of receiving can explain it."""
    theirs = server_time(answer)
    if theirs is None:
        return timedelta(0)
    return max(theirs - answer.received_at, timedelta(0)) + min(theirs - answer.sent_at, timedelta(0))


def refusal(answer: Answer, *, purpose: str, secrets: Iterable[SecretStr]) -> RotatorError:
    """Return (not raise) the error that such an answer is.

    Args:
        answer: with any status but a 2xx.
        purpose: whose request it was and what for; begins the message.
        secrets: what was sent along and must not be repeated.

    Returns:
        ExchangeUnavailableError for 408, 425, 429, 502, 503 and 504; TransientError for other 5xx; ClockSkewError or
        AuthenticationRefusedError for 401; ExchangeRefusedError for everything else.
    """
    said = describe_body(answer.body, secrets=secrets)
    message = f"{purpose}: the exchange answered {answer.status}: {said}."
    if answer.status == _UNAUTHORIZED:
        return _unauthorized(answer, message)
    if answer.status in _PASSING:
        return ExchangeUnavailableError(f"{message}{_ADVICE.get(answer.status, '')}", retry_after=retry_after(answer))
    if answer.status in _SERVER_ERRORS:
        return TransientError(message, retry_after=retry_after(answer))
    if answer.status not in _CLIENT_ERRORS:
        where = clean(answer.headers.get("location", ""), secrets=secrets)
        towards = f", towards {where}" if where else ""
        return ExchangeRefusedError(
            f"{purpose}: the exchange answered {answer.status}{towards}. Redirects are not followed; correct api_url.",
            status=answer.status,
        )
    if answer.status == _FORBIDDEN:
        message += " Ask the exchange whether token management is enabled for this profile, and for which scopes."
    return ExchangeRefusedError(message, status=answer.status)


def retry_after(answer: Answer) -> timedelta | None:
    """Return how long the exchange asks to wait, by its own clock where it tells that."""
    now = server_time(answer) or answer.received_at
    return parse_retry_after(answer.headers.get("retry-after"), now=now)


def says_gone(answer: Answer) -> bool:
    """Whether this is the exchange's own 404 about a token.

    A proxy's 404, or the framework's for a route that does not exist ("Cannot DELETE /…"), says nothing about the
    token: taking it for success would leave a token alive that we believe dead.
    """
    if answer.status != _NOT_FOUND:
        return False
    try:
        message = read_object(answer.body).get("message")
    except WireFormatError:
        return False
    return bool(message) and not (isinstance(message, str) and message.startswith("Cannot "))


def _unauthorized(answer: Answer, message: str) -> RotatorError:
    skew = clock_skew(answer)
    if abs(skew) <= SIGNATURE_WINDOW:
        return AuthenticationRefusedError(message, status=_UNAUTHORIZED)
    direction = "behind" if skew > timedelta(0) else "ahead"
    return ClockSkewError(
        f"{message} The clock of this machine is {abs(skew).total_seconds():.0f} s {direction}; set it (NTP). Until "
        "then this says nothing about the token.",
        skew=skew,
    )
