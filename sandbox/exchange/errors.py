"""Refusals in the exchange's own shape: `{statusCode, message, error}`."""

from http import HTTPStatus
from typing import Any


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a failure of this program
    """The request is answered with an error.

    Args:
        status: the HTTP status.
        message: what the answer says; a list for validation errors, one sentence each.
        reason: the ledger's more exact word, never in the answer.
    """

    def __init__(self, status: HTTPStatus, message: str | list[str], *, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.message = message
        self.reason = reason

    def body(self) -> dict[str, Any]:
        """Return the answer's JSON."""
        return error_body(self.status, self.message)


def error_body(status: HTTPStatus, message: str | list[str]) -> dict[str, Any]:
    """Return what the exchange's framework answers for an error."""
    return {"statusCode": status.value, "message": message, "error": status.phrase}


def invalid(*sentences: str) -> Refusal:
    """Return a 400 with one sentence for each mistake."""
    return Refusal(HTTPStatus.BAD_REQUEST, list(sentences), reason="invalid")


def unauthorized(message: str, *, reason: str) -> Refusal:
    """Return a 401."""
    return Refusal(HTTPStatus.UNAUTHORIZED, message, reason=reason)


def forbidden(message: str, *, reason: str) -> Refusal:
    """Return a 403."""
    return Refusal(HTTPStatus.FORBIDDEN, message, reason=reason)


def not_found(message: str, *, reason: str) -> Refusal:
    """Return a 404."""
    return Refusal(HTTPStatus.NOT_FOUND, message, reason=reason)
