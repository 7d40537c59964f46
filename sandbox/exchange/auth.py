"""Who sent a request: identity tokens and HMAC signatures, checked from the exchange's documentation alone."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.exchange.errors import Refusal, unauthorized
from sandbox.exchange.records import AuthKind, Profile, TokenEntry
from sandbox.exchange.state import ExchangeState

TIMESTAMP_WINDOW = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature covers, exactly as it was sent, and the headers (lower-case names)."""

    method: str
    target: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def claimed(self) -> AuthKind:
        """What the headers claim to authenticate with. An identity wins when both are sent."""
        if "identity" in self.headers:
            return AuthKind.IDENTITY
        return AuthKind.HMAC if "lmts-api-key" in self.headers else AuthKind.NONE

    @property
    def claimed_token_id(self) -> str | None:
        """The token that the HMAC headers name, if they are what counts."""
        return self.headers.get("lmts-api-key") if self.claimed is AuthKind.HMAC else None


@dataclass(frozen=True, slots=True)
class Caller:
    """A proved caller; `token` is set when a token signed."""

    profile: Profile
    token: TokenEntry | None = None


def authenticate(state: ExchangeState, request: SignedRequest, *, skew: timedelta) -> Caller:
    """Return who sent it, or raise a 401 Refusal. An accepted signature counts as a use of its token.

    Args:
        state: the exchange.
        request: what was sent.
        skew: added to the clock that judges the timestamp.
    """
    if request.claimed is AuthKind.IDENTITY:
        return authenticate_identity(state, request)
    if request.claimed is AuthKind.HMAC:
        try:
            return _authenticate_hmac(state, request, now=state.now() + skew)
        except Refusal:
            state.note_rejection(request.headers["lmts-api-key"])
            raise
    raise unauthorized("Authentication is required", reason="no_authentication")


def authenticate_identity(state: ExchangeState, request: SignedRequest) -> Caller:
    """Return the profile that an identity token proves, or raise a 401 Refusal."""
    if request.claimed is not AuthKind.IDENTITY:
        raise unauthorized("Identity token is required", reason="identity_required")
    scheme, _, token = request.headers["identity"].partition(" ")
    profile = state.profile_of_identity(token) if scheme == "Bearer" else None
    if profile is None:
        raise unauthorized("Invalid or expired identity token", reason="bad_identity")
    return Caller(profile)


def sign(secret: str, timestamp: str, method: str, target: str, body: bytes) -> str:
    """Return the signature that the exchange expects, in base64. `secret` is base64."""
    message = b"\n".join((timestamp.encode(), method.encode(), target.encode(), body))
    return base64.b64encode(hmac.new(base64.b64decode(secret), message, hashlib.sha256).digest()).decode()


def _authenticate_hmac(state: ExchangeState, request: SignedRequest, *, now: datetime) -> Caller:
    token_id = request.headers["lmts-api-key"]
    timestamp = request.headers.get("lmts-timestamp", "")
    signature = request.headers.get("lmts-signature", "")
    token = state.token(token_id)
    if token is None:
        raise _invalid("unknown_token")
    if not token.live:
        raise _invalid("revoked_token")
    sent_at = _parse(timestamp)
    if sent_at is None:
        raise _invalid("bad_timestamp")
    if abs(sent_at - now) > TIMESTAMP_WINDOW:
        raise _invalid("outside_window")
    expected = sign(state.secret_of(token_id), timestamp, request.method, request.target, request.body)
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise _invalid("bad_signature")
    if state.is_dead(token_id):
        raise _invalid("dead_token")
    profile = state.profile(token.profile)
    if profile is None:
        raise _invalid("unknown_profile")
    state.note_use(token_id)
    return Caller(profile, token)


def _parse(timestamp: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _invalid(reason: str) -> Refusal:
    # The exchange says the same whatever is wrong; the Date header is the only hint.
    return unauthorized("Invalid HMAC authentication", reason=reason)
