"""How a request proves who sent it: signing with a token, or the account's identity.

Both are `httpx.Auth` classes whose `auth_flow` only adds headers, so they are tested without a network. The bytes
that are signed are the bytes that are sent: the path with its query as it goes onto the wire, and the body as is.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Generator
from datetime import datetime

import httpx
from pydantic import SecretBytes, SecretStr

from worker.errors import PermanentError, UnusableSecretError
from worker.ports import Clock

_HEADER_SAFE = re.compile(r"[!-~]([ -~]*[!-~])?")


def format_timestamp(moment: datetime) -> str:
    """Return a UTC time the way `lmts-timestamp` wants it: ISO 8601 with milliseconds and a Z."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def sign(key: bytes, *, timestamp: str, method: str, target: bytes, body: bytes) -> str:
    """Return the base64 HMAC-SHA256 of a request.

    Args:
        key: the decoded secret.
        timestamp: exactly as in the `lmts-timestamp` header.
        method: in capitals.
        target: path and query exactly as sent.
        body: exactly as sent; empty when there is none.
    """
    message = b"\n".join((timestamp.encode("ascii"), method.encode("ascii"), target, body))
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode("ascii")


class Signing(httpx.Auth):
    """An `httpx.Auth` that knows which secrets it uses, so that an answer that echoes them can be cleaned."""

    secrets: tuple[SecretStr, ...]


class HmacAuth(Signing):
    """Signs with an API token; every sending gets a fresh timestamp.

    Args:
        token_id: goes into a header as it is.
        secret: base64, as derive returned it.
        clock: must agree with the exchange's within 30 s.

    Raises:
        PermanentError: the id cannot be a header, or (UnusableSecretError) the secret is not base64; nothing was sent.
    """

    requires_request_body = True

    def __init__(self, token_id: str, secret: SecretStr, *, clock: Clock) -> None:
        if not _HEADER_SAFE.fullmatch(token_id):
            raise PermanentError(f"The token id {token_id!r} cannot be sent in a header. Nothing was sent.")
        key = _decoded(secret)
        if not key:
            raise UnusableSecretError(
                f"The secret of token {token_id} is not base64, so nothing can be signed with it and nothing was sent. "
                "Look at what Vault holds for it."
            )
        self.secrets = (secret,)
        self._key = SecretBytes(key)
        self._token_id = token_id
        self._clock = clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the three headers and send; nothing is sent twice."""
        timestamp = format_timestamp(self._clock.now())
        request.headers["lmts-api-key"] = self._token_id
        request.headers["lmts-timestamp"] = timestamp
        request.headers["lmts-signature"] = sign(
            self._key.get_secret_value(),
            timestamp=timestamp,
            method=request.method,
            target=request.url.raw_path,
            body=request.content,
        )
        yield request


class IdentityAuth(Signing):
    """Sends an identity token.

    Args:
        token: a JWT, checked by its source.
    """

    def __init__(self, token: SecretStr) -> None:
        self.secrets = (token,)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header and send; nothing is sent twice."""
        request.headers["identity"] = f"Bearer {self.secrets[0].get_secret_value()}"
        yield request


def _decoded(secret: SecretStr) -> bytes | None:
    # Lenient like the official clients: what they can sign with, we can.
    try:
        return base64.b64decode(secret.get_secret_value())
    except (binascii.Error, ValueError):
        return None
