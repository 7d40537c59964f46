"""The client of one account."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import httpx
from pydantic import SecretStr

from worker.errors import AmbiguousDeriveError, UnreadableAnswerError
from worker.exchange.auth import HmacAuth, IdentityAuth, Signing
from worker.exchange.calls import TOKENS_TARGET, TokenCalls
from worker.exchange.profiles import Profiles
from worker.exchange.refusal import refusal
from worker.exchange.signed import HmacClient
from worker.exchange.text import clean
from worker.exchange.transport import AnswerLostError
from worker.exchange.wire import WireFormatError, read_capabilities, read_derived, write_json
from worker.models import Capabilities, DerivedToken, Profile, RevokeResult, TokenList
from worker.outside import NOTHING_SPECIAL, Outside
from worker.ports import Clock, IdentitySource

_CAPABILITIES_TARGET = f"{TOKENS_TARGET}/capabilities"
_LOOK_UP_SECONDS = 5.0
"""What finding out whose an identity token is may take of a call."""

_REQUEST_TIMEOUT = 408
_CLIENT_ERRORS = range(400, 500)


class ExchangeClient(TokenCalls):
    """One account at the exchange, by its identity: `worker.ports.Exchange`. Shared by all threads.

    Args:
        account: its name, for messages.
        api_url: of the exchange.
        identity: asked for a token before every request.
        clock: dates signatures and measures deadlines.
        transport: replaces the network, for tests.
        subject_of: reads the `sub` of an identity token, which helps to tell whose it is.
        outside: whom to trust, and the proxy.
    """

    def __init__(
        self,
        *,
        account: str,
        api_url: str,
        identity: IdentitySource,
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
        subject_of: Callable[[SecretStr], str | None] = lambda _token: None,
        outside: Outside = NOTHING_SPECIAL,
    ) -> None:
        super().__init__(account=account, api_url=api_url, clock=clock, transport=transport, outside=outside)
        self._identity = identity
        self._profiles = Profiles(account=account, ask=self._ask_capabilities, subject_of=subject_of, clock=clock)
        self._network = transport
        self._outside = outside

    def get_capabilities(self) -> Capabilities:
        """Return what the profile may do; repeated when safe. Raises TransientError or PermanentError."""
        return self._repeated(
            "GET",
            _CAPABILITIES_TARGET,
            self._purpose("reading the capabilities"),
            self._signing,
            lambda answer: read_capabilities(answer.body),
        )

    def profile(self) -> Profile:
        """Return what is known of the identity in place; asked for once, and it may be nothing.

        Raises IdentityUnavailableError when there is none.
        """
        return self._profiles.of(self._identity.token(), seconds=_LOOK_UP_SECONDS)

    def list_tokens(self) -> TokenList:
        """Return every live token of the profile, and whose that is; see `TokenCalls.list_tokens`."""
        signed: list[SecretStr] = []

        def signing() -> Signing:
            signed.append(self._identity.token())
            return IdentityAuth(signed[-1])

        listed = self._list(signing)
        # Whoever signed last was answered.
        return replace(listed, profile=self._profiles.of(signed[-1], seconds=_LOOK_UP_SECONDS))

    def derive_token(
        self, label: str, scopes: Sequence[str], *, deadline: timedelta, profile: Profile | None = None
    ) -> DerivedToken:
        """Return a fresh token. The request is sent once (again only after a 401 to an identity renewed meanwhile).

        Args:
            label: at most 128 characters.
            scopes: a non-empty subset of the profile's allowed scopes.
            deadline: the total time the call may take.
            profile: whose identity must sign it; None: anybody's.

        Raises:
            WrongProfileError, UnknownProfileError: the identity about to sign is, or may be, another profile's.
            AmbiguousDeriveError: the request may have left and no whole answer came back; also 3xx, 408 and 5xx, for
                whoever sent these may have been asked in vain or may have passed the request on.
            TransientError: it certainly was not carried out (no connection, 425, 429).
            PermanentError: it was refused (any other 4xx), or there is no identity.
        """
        purpose = self._purpose(f"deriving a token labelled {clean(label)}")
        ends = self._clock.monotonic() + deadline.total_seconds()
        try:
            answer, used = self._send(
                "POST",
                f"{TOKENS_TARGET}/derive",
                purpose=purpose,
                signing=lambda: self._signing_as(profile, ends),
                deadline=ends,
                body=write_json({"label": label, "scopes": list(scopes)}),
                fresh_connection=True,
            )
        except AnswerLostError as exc:
            lost = str(exc)
        else:
            if answer.status in _CLIENT_ERRORS and answer.status != _REQUEST_TIMEOUT:
                raise refusal(answer, purpose=purpose, secrets=used.secrets)
            # The body is not quoted from here on: it may hold the new secret.
            lost = f"{purpose}: the exchange answered {answer.status}."
            if answer.is_success:
                try:
                    derived = read_derived(answer.body, asked_scopes=tuple(scopes), received_at=answer.received_at)
                    return self._with_signers_profile(derived, used)
                except WireFormatError as exc:
                    lost = f"{purpose}: the exchange answered {answer.status}, but {exc}."
        raise AmbiguousDeriveError(
            f"{lost} A token with this label may exist whose secret nobody has; it is looked for by its label and "
            "revoked."
        )

    def list_tokens_as(self, token_id: str, secret: SecretStr) -> TokenList:
        """Return the list, signed by that token itself; repeated when safe.

        Raises:
            AuthenticationRefusedError: the token is not accepted, and the clocks agree.
            ClockSkewError: not accepted, but the clocks differ by more than 30 s.
            TransientError: the exchange cannot be reached or throttles.
            PermanentError: refused otherwise, or the secret cannot sign.
        """
        signing = HmacAuth(token_id, secret, clock=self._clock)
        return self._list(lambda: signing, by=f" as token {clean(token_id)}")

    def hmac_client(self, token_id: str, secret: SecretStr) -> HmacClient:
        """Return a client of its own that signs with that token; the caller closes it.

        Raises PermanentError when the secret cannot sign.
        """
        return HmacClient(
            token_id=token_id,
            secret=secret,
            account=self._account,
            api_url=self._transport.base_url,
            clock=self._clock,
            transport=self._network,
            outside=self._outside,
        )

    def revoke_token(self, token_id: str, *, profile: Profile | None = None) -> RevokeResult:
        """Invalidate a token for good; see `TokenCalls.revoke_token`.

        Args:
            token_id: the token.
            profile: whose identity must sign it; None: anybody's.

        Raises WrongProfileError or UnknownProfileError with nothing sent; TransientError, PermanentError.
        """
        return self._revoke(token_id, lambda: self._signing_as(profile, self._clock.monotonic() + _LOOK_UP_SECONDS))

    def _signing(self) -> Signing:
        return IdentityAuth(self._identity.token())

    def _signing_as(self, profile: Profile | None, deadline: float) -> Signing:
        token = self._identity.token()
        if profile is not None:
            seconds = min(_LOOK_UP_SECONDS, max(0.0, deadline - self._clock.monotonic()))
            self._profiles.require(token, profile, seconds=seconds)
        return IdentityAuth(token)

    def _with_signers_profile(self, derived: DerivedToken, used: Signing) -> DerivedToken:
        known = self._profiles.known(used.secrets[0])
        return replace(derived, profile=derived.profile.with_unknown_from(known))

    def _ask_capabilities(self, token: SecretStr, seconds: float) -> Capabilities:
        purpose, signing = self._purpose("reading the capabilities"), IdentityAuth(token)
        answer, used = self._send(
            "GET",
            _CAPABILITIES_TARGET,
            purpose=purpose,
            signing=lambda: signing,
            deadline=self._clock.monotonic() + seconds,
        )
        if not answer.is_success:
            raise refusal(answer, purpose=purpose, secrets=used.secrets)
        try:
            return read_capabilities(answer.body)
        except WireFormatError as exc:
            problem = str(exc)
        raise UnreadableAnswerError(f"{purpose}: the exchange answered {answer.status}, but {problem}.")
