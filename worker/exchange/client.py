"""The client of one account."""

from collections.abc import Sequence
from datetime import timedelta

import httpx
from pydantic import SecretStr

from worker.errors import AmbiguousDeriveError
from worker.exchange.auth import HmacAuth, IdentityAuth, Signing
from worker.exchange.calls import TOKENS_TARGET, TokenCalls
from worker.exchange.refusal import refusal
from worker.exchange.signed import HmacClient
from worker.exchange.text import clean
from worker.exchange.transport import AnswerLostError
from worker.exchange.wire import WireFormatError, read_capabilities, read_derived, write_json
from worker.models import Capabilities, DerivedToken, TokenList
from worker.outside import NOTHING_SPECIAL, Outside
from worker.ports import Clock, IdentitySource

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
        outside: Outside = NOTHING_SPECIAL,
    ) -> None:
        super().__init__(account=account, api_url=api_url, clock=clock, transport=transport, outside=outside)
        self._identity = identity
        self._network = transport
        self._outside = outside

    def get_capabilities(self) -> Capabilities:
        """Return what the profile may do; repeated when safe. Raises TransientError or PermanentError."""
        return self._repeated(
            "GET",
            f"{TOKENS_TARGET}/capabilities",
            self._purpose("reading the capabilities"),
            self._signing,
            lambda answer: read_capabilities(answer.body),
        )

    def derive_token(self, label: str, scopes: Sequence[str], *, deadline: timedelta) -> DerivedToken:
        """Return a fresh token. The request is sent once (again only after a 401 to an identity renewed meanwhile).

        Args:
            label: at most 128 characters.
            scopes: a non-empty subset of the profile's allowed scopes.
            deadline: the total time the call may take.

        Raises:
            AmbiguousDeriveError: the request may have left and no whole answer came back; also 3xx, 408 and 5xx, for
                whoever sent these may have been asked in vain or may have passed the request on.
            TransientError: it certainly was not carried out (no connection, 425, 429).
            PermanentError: it was refused (any other 4xx), or there is no identity.
        """
        purpose = self._purpose(f"deriving a token labelled {clean(label)}")
        try:
            answer, used = self._send(
                "POST",
                f"{TOKENS_TARGET}/derive",
                purpose=purpose,
                signing=self._signing,
                deadline=self._clock.monotonic() + deadline.total_seconds(),
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
                    return read_derived(answer.body, asked_scopes=tuple(scopes), received_at=answer.received_at)
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

    def _signing(self) -> Signing:
        return IdentityAuth(self._identity.token())
