"""The calls that an account's identity and a token's signature can both make."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import httpx

from worker.errors import ExchangeRefusedError, PermanentError, UnreadableAnswerError
from worker.exchange.auth import Signing
from worker.exchange.refusal import refusal, says_gone, server_time
from worker.exchange.retry import repeat
from worker.exchange.text import clean
from worker.exchange.transport import Answer, Transport
from worker.exchange.wire import WireFormatError, read_object, read_tokens
from worker.models import RevokeResult, TokenList
from worker.outside import NOTHING_SPECIAL, Outside
from worker.ports import Clock

T = TypeVar("T")

TOKENS_TARGET = "/auth/api-tokens"

_NO_CONTENT, _UNAUTHORIZED, _NOT_FOUND = 204, 401, 404


def token_target(token_id: str) -> str:
    """Return the path of one token: its id is one percent-encoded segment, so `/` becomes `%2F`.

    Raises PermanentError for an id that would address something else than a token ("", ".", "..").
    """
    if not token_id.strip("."):
        raise PermanentError(f"{token_id!r} is not a token id. Nothing was sent.")
    return f"{TOKENS_TARGET}/{quote(token_id, safe='')}"


class TokenCalls(ABC):
    """What both clients can do. No state of its own changes, so threads may share one."""

    def __init__(
        self,
        *,
        account: str,
        api_url: str,
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
        outside: Outside = NOTHING_SPECIAL,
    ) -> None:
        self._account = account
        self._clock = clock
        self._transport = Transport(api_url=api_url, clock=clock, transport=transport, outside=outside)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def list_tokens(self) -> TokenList:
        """Return every live token of the profile; repeated when safe. Raises TransientError or PermanentError."""
        return self._list(self._signing)

    def revoke_token(self, token_id: str) -> RevokeResult:
        """Invalidate a token for good; repeated when safe, and one that is gone already is success.

        Raises TransientError or PermanentError.
        """
        return self._revoke(token_id, self._signing)

    def _revoke(self, token_id: str, signing: Callable[[], Signing]) -> RevokeResult:
        purpose = self._purpose(f"revoking token {clean(token_id)}")

        def read(answer: Answer) -> RevokeResult:
            if says_gone(answer):
                return RevokeResult.ALREADY_GONE
            if answer.status == _NOT_FOUND:
                raise ExchangeRefusedError(
                    f"{purpose}: the 404 is not the exchange's own word about a token, so the token may still be "
                    "alive. Look at api_url and at what stands between.",
                    status=answer.status,
                )
            if answer.status != _NO_CONTENT:
                # A page by somebody in between can be a 200 as well.
                read_object(answer.body)
            return RevokeResult.REVOKED

        return self._repeated("DELETE", token_target(token_id), purpose, signing, read, accepts=_NOT_FOUND)

    @abstractmethod
    def _signing(self) -> Signing:
        """Return the present proof of who sends; read anew for every request."""

    def _list(self, signing: Callable[[], Signing], *, by: str = "") -> TokenList:
        return self._repeated(
            "GET",
            TOKENS_TARGET,
            self._purpose(f"listing the tokens{by}"),
            signing,
            lambda answer: TokenList(tokens=read_tokens(answer.body), server_time=server_time(answer)),
        )

    def _repeated(
        self,
        method: str,
        target: str,
        purpose: str,
        signing: Callable[[], Signing],
        read: Callable[[Answer], T],
        *,
        accepts: int | None = None,
    ) -> T:
        """Return what `read` makes of a 2xx (or of the status that it also `accepts`)."""

        def attempt(deadline: float) -> T:
            answer, used = self._send(method, target, purpose=purpose, signing=signing, deadline=deadline)
            if not answer.is_success and answer.status != accepts:
                raise refusal(answer, purpose=purpose, secrets=used.secrets)
            try:
                return read(answer)
            except WireFormatError as exc:
                problem = str(exc)
            raise UnreadableAnswerError(
                f"{purpose}: the exchange answered {answer.status}, but {problem}. If this stays, look at what stands "
                "between us and the exchange, and whether its interface has changed."
            )

        return repeat(attempt, clock=self._clock)

    def _send(
        self,
        method: str,
        target: str,
        *,
        purpose: str,
        signing: Callable[[], Signing],
        deadline: float,
        body: bytes | None = None,
        fresh_connection: bool = False,
    ) -> tuple[Answer, Signing]:
        used = signing()
        send = partial(
            self._transport.send,
            method,
            target,
            purpose=purpose,
            deadline=deadline,
            body=body,
            fresh_connection=fresh_connection,
        )
        answer = send(auth=used)
        if answer.status == _UNAUTHORIZED:
            # An identity can be renewed while a request is under way; a 401 carried nothing out, so it may go again.
            renewed = signing()
            if renewed.secrets != used.secrets:
                return send(auth=renewed), renewed
        return answer, used

    def _purpose(self, doing: str) -> str:
        return f"Account {self._account}: {doing} at {self._transport.base_url}"
