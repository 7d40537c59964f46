"""A caller of the exchange that signs with the official client's own function and shares no code with the worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import httpx
from limitless_sdk.api.hmac import compute_hmac_signature

from sandbox.exchange.server import RunningExchange


@dataclass(frozen=True, slots=True)
class Token:
    """What a derive returned."""

    token_id: str
    secret: str


class Caller:
    """Sends requests as a profile (identity) or as a token (signature)."""

    def __init__(self, exchange: RunningExchange, *, profile: str = "main") -> None:
        self.http = httpx.Client(base_url=exchange.api_url, trust_env=False)
        self.identity = exchange.control.issue_identity(profile).get_secret_value()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    @property
    def identity_header(self) -> dict[str, str]:
        return {"identity": f"Bearer {self.identity}"}

    def derive(self, **body: Any) -> Token:
        answer = self.call("POST", "/auth/api-tokens/derive", json=body)
        assert answer.status_code == 201, answer.text
        return Token(answer.json()["tokenId"], answer.json()["secret"])

    def listed(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.call("GET", "/auth/api-tokens").raise_for_status().json()
        return rows

    def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        return self.http.request(method, path, headers=self.identity_header, **request)

    def signed(
        self,
        token: Token,
        method: str,
        path: str,
        *,
        body: str = "",
        off: timedelta = timedelta(0),
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        return self.http.request(
            method, path, content=body, headers={**signature(token, method, path, body, off=off), **(headers or {})}
        )


def signature(token: Token, method: str, path: str, body: str = "", *, off: timedelta = timedelta(0)) -> dict[str, str]:
    """Return the headers of a signed request; `off` is how wrong the signer's clock is."""
    timestamp = (datetime.now(UTC) + off).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "lmts-api-key": token.token_id,
        "lmts-timestamp": timestamp,
        "lmts-signature": compute_hmac_signature(token.secret, timestamp, method, path, body),
        "content-type": "application/json",
    }
