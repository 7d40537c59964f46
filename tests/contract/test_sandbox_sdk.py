"""The exchange's official client as an independent judge: of the sandbox, and of the worker's signatures."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from limitless_sdk import ApiTokenService, AuthenticationError, HttpClient, ValidationError
from limitless_sdk.api.hmac import compute_hmac_signature
from limitless_sdk.types.api_tokens import DeriveApiTokenInput, DeriveApiTokenResponse, HMACCredentials
from pydantic import SecretStr

from sandbox.exchange.records import Call, RequestEntry
from sandbox.exchange.server import RunningExchange
from tests.fakes.clock import START, FakeClock
from worker.clock import SystemClock
from worker.exchange import HmacAuth, HmacClient

T = TypeVar("T")

documents = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)
targets = st.builds(
    lambda segments, query: (
        "/"
        + "/".join(quote(one, safe="") for one in segments)
        + (f"?q={quote(query, safe='')}" if query is not None else "")
    ),
    st.lists(st.text(min_size=1, max_size=12).filter(lambda one: one.strip(".")), min_size=1, max_size=4),
    st.none() | st.text(max_size=12),
)


def through_sdk(
    url: str, use: Callable[[HttpClient], Awaitable[T]], *, credentials: HMACCredentials | None = None
) -> T:
    async def run() -> T:
        async with HttpClient(base_url=url, hmac_credentials=credentials) as http:
            return await use(http)

    return asyncio.run(run())


def derive(sandbox: RunningExchange, **payload: object) -> DeriveApiTokenResponse:
    identity = sandbox.control.issue_identity("main").get_secret_value()
    derived: DeriveApiTokenResponse = through_sdk(
        sandbox.api_url, lambda http: ApiTokenService(http).derive_token(identity, DeriveApiTokenInput(**payload))
    )
    return derived


def credentials(token: DeriveApiTokenResponse) -> HMACCredentials:
    return HMACCredentials(token_id=token.token_id, secret=token.secret)


def last_of(sandbox: RunningExchange, call: Call) -> RequestEntry:
    return sandbox.control.requests(call=call)[-1]


@pytest.mark.servers
def test_the_official_client_reads_the_capabilities(sandbox: RunningExchange) -> None:
    identity = sandbox.control.issue_identity("main").get_secret_value()
    capabilities = through_sdk(sandbox.api_url, lambda http: ApiTokenService(http).get_capabilities(identity))
    assert capabilities.token_management_enabled
    assert "trading" in capabilities.allowed_scopes


@pytest.mark.servers
def test_the_official_client_derives_a_token(sandbox: RunningExchange) -> None:
    token = derive(sandbox, label="bot/ä", scopes=["trading", "delegated_signing"])
    assert token.api_key == token.token_id
    assert (token.scopes, token.profile.id) == (["trading", "delegated_signing"], 1001)
    assert [entry.label for entry in sandbox.control.tokens()] == ["bot/ä"]


@pytest.mark.servers
def test_the_official_client_lists_with_a_token_it_derived(sandbox: RunningExchange) -> None:
    token = derive(sandbox, label="bot")
    (row,) = through_sdk(
        sandbox.api_url, lambda http: ApiTokenService(http).list_tokens(), credentials=credentials(token)
    )
    assert (row.token_id, row.label, row.scopes) == (token.token_id, "bot", ["trading"])
    assert row.last_used_at is not None


@pytest.mark.servers
def test_the_official_client_sends_a_signed_order(sandbox: RunningExchange) -> None:
    token = derive(sandbox)
    answer = through_sdk(
        sandbox.api_url,
        lambda http: http.post("/orders", {"marketSlug": "größer", "size": 1.5}),
        credentials=credentials(token),
    )
    assert answer["order"]["marketSlug"] == "größer"


@pytest.mark.servers
def test_the_official_client_signs_a_query(sandbox: RunningExchange) -> None:
    token = derive(sandbox)
    through_sdk(sandbox.api_url, lambda http: http.get("/profiles/me", {"a": "1 2"}), credentials=credentials(token))
    assert last_of(sandbox, Call.PROFILE).path == "/profiles/me?a=1+2"


@pytest.mark.servers
def test_the_official_client_revokes_and_is_refused_afterwards(sandbox: RunningExchange) -> None:
    token = derive(sandbox)

    async def flow(http: HttpClient) -> str:
        service = ApiTokenService(http)
        message: str = await service.revoke_token(token.token_id)
        with pytest.raises(AuthenticationError, match="Invalid HMAC authentication") as refused:
            await service.list_tokens()
        assert refused.value.status_code == 401
        return message

    assert through_sdk(sandbox.api_url, flow, credentials=credentials(token))
    assert [entry.live for entry in sandbox.control.tokens()] == [False]


@pytest.mark.servers
def test_the_official_client_revokes_an_id_with_a_slash_and_a_space(sandbox: RunningExchange) -> None:
    sandbox.control.set_options(id_style="awkward")
    token = derive(sandbox)
    identity = sandbox.control.issue_identity("main").get_secret_value()
    path = f"/auth/api-tokens/{quote(token.token_id, safe='')}"
    through_sdk(sandbox.api_url, lambda http: http.delete_with_identity(path, identity))
    assert [entry.live for entry in sandbox.control.tokens()] == [False]


@pytest.mark.servers
def test_the_official_client_understands_a_validation_error(sandbox: RunningExchange) -> None:
    with pytest.raises(ValidationError, match="128 characters") as refused:
        derive(sandbox, label="x" * 129)
    assert refused.value.status_code == 400


class _Unsigned(httpx.BaseTransport):
    """Keeps the request that would have left."""

    def __init__(self) -> None:
        self.sent: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.sent.append(request)
        return httpx.Response(200)


@given(
    secret=st.binary(min_size=1, max_size=64),
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    target=targets,
    document=st.none() | documents,
    after=st.timedeltas(timedelta(0), timedelta(days=20_000)),
)
def test_our_signature_equals_the_official_clients(
    secret: bytes, method: str, target: str, document: dict[str, object] | None, after: timedelta
) -> None:
    encoded = base64.b64encode(secret).decode()
    network = _Unsigned()
    with HmacClient(
        token_id="token",
        secret=SecretStr(encoded),
        account="main",
        api_url="http://exchange.test",
        clock=FakeClock(START + after),
        transport=network,
    ) as client:
        client.request(method, target, document=document)
    (request,) = network.sent
    # The official client's own functions, fed with what a caller says and not with what we sent.
    timestamp = (START + after).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = "" if document is None else json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    assert request.headers["lmts-timestamp"] == timestamp
    assert request.headers["lmts-signature"] == compute_hmac_signature(encoded, timestamp, method, target, body)


@given(body=st.binary(max_size=60).filter(lambda one: one.decode("utf-8", "ignore").encode() == one))
def test_our_signature_covers_any_utf8_body_as_it_is_sent(body: bytes) -> None:
    encoded = base64.b64encode(b"secret").decode()
    request = httpx.Request("POST", "http://exchange.test/orders", content=body)
    next(HmacAuth("token", SecretStr(encoded), clock=FakeClock()).auth_flow(request))
    theirs = compute_hmac_signature(
        encoded, request.headers["lmts-timestamp"], "POST", "/orders", request.content.decode()
    )
    assert request.headers["lmts-signature"] == theirs


@pytest.mark.servers
@pytest.mark.parametrize(
    "target", ["/orders", "/orders?a=1&b=%2F%20", "/orders?q=a+b", "/orders?"], ids=["plain", "encoded", "plus", "bare"]
)
def test_our_signed_request_is_accepted_with_the_bytes_it_sent(sandbox: RunningExchange, target: str) -> None:
    token = derive(sandbox)
    with HmacClient(
        token_id=token.token_id,
        secret=SecretStr(token.secret),
        account="main",
        api_url=sandbox.api_url,
        clock=SystemClock(),
    ) as client:
        answer = client.request("POST", target, document={"marketSlug": "größer — 1"})
    assert answer.status == 201


def test_the_timestamps_of_both_clients_have_one_form() -> None:
    request = httpx.Request("GET", "http://exchange.test/x")
    next(HmacAuth("token", SecretStr("AAAA"), clock=FakeClock()).auth_flow(request))
    assert datetime.strptime(request.headers["lmts-timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC) == START
