"""No secret and no identity gets out through a repr, a message or an exception's relatives."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.fakes.clock import FakeClock
from tests.unit.exchange.support import (
    API_URL,
    DERIVED,
    IDENTITY,
    NOW,
    SECRET,
    Reply,
    Script,
    everything_about,
    exchange,
)
from tests.unit.exchange.test_derive import TEN_SECONDS
from worker.errors import RotatorError
from worker.exchange import ExchangeClient, HmacAuth, IdentityAuth
from worker.exchange.transport import Answer
from worker.exchange.wire import read_derived

CALLS: dict[str, Callable[[ExchangeClient], object]] = {
    "derive": lambda client: client.derive_token("maker/abc", ["trading"], deadline=TEN_SECONDS),
    "list": lambda client: client.list_tokens(),
    "list as": lambda client: client.list_tokens_as("tok-1", SecretStr(SECRET)),
    "capabilities": lambda client: client.get_capabilities(),
    "revoke": lambda client: client.revoke_token("tok-1"),
}


def leaks(text: str, secret: str) -> bool:
    return any(secret[n : n + 8] in text for n in range(len(secret) - 7))


def echo_of_everything(request: httpx.Request, status: int, shape: Callable[[str], bytes]) -> httpx.Response:
    echo = " ".join([*request.headers.values(), SECRET, request.content.decode()])
    return httpx.Response(status, content=shape(echo), headers={"location": f"https://elsewhere.test/?t={echo[:900]}"})


SHAPES: list[Callable[[str], bytes]] = [
    lambda echo: echo.encode(),
    lambda echo: json.dumps({"message": echo}).encode(),
    lambda echo: json.dumps({"message": [echo, {"constraints": {"a": echo}}]}).encode(),
    lambda echo: json.dumps(DERIVED | {"tokenId": "", "apiKey": echo[:0], "extra": echo}).encode(),
    lambda echo: json.dumps(DERIVED | {"createdAt": echo}).encode()[:-1],
    lambda echo: f"<html><title>{echo}</title></html>".encode(),
]


@given(
    name=st.sampled_from(list(CALLS)),
    status=st.sampled_from([200, 201, 302, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503]),
    shape=st.sampled_from(SHAPES),
)
def test_a_server_that_echoes_everything_gets_nothing_into_an_exception(
    name: str, status: int, shape: Callable[[str], bytes]
) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        return echo_of_everything(request, status, shape)

    with exchange(Script([reply] * 10)) as client:
        try:
            CALLS[name](client)
        except RotatorError as exc:
            text = everything_about(exc)
        else:
            return
    sent = IDENTITY if name != "list as" else SECRET
    assert not leaks(text, sent)
    if name == "derive" and status < 400:
        assert not leaks(text, SECRET)


@pytest.mark.parametrize("name", list(CALLS))
@pytest.mark.parametrize(
    "failure",
    [
        httpx.LocalProtocolError(f"Illegal header value b'Bearer {IDENTITY} {SECRET}'"),
        httpx.RemoteProtocolError(f"illegal header line: {IDENTITY} {SECRET}"),
        httpx.DecodingError(f"{IDENTITY} {SECRET}"),
        httpx.ReadError(f"{IDENTITY} {SECRET}"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_library_that_quotes_what_was_sent_is_not_quoted(name: str, failure: Reply) -> None:
    with exchange(Script([failure] * 10)) as client, pytest.raises(RotatorError) as caught:
        CALLS[name](client)
    text = everything_about(caught.value)
    assert not leaks(text, IDENTITY)
    assert not leaks(text, SECRET)


def test_no_repr_shows_a_secret() -> None:
    body = json.dumps(DERIVED).encode()
    with exchange(Script([])) as client, client.hmac_client("tok-1", SecretStr(SECRET)) as signed:
        things: list[Any] = [
            client,
            signed,
            HmacAuth("tok-1", SecretStr(SECRET), clock=FakeClock(NOW)),
            IdentityAuth(SecretStr(IDENTITY)),
            Answer(201, httpx.Headers({"identity": IDENTITY}), body, NOW, NOW),
            read_derived(body, asked_scopes=(), received_at=NOW),
        ]
        for thing in things:
            attributes = vars(thing) if hasattr(thing, "__dict__") else {}
            text = f"{thing!r} {thing} {attributes!r}"
            assert not leaks(text, SECRET), type(thing)
            assert not leaks(text, IDENTITY), type(thing)


def test_messages_name_the_address_and_the_account() -> None:
    with exchange(Script([httpx.Response(403)])) as client, pytest.raises(RotatorError) as caught:
        client.list_tokens()
    assert f"Account desk: listing the tokens at {API_URL}" in str(caught.value)
