"""Listing, reading the capabilities, revoking: repeated when that helps, and strict about what counts as an answer."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import pytest
from pydantic import SecretStr

from tests.unit.exchange.support import IDENTITY, LISTED, NOW, SECRET, Reply, Script, exchange, http_date
from worker.errors import (
    AuthenticationRefusedError,
    ClockSkewError,
    ExchangeRefusedError,
    ExchangeUnavailableError,
    PermanentError,
    TransientError,
    UnreadableAnswerError,
)
from worker.exchange import ExchangeClient
from worker.exchange.retry import ATTEMPTS
from worker.models import Capabilities, ListedToken, RevokeResult
from worker.ports import Exchange

CAPABILITIES = {"partnerProfileId": 7, "tokenManagementEnabled": True, "allowedScopes": ["trading", "brand_new"]}
GONE = httpx.Response(404, json={"statusCode": 404, "message": "Token not found", "error": "Not Found"})

Call = Callable[[ExchangeClient], Any]
E = TypeVar("E", bound=Exception)
CALLS: dict[str, tuple[Call, httpx.Response]] = {
    "list": (lambda client: client.list_tokens(), httpx.Response(200, json=[])),
    "list as": (lambda client: client.list_tokens_as("tok-1", SecretStr(SECRET)), httpx.Response(200, json=[])),
    "capabilities": (lambda client: client.get_capabilities(), httpx.Response(200, json=CAPABILITIES)),
    "revoke": (lambda client: client.revoke_token("tok-1"), httpx.Response(200, json={"message": "revoked"})),
}
every_call = pytest.mark.parametrize("call, success", list(CALLS.values()), ids=list(CALLS))
PASSING: list[Any] = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout(""),
    httpx.PoolTimeout(""),
    httpx.ReadTimeout(""),
    httpx.WriteTimeout(""),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("cut"),
    *[httpx.Response(status) for status in (408, 425, 429, 502, 503, 504)],
]


def run(call: Call, *replies: Reply) -> tuple[Any, Script]:
    script = Script(list(replies))
    with exchange(script) as client:
        return call(client), script


def failure(call: Call, expected: type[E], *replies: Reply) -> tuple[E, Script]:
    script = Script(list(replies))
    with exchange(script) as client, pytest.raises(expected) as caught:
        call(client)
    return caught.value, script


def revoke(client: ExchangeClient) -> RevokeResult:
    return client.revoke_token("tok-1")


def test_the_client_is_an_exchange() -> None:
    with exchange(Script([])) as client:
        port: Exchange = client
        assert port is client


@every_call
@pytest.mark.parametrize("passing", PASSING, ids=lambda one: getattr(one, "status_code", None) or type(one).__name__)
def test_a_passing_failure_is_repeated(call: Call, success: httpx.Response, passing: Reply) -> None:
    _, script = run(call, passing, passing, success)
    assert len(script.requests) == 3


@every_call
def test_repeating_ends(call: Call, success: httpx.Response) -> None:
    error, script = failure(call, ExchangeUnavailableError, *[httpx.Response(503)] * 50)
    assert len(script.requests) == ATTEMPTS
    assert "Account desk" in str(error)


@every_call
@pytest.mark.parametrize("status", [400, 401, 403, 405, 409, 410, 422])
def test_a_refusal_is_not_repeated(call: Call, success: httpx.Response, status: int) -> None:
    error, script = failure(call, ExchangeRefusedError, httpx.Response(status, json={"message": "no"}))
    assert error.status == status
    assert len(script.requests) == 1


@every_call
def test_a_500_is_transient_but_not_repeated(call: Call, success: httpx.Response) -> None:
    _, script = failure(call, TransientError, httpx.Response(500, json={"message": "Internal server error"}))
    assert len(script.requests) == 1


@every_call
def test_a_redirect_is_not_followed_and_names_the_setting(call: Call, success: httpx.Response) -> None:
    moved = httpx.Response(308, headers={"location": "https://elsewhere.test/auth/api-tokens"})
    error, script = failure(call, ExchangeRefusedError, moved)
    assert len(script.requests) == 1
    assert "elsewhere.test" in str(error)
    assert "api_url" in str(error)


@every_call
@pytest.mark.parametrize("body", [b"", b"<html>", b'[{"tokenId":', b"7"])
def test_a_success_that_cannot_be_read_is_asked_for_again_and_then_an_error(
    call: Call, success: httpx.Response, body: bytes
) -> None:
    error, script = failure(call, UnreadableAnswerError, *[httpx.Response(200, content=body)] * 50)
    assert len(script.requests) == ATTEMPTS
    assert "answered 200, but" in str(error)


@every_call
def test_every_call_waits_for_a_bounded_time_only(call: Call, success: httpx.Response) -> None:
    _, script = run(call, success)
    assert all(0 < seconds <= 10 for seconds in script.requests[0].extensions["timeout"].values())


def test_a_list_is_read_with_the_exchanges_clock() -> None:
    used = LISTED | {"tokenId": "tok-2", "label": None, "lastUsedAt": "2026-03-30T14:30:00+02:00", "scopes": ["new"]}
    date = {"date": http_date(NOW)}
    tokens, script = run(
        lambda client: client.list_tokens(), httpx.Response(200, json=[LISTED | {"extra": 1}, used], headers=date)
    )
    noon = datetime(2026, 3, 30, 12, tzinfo=UTC)
    assert tokens.tokens == (
        ListedToken("tok-1", "maker/abc", ("trading",), noon, None),
        ListedToken("tok-2", None, ("new",), noon, noon + timedelta(minutes=30)),
    )
    assert tokens.server_time == NOW.replace(microsecond=0)
    assert (script.requests[0].method, script.requests[0].url.path) == ("GET", "/auth/api-tokens")
    assert script.requests[0].headers["identity"] == f"Bearer {IDENTITY}"


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_a_list_without_a_readable_date_has_no_server_time(date: str | None) -> None:
    headers = {} if date is None else {"date": date}
    tokens, _ = run(lambda client: client.list_tokens(), httpx.Response(200, json=[], headers=headers))
    assert tokens.server_time is None


@pytest.mark.parametrize(
    "field, value",
    [
        ("tokenId", None),
        ("tokenId", ""),
        ("scopes", None),
        ("createdAt", None),
        ("createdAt", "x"),
        ("createdAt", "9999-12-31T23:59:59-12:00"),
        ("lastUsedAt", "0001-01-01T00:00:00+12:00"),
        ("lastUsedAt", "x"),
    ],
)
def test_one_row_that_cannot_be_read_makes_the_list_no_list(field: str, value: object) -> None:
    answer = httpx.Response(200, json=[LISTED, LISTED | {field: value}])
    error, _ = failure(lambda client: client.list_tokens(), UnreadableAnswerError, *[answer] * ATTEMPTS)
    assert f"1.{field}" in str(error)


def test_a_time_without_a_zone_is_utc() -> None:
    answer = httpx.Response(200, json=[LISTED | {"createdAt": "2026-03-30T12:00:00"}])
    tokens, _ = run(lambda client: client.list_tokens(), answer)
    assert tokens.tokens[0].created_at == datetime(2026, 3, 30, 12, tzinfo=UTC)


def test_capabilities_keep_scopes_that_nobody_knows_yet() -> None:
    capabilities, script = run(*CALLS["capabilities"])
    assert capabilities == Capabilities(7, token_management_enabled=True, allowed_scopes=("trading", "brand_new"))
    assert script.requests[0].url.path == "/auth/api-tokens/capabilities"


@pytest.mark.parametrize("answer", [httpx.Response(200, json={"message": "ok"}), httpx.Response(204)])
def test_a_revoked_token_is_revoked(answer: httpx.Response) -> None:
    result, script = run(revoke, answer)
    assert result is RevokeResult.REVOKED
    assert script.requests[0].method == "DELETE"


def test_revoking_addresses_the_token_as_one_segment() -> None:
    _, script = run(lambda client: client.revoke_token("a/b c%"), httpx.Response(204))
    assert script.requests[0].url.raw_path == b"/auth/api-tokens/a%2Fb%20c%25"


def test_revoking_a_token_that_is_gone_is_success() -> None:
    assert run(revoke, GONE)[0] is RevokeResult.ALREADY_GONE


def test_a_revocation_whose_answer_was_lost_ends_as_already_gone() -> None:
    assert run(revoke, httpx.ReadTimeout(""), GONE)[0] is RevokeResult.ALREADY_GONE


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404),
        httpx.Response(404, html="<html><title>404 Not Found</title></html>"),
        httpx.Response(404, json={"message": "Cannot DELETE /v2/auth/api-tokens/tok-1", "statusCode": 404}),
        httpx.Response(404, json={}),
    ],
    ids=["empty", "a proxy's page", "the framework's", "without a message"],
)
def test_a_404_that_is_not_about_the_token_is_not_taken_for_a_revocation(answer: httpx.Response) -> None:
    error, script = failure(revoke, ExchangeRefusedError, answer)
    assert "may still be alive" in str(error)
    assert len(script.requests) == 1


def test_a_list_signed_by_a_token_carries_its_signature_and_no_identity() -> None:
    _, script = run(*CALLS["list as"])
    assert script.requests[0].headers["lmts-api-key"] == "tok-1"
    assert "identity" not in script.requests[0].headers


def test_a_token_that_is_not_accepted_is_refused() -> None:
    refused = httpx.Response(401, json={"message": "Invalid HMAC authentication"}, headers={"date": http_date(NOW)})
    error, _ = failure(CALLS["list as"][0], AuthenticationRefusedError, refused)
    assert "as token tok-1" in str(error)
    assert "Invalid HMAC authentication" in str(error)


def test_a_401_under_a_skewed_clock_says_nothing_about_the_token() -> None:
    refused = httpx.Response(401, headers={"date": http_date(NOW - timedelta(seconds=45))})
    error, _ = failure(CALLS["list as"][0], ClockSkewError, refused)
    assert "The clock of this machine is 45 s ahead" in str(error)


def test_a_secret_that_cannot_sign_is_refused_without_a_request() -> None:
    with exchange(Script([])) as client, pytest.raises(PermanentError, match="not base64"):
        client.list_tokens_as("tok-1", SecretStr("?"))


def test_a_client_made_from_a_derive_lists_and_revokes_with_its_signature() -> None:
    script = Script([httpx.Response(200, json=[LISTED]), httpx.Response(204)])
    with exchange(script) as account, account.hmac_client("tok-1", SecretStr(SECRET)) as client:
        assert client.list_tokens().by_id("tok-1") is not None
        assert client.revoke_token("tok-9") is RevokeResult.REVOKED
    assert {one.headers["lmts-api-key"] for one in script.requests} == {"tok-1"}


def test_an_arbitrary_signed_request_returns_any_answer_and_is_sent_once() -> None:
    script = Script([httpx.Response(503, content=b"later")])
    with exchange(script) as account, account.hmac_client("tok-1", SecretStr(SECRET)) as client:
        answer = client.request("GET", "/profiles/me")
    assert (answer.status, answer.body) == (503, b"later")
