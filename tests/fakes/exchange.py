"""An exchange in memory, behind `worker.ports.Exchange`: held to the contract suite that the real client passes."""

import base64
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import SecretStr

from tests.fakes.clock import FakeClock
from worker.errors import (
    AmbiguousDeriveError,
    AuthenticationRefusedError,
    ClockSkewError,
    ExchangeRefusedError,
    RotatorError,
    UnknownProfileError,
    WrongProfileError,
)
from worker.models import Capabilities, DerivedToken, ListedToken, Profile, RevokeResult, TokenList
from worker.ports import Clock

WINDOW = timedelta(seconds=30)
MAIN_PROFILE = Profile(partner_profile_id=1001, profile_id=1001, address="0x3e9", subject="did:privy:main")
"""Whom the fake's identity belongs to, unless a test puts another one in place."""
OTHER_PROFILE = Profile(partner_profile_id=1002, profile_id=1002, address="0x3ea", subject="did:privy:other")
ALL_SCOPES = ("trading", "account_creation", "delegated_signing", "withdrawal")


class FakeCall(StrEnum):
    """The calls of the port, as `fail_next` and `calls` name them."""

    CAPABILITIES = "capabilities"
    PROFILE = "profile"
    LIST = "list"
    DERIVE = "derive"
    REVOKE = "revoke"
    LIST_AS = "list_as"


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """One token ever issued, with its secret; `answered` is False when nobody was told of it."""

    token_id: str
    secret: SecretStr
    label: str | None
    scopes: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    hidden: bool = False
    broken: bool = False
    answered: bool = True
    profile: Profile = MAIN_PROFILE
    asked_by: Profile = MAIN_PROFILE

    @property
    def live(self) -> bool:
        """Whether it was not revoked."""
        return self.revoked_at is None


@dataclass(frozen=True, slots=True)
class FakeRequest:
    """One call that arrived, whether or not it succeeded."""

    call: FakeCall
    token_id: str | None = None
    label: str | None = None


class FakeExchange:
    """`worker.ports.Exchange` with hooks for everything that can go wrong. Thread-safe.

    Args:
        clock: what its answers are dated by.
        allowed_scopes: of the profile.

    Attributes:
        skew: the exchange's clock minus `clock`; beyond 30 s signed calls raise ClockSkewError.
        requests: every call in order.
        show_date: False leaves `TokenList.server_time` None.
        identity: the profile that the identity in place belongs to; another one sees and makes tokens of its own.
        known_by: the fields of a profile that can be told without a derive.
        derives_for: the profile that the next derived tokens belong to, whoever asked; None: the identity's.
    """

    def __init__(self, clock: Clock | None = None, *, allowed_scopes: Sequence[str] = ALL_SCOPES) -> None:
        self._clock = clock or FakeClock()
        self._lock = threading.RLock()
        self._tokens: dict[str, IssuedToken] = {}
        self._failures: dict[FakeCall, list[tuple[RotatorError, bool]]] = {}
        self._before: dict[FakeCall, list[Callable[[], None]]] = {}
        self._after: dict[FakeCall, list[Callable[[], None]]] = {}
        self._hide_next = 0
        self._next_scopes: tuple[str, ...] | None = None
        self.allowed_scopes = tuple(allowed_scopes)
        self.management_enabled = True
        self.skew = timedelta(0)
        self.show_date = True
        self.requests: list[FakeRequest] = []
        self.identity = MAIN_PROFILE
        self.known_by: tuple[str, ...] = ("partner_profile_id", "subject")
        self.derives_for: Profile | None = None
        self._denied: set[str] = set()

    # --- the port

    def get_capabilities(self) -> Capabilities:
        """Return what the profile may do."""
        with self._lock:
            self._arrive(FakeCall.CAPABILITIES)
            self._leave(FakeCall.CAPABILITIES)
            return Capabilities(self.identity.partner_profile_id or 0, self.management_enabled, self.allowed_scopes)

    def profile(self) -> Profile:
        """Return what can be told of the identity's profile."""
        with self._lock:
            self._arrive(FakeCall.PROFILE)
            self._leave(FakeCall.PROFILE)
            return self._known()

    def list_tokens(self) -> TokenList:
        """Return every live token of the identity's profile that is not hidden."""
        with self._lock:
            self._arrive(FakeCall.LIST)
            self._require_management()
            self._leave(FakeCall.LIST)
            return replace(self._list(self.identity), profile=self._known())

    def derive_token(
        self, label: str, scopes: Sequence[str], *, deadline: timedelta, profile: Profile | None = None
    ) -> DerivedToken:
        """Return a fresh token, unless told to refuse or to lose the answer."""
        with self._lock:
            self._arrive(FakeCall.DERIVE, label=label)
            self._require_profile(profile)
            self._require_management()
            if len(label) > 128:
                raise ExchangeRefusedError("label must be shorter than or equal to 128 characters", status=400)
            if not scopes or ("delegated_signing" in scopes and "trading" not in scopes):
                raise ExchangeRefusedError("the scopes are not valid", status=400)
            if not set(scopes) <= set(self.allowed_scopes):
                raise ExchangeRefusedError("Scopes not allowed for this profile", status=403)
            token = self._issue(label, self._next_scopes or tuple(dict.fromkeys(scopes)))
            self._next_scopes = None
            try:
                self._leave(FakeCall.DERIVE)
            except RotatorError:
                self._change(token.token_id, answered=False)
                raise
            whose = Profile(profile_id=token.profile.profile_id, address=token.profile.address)
            whose = whose.with_unknown_from(self._known())
            return DerivedToken(token.token_id, token.secret, token.scopes, token.created_at, whose)

    def revoke_token(self, token_id: str, *, profile: Profile | None = None) -> RevokeResult:
        """Revoke a live token of the identity's profile; any other is gone already."""
        with self._lock:
            self._arrive(FakeCall.REVOKE, token_id=token_id)
            self._require_profile(profile)
            self._require_management()
            token = self._tokens.get(token_id)
            live = token is not None and token.live and self._may_end(token)
            if live:
                self._change(token_id, revoked_at=self._now())
            self._leave(FakeCall.REVOKE)
            return RevokeResult.REVOKED if live else RevokeResult.ALREADY_GONE

    def list_tokens_as(self, token_id: str, secret: SecretStr) -> TokenList:
        """Return the list as a call signed by that token; counts as its use."""
        with self._lock:
            self._arrive(FakeCall.LIST_AS, token_id=token_id)
            if abs(self.skew) > WINDOW:
                raise ClockSkewError(f"the clocks differ by {self.skew}", skew=self.skew)
            token = self._tokens.get(token_id)
            if (
                token is None
                or not token.live
                or token.broken
                or secret.get_secret_value() != token.secret.get_secret_value()
            ):
                raise AuthenticationRefusedError("Invalid HMAC authentication", status=401)
            self.use(token_id)
            self._require_management()
            self._leave(FakeCall.LIST_AS)
            return self._list(token.profile)

    # --- what a test sees

    @property
    def issued(self) -> tuple[IssuedToken, ...]:
        """Every token ever issued, oldest first."""
        with self._lock:
            return tuple(self._tokens.values())

    @property
    def live(self) -> tuple[IssuedToken, ...]:
        """The tokens that still work, hidden ones included."""
        return tuple(token for token in self.issued if token.live)

    def token(self, token_id: str) -> IssuedToken:
        """Return the token of that id, or raise KeyError."""
        with self._lock:
            return self._tokens[token_id]

    def labelled(self, label: str) -> tuple[IssuedToken, ...]:
        """Return every token ever issued with that label."""
        return tuple(token for token in self.issued if token.label == label)

    def calls(self, call: FakeCall | str) -> tuple[FakeRequest, ...]:
        """Return the requests of one call, in order."""
        return tuple(request for request in self.requests if request.call == call)

    # --- what a test does

    def fail_next(self, call: FakeCall | str, error: RotatorError, *, count: int = 1) -> None:
        """Let the next `count` calls raise that error with nothing done."""
        self._failures.setdefault(FakeCall(call), []).extend([(error, False)] * count)

    def lose_next(self, call: FakeCall | str, error: RotatorError | None = None, *, count: int = 1) -> None:
        """Let the next `count` calls do their work and then raise that error (AmbiguousDeriveError for a derive)."""
        if error is None and FakeCall(call) is not FakeCall.DERIVE:
            raise ValueError("say which error the caller sees")
        lost = error or AmbiguousDeriveError("the answer to a derive was lost")
        self._failures.setdefault(FakeCall(call), []).extend([(lost, True)] * count)

    def recover(self) -> None:
        """Forget every failure and action that has not happened yet."""
        self._failures.clear()
        self._before.clear()
        self._after.clear()
        self._hide_next = 0

    def before_next(self, call: FakeCall | str, action: Callable[[], None]) -> None:
        """Do something when that call next arrives, before anything else."""
        self._before.setdefault(FakeCall(call), []).append(action)

    def after_next(self, call: FakeCall | str, action: Callable[[], None]) -> None:
        """Do something when that call was next worked on, before its answer leaves."""
        self._after.setdefault(FakeCall(call), []).append(action)

    def hide_next_tokens(self, count: int = 1) -> None:
        """Leave the next `count` tokens out of every list until they are revealed."""
        self._hide_next += count

    def reveal(self, token_id: str | None = None) -> None:
        """List a hidden token (all of them, without an id)."""
        with self._lock:
            for known in [token_id] if token_id is not None else list(self._tokens):
                self._change(known, hidden=False)

    def hide(self, token_id: str) -> None:
        """Leave a token out of every list although it lives."""
        self._change(token_id, hidden=True)

    def deny(self, token_id: str) -> None:
        """Answer revocations of a token with 404 although it lives and is listed, until `own` is called."""
        self._denied.add(token_id)

    def own(self, token_id: str) -> None:
        """Know a denied token again."""
        self._denied.discard(token_id)

    def revive(self, token_id: str) -> None:
        """Let a revoked token live again, as if its revocation had never happened."""
        self._change(token_id, revoked_at=None)

    def break_token(self, token_id: str) -> None:
        """Let the exchange refuse whatever that token signs, although it lists it."""
        self._change(token_id, broken=True)

    def grant_next(self, scopes: Sequence[str]) -> None:
        """Give the next derived token these scopes instead of those it asks for."""
        self._next_scopes = tuple(scopes)

    def use(self, token_id: str) -> bool:
        """Let a service sign a call with that token now; return whether it was accepted."""
        with self._lock:
            token = self._tokens.get(token_id)
            if token is None or not token.live or token.broken:
                return False
            self._change(token_id, last_used_at=self._now())
            return True

    def issue_by_person(self, label: str | None = None, scopes: Sequence[str] = ("trading",)) -> IssuedToken:
        """Return a token that a person (or another deployment) made."""
        with self._lock:
            return self._issue(label, tuple(scopes))

    def revoke_by_person(self, token_id: str) -> None:
        """Revoke a token as a person would, beside everything the worker knows."""
        self._change(token_id, revoked_at=self._now())

    def forget(self, token_id: str) -> None:
        """Remove a token altogether, as if it never was."""
        with self._lock:
            del self._tokens[token_id]

    # --- inside

    def _arrive(self, call: FakeCall, *, token_id: str | None = None, label: str | None = None) -> None:
        self.requests.append(FakeRequest(call, token_id, label))
        while actions := self._before.get(call):
            actions.pop(0)()
        waiting = self._failures.get(call)
        if waiting and not waiting[0][1]:
            raise waiting.pop(0)[0]

    def _leave(self, call: FakeCall) -> None:
        while actions := self._after.get(call):
            actions.pop(0)()
        waiting = self._failures.get(call)
        if waiting and waiting[0][1]:
            raise waiting.pop(0)[0]

    def _require_management(self) -> None:
        if not self.management_enabled:
            raise ExchangeRefusedError("Token management is not enabled for this profile", status=403)

    def _issue(self, label: str | None, scopes: tuple[str, ...]) -> IssuedToken:
        token = IssuedToken(
            token_id=f"token-{len(self._tokens) + 1}-{secrets.token_hex(4)}",
            secret=SecretStr(base64.b64encode(secrets.token_bytes(32)).decode()),
            label=label,
            scopes=scopes,
            created_at=self._now(),
            hidden=self._hide_next > 0,
            profile=self.derives_for or self.identity,
            asked_by=self.identity,
        )
        self._hide_next = max(0, self._hide_next - 1)
        self._tokens[token.token_id] = token
        return token

    def _change(self, token_id: str, **changes: object) -> None:
        with self._lock:
            self._tokens[token_id] = replace(self._tokens[token_id], **changes)  # type: ignore[arg-type] # by name

    def _now(self) -> datetime:
        # The exchange writes milliseconds.
        now = self._clock.now() + self.skew
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def _may_end(self, token: IssuedToken) -> bool:
        return self.identity in {token.profile, token.asked_by} and token.token_id not in self._denied

    def _known(self) -> Profile:
        return Profile(**{name: getattr(self.identity, name) for name in self.known_by})

    def _require_profile(self, profile: Profile | None) -> None:
        found = self._known()
        if profile is None or profile.confirms(found):
            return
        if profile.contradicts(found):
            raise WrongProfileError("main", bound=str(profile), found=str(found))
        raise UnknownProfileError("main", bound=str(profile))

    def _list(self, profile: Profile) -> TokenList:
        rows = tuple(
            ListedToken(token.token_id, token.label, token.scopes, token.created_at, token.last_used_at)
            for token in self._tokens.values()
            if token.live and not token.hidden and token.profile == profile
        )
        return TokenList(rows, self._now().replace(microsecond=0) if self.show_date else None)
