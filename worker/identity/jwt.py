"""What an identity token says about itself. Nothing is verified: that is the exchange's work, which holds the key."""

import re
from datetime import UTC, datetime

import jwt as pyjwt
from pydantic import SecretStr

_COMPACT_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


class NotAJwtError(ValueError):
    """The text is not a JWT, or its `exp` is not a time; says which, and quotes nothing."""


def expiry(token: SecretStr) -> datetime | None:
    """Return the token's `exp` as UTC, or None when it has none; raises NotAJwtError for anything but a JWT."""
    value = token.get_secret_value()
    claims = _claims(value) if _COMPACT_JWT.fullmatch(value) else None
    if claims is None:
        raise NotAJwtError("is not a JWT (three base64url parts joined by dots)")
    if claims.get("exp") is None:
        return None
    moment = _moment(claims["exp"])
    if moment is None:
        raise NotAJwtError("is a JWT whose `exp` is not a time in seconds")
    return moment


def subject(token: SecretStr) -> str | None:
    """Return the token's `sub`, or None when it has none or is no JWT."""
    value = token.get_secret_value()
    claims = _claims(value) if _COMPACT_JWT.fullmatch(value) else None
    sub = claims.get("sub") if claims else None
    return sub if isinstance(sub, str) and sub else None


# Both helpers answer None instead of raising inside `except`: the libraries' exceptions can quote the token, and an
# exception raised there would carry them along as its context.


def _claims(value: str) -> dict[str, object] | None:
    try:
        claims: dict[str, object] = pyjwt.decode(value, options={"verify_signature": False})
    except (pyjwt.PyJWTError, ValueError, RecursionError):
        return None
    return claims


def _moment(exp: object) -> datetime | None:
    if isinstance(exp, bool) or not isinstance(exp, int | float):
        return None
    try:
        return datetime.fromtimestamp(exp, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None
