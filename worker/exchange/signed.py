"""The client of one token."""

import httpx
from pydantic import SecretStr

from worker.exchange.auth import HmacAuth, Signing
from worker.exchange.calls import TokenCalls
from worker.exchange.retry import TOTAL
from worker.exchange.text import clean
from worker.exchange.transport import Answer
from worker.exchange.wire import write_json
from worker.outside import NOTHING_SPECIAL, Outside
from worker.ports import Clock


class HmacClient(TokenCalls):
    """One token, by its signature: made from what a derive returned.

    Args:
        token_id: the token.
        secret: base64, as derive returned it.
        account: whose token it is, for messages.
        api_url: of the exchange.
        clock: dates signatures and measures deadlines.
        transport: replaces the network, for tests.
        outside: whom to trust, and the proxy.

    Raises:
        PermanentError: the secret cannot sign.
    """

    def __init__(
        self,
        *,
        token_id: str,
        secret: SecretStr,
        account: str,
        api_url: str,
        clock: Clock,
        transport: httpx.BaseTransport | None = None,
        outside: Outside = NOTHING_SPECIAL,
    ) -> None:
        self._auth = HmacAuth(token_id, secret, clock=clock)
        super().__init__(account=account, api_url=api_url, clock=clock, transport=transport, outside=outside)

    def request(self, method: str, target: str, *, document: object | None = None, body: bytes | None = None) -> Answer:
        """Return the answer to one signed request, sent once, whatever its status.

        Args:
            method: in capitals.
            target: path and query, percent-encoded.
            document: a JSON body, serialised compactly as the official clients do.
            body: a JSON body as bytes, sent as they are; excludes `document`.

        Raises:
            TransientError: no whole answer came back; the request may have been carried out.
        """
        if document is not None and body is not None:
            raise ValueError("document and body are two ways to say the same")
        answer, _ = self._send(
            method,
            target,
            purpose=self._purpose(f"{method} {clean(target)}"),
            signing=self._signing,
            deadline=self._clock.monotonic() + TOTAL.total_seconds(),
            body=body if document is None else write_json(document),
        )
        return answer

    def _signing(self) -> Signing:
        return self._auth
