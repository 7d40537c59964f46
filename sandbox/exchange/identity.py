"""Identity tokens, signed by the exchange itself with a key that lives as long as the process."""

import secrets
from datetime import datetime, timedelta

import jwt

_ALGORITHM = "HS256"
_ISSUER = "privy.io"
_SUBJECT = "did:privy:"


class IdentityIssuer:
    """Issues and checks identity tokens (JWT). It keeps what it issued, for leak scanners."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self.issued: list[str] = []

    def issue(self, profile: str, *, now: datetime, ttl: timedelta) -> str:
        """Return a token for that profile, valid from `now` for `ttl` (which may be over already)."""
        claims = {
            "sub": f"{_SUBJECT}{profile}",
            "iss": _ISSUER,
            "sid": secrets.token_hex(8),
            "iat": int(now.timestamp()),
            "exp": int((now + ttl).timestamp()),
        }
        token = jwt.encode(claims, self._key, algorithm=_ALGORITHM)
        self.issued.append(token)
        return token

    def profile_of(self, token: str, *, now: datetime) -> str | None:
        """Return the name of the profile, or None when the token is not ours, damaged or expired."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                # Expiry is judged below, by the exchange's clock instead of the machine's.
                options={"verify_exp": False, "verify_iat": False, "require": ["exp", "sub"]},
            )
        except jwt.InvalidTokenError:
            return None
        if claims["exp"] <= now.timestamp():
            return None
        return str(claims["sub"]).removeprefix(_SUBJECT)
