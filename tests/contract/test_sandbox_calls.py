"""The sandbox exchange against the published interface, one behaviour a test, over real HTTP."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from sandbox.exchange.server import RunningExchange
from tests.contract.exchange_caller import Caller, Token, signature

pytestmark = pytest.mark.servers

DERIVE = "/auth/api-tokens/derive"
LIST = "/auth/api-tokens"


@pytest.fixture
def caller(sandbox: RunningExchange) -> Iterator[Caller]:
    with Caller(sandbox) as one:
        yield one


@pytest.fixture
def other(sandbox: RunningExchange) -> Iterator[Caller]:
    with Caller(sandbox, profile="other") as one:
        yield one


def error(answer: httpx.Response) -> tuple[int, Any, str]:
    body = answer.json()
    assert set(body) == {"statusCode", "message", "error"}
    assert body["statusCode"] == answer.status_code
    return answer.status_code, body["message"], body["error"]


def revoke_path(token_id: str) -> str:
    return f"{LIST}/{quote(token_id, safe='')}"


INVALID_HMAC = (401, "Invalid HMAC authentication", "Unauthorized")


def test_capabilities_name_the_profile_and_its_scopes(caller: Caller) -> None:
    assert caller.call("GET", "/auth/api-tokens/capabilities").json() == {
        "partnerProfileId": 1001,
        "tokenManagementEnabled": True,
        "allowedScopes": ["trading", "account_creation", "delegated_signing", "withdrawal"],
    }


def test_derive_answers_201_with_exactly_the_published_fields(caller: Caller) -> None:
    answer = caller.call("POST", DERIVE, json={"label": "bot/1", "scopes": ["trading"]})
    body = answer.json()
    assert answer.status_code == 201
    assert set(body) == {"apiKey", "tokenId", "secret", "createdAt", "scopes", "profile"}
    assert body["apiKey"] == body["tokenId"]
    assert len(base64.b64decode(body["secret"], validate=True)) == 32
    assert set(body["profile"]) == {"id", "account"}


def test_a_derive_without_a_body_asks_for_trading_without_a_label(caller: Caller) -> None:
    assert caller.call("POST", DERIVE).json()["scopes"] == ["trading"]
    assert [row["label"] for row in caller.listed()] == [None]


def test_a_label_of_128_characters_is_accepted(caller: Caller) -> None:
    caller.derive(label="x" * 128)
    assert [row["label"] for row in caller.listed()] == ["x" * 128]


@pytest.mark.parametrize(
    "body, part",
    [
        ({"label": "x" * 129}, "128"),
        ({"label": 5}, "label must be a string"),
        ({"scopes": "trading"}, "scopes must be an array"),
        ({"scopes": []}, "scopes should not be empty"),
        ({"scopes": ["everything"]}, "one of the following values"),
        ({"scopes": ["delegated_signing"]}, "delegated_signing requires trading"),
        (["label"], "the body must be an object"),
    ],
    ids=str,
)
def test_an_invalid_derive_answers_400_with_a_list_of_sentences(caller: Caller, body: object, part: str) -> None:
    status, message, name = error(caller.call("POST", DERIVE, json=body))
    assert (status, name) == (400, "Bad Request")
    assert any(part in sentence for sentence in message)


def test_a_body_that_is_not_json_answers_400(caller: Caller) -> None:
    answer = caller.http.post(
        DERIVE, content=b"{", headers={**caller.identity_header, "content-type": "application/json"}
    )
    assert error(answer)[0] == 400


def test_a_body_that_is_not_declared_as_json_answers_415(caller: Caller) -> None:
    answer = caller.http.post(DERIVE, content=b"{}", headers=caller.identity_header)
    assert error(answer)[0] == 415


def test_a_scope_that_the_profile_lacks_answers_403(sandbox: RunningExchange, caller: Caller) -> None:
    sandbox.control.put_profile("main", allowed_scopes=["trading"])
    assert error(caller.call("POST", DERIVE, json={"scopes": ["trading", "withdrawal"]}))[0] == 403


def test_admin_is_never_given_out(caller: Caller) -> None:
    assert error(caller.call("POST", DERIVE, json={"scopes": ["admin"]}))[0] == 403


def test_delegated_signing_with_trading_is_given_out(caller: Caller) -> None:
    answer = caller.call("POST", DERIVE, json={"scopes": ["trading", "delegated_signing"]})
    assert answer.json()["scopes"] == ["trading", "delegated_signing"]


@pytest.mark.parametrize("method, path", [("GET", "/auth/api-tokens/capabilities"), ("POST", DERIVE)])
def test_identity_only_calls_refuse_a_signature(caller: Caller, method: str, path: str) -> None:
    answer = caller.signed(caller.derive(), method, path, body="{}" if method == "POST" else "")
    assert error(answer) == (401, "Identity token is required", "Unauthorized")


@pytest.mark.parametrize("path", [LIST, "/profiles/me", "/auth/api-tokens/capabilities"])
def test_without_authentication_the_answer_is_401(caller: Caller, path: str) -> None:
    assert error(caller.http.get(path))[0] == 401


def test_the_legacy_api_key_authenticates_nobody(caller: Caller) -> None:
    assert caller.http.get(LIST, headers={"X-API-Key": caller.derive().token_id}).status_code == 401


def test_an_expired_identity_answers_401(sandbox: RunningExchange, caller: Caller) -> None:
    caller.identity = sandbox.control.issue_identity("main", ttl=timedelta(seconds=-1)).get_secret_value()
    assert error(caller.call("GET", LIST))[0] == 401


def test_an_identity_without_bearer_answers_401(caller: Caller) -> None:
    assert caller.http.get(LIST, headers={"identity": caller.identity}).status_code == 401


def test_the_list_has_exactly_the_published_fields_and_no_secret(caller: Caller) -> None:
    token = caller.derive(label="bot")
    (row,) = caller.listed()
    assert set(row) == {"tokenId", "label", "scopes", "createdAt", "lastUsedAt"}
    assert (row["tokenId"], row["lastUsedAt"]) == (token.token_id, None)


def test_the_list_can_be_signed_by_a_token_and_shows_that_use(caller: Caller) -> None:
    answer = caller.signed(caller.derive(), "GET", LIST)
    (row,) = answer.json()
    assert answer.status_code == 200
    assert row["lastUsedAt"].endswith("Z")


def test_profiles_do_not_see_each_others_tokens(caller: Caller, other: Caller) -> None:
    caller.derive(label="mine")
    assert other.listed() == []


@pytest.mark.parametrize("style", ["plain", "awkward"])
def test_a_revoked_token_is_gone_from_the_list_and_signs_nothing(
    sandbox: RunningExchange, caller: Caller, style: str
) -> None:
    sandbox.control.set_options(id_style=style)
    token = caller.derive()
    answer = caller.call("DELETE", revoke_path(token.token_id))
    assert (answer.status_code, set(answer.json())) == (200, {"message"})
    assert caller.listed() == []
    assert error(caller.signed(token, "GET", LIST)) == INVALID_HMAC


def test_a_token_can_revoke_another_and_itself(caller: Caller) -> None:
    one, two = caller.derive(), caller.derive()
    for target in (two, one):
        assert caller.signed(one, "DELETE", revoke_path(target.token_id)).status_code == 200
    assert caller.listed() == []


@pytest.mark.parametrize("token_id", ["unknown", "a/b", "ü ", "capabilities"])
def test_revoking_what_does_not_exist_answers_404(caller: Caller, token_id: str) -> None:
    assert error(caller.call("DELETE", revoke_path(token_id)))[0] == 404


def test_revoking_twice_answers_404(caller: Caller) -> None:
    path = revoke_path(caller.derive().token_id)
    assert [caller.call("DELETE", path).status_code for _ in range(2)] == [200, 404]


def test_revoking_another_profiles_token_answers_404_and_leaves_it_alive(caller: Caller, other: Caller) -> None:
    token = caller.derive()
    assert other.call("DELETE", revoke_path(token.token_id)).status_code == 404
    assert len(caller.listed()) == 1


@pytest.mark.parametrize("method, path", [("GET", LIST), ("POST", DERIVE), ("DELETE", f"{LIST}/any")])
def test_without_token_management_list_derive_and_revoke_answer_403(
    sandbox: RunningExchange, caller: Caller, method: str, path: str
) -> None:
    sandbox.control.put_profile("main", token_management_enabled=False)
    assert error(caller.call(method, path))[0] == 403
    assert caller.call("GET", "/auth/api-tokens/capabilities").json()["tokenManagementEnabled"] is False


@pytest.mark.parametrize("off, status", [(25, 200), (-25, 200), (35, 401), (-31, 401)])
def test_a_timestamp_must_be_within_30_seconds(caller: Caller, off: int, status: int) -> None:
    assert caller.signed(caller.derive(), "GET", LIST, off=timedelta(seconds=off)).status_code == status


@pytest.mark.parametrize("timestamp", ["", "now", "2026-01-01T00:00:00", "1767225600"])
def test_a_timestamp_that_is_none_answers_401(caller: Caller, timestamp: str) -> None:
    headers = {**signature(caller.derive(), "GET", LIST), "lmts-timestamp": timestamp}
    assert error(caller.http.get(LIST, headers=headers)) == INVALID_HMAC


def test_a_signature_covers_the_path_with_its_query(caller: Caller) -> None:
    token = caller.derive()
    headers = signature(token, "GET", "/profiles/me?a=1&b=%2F")
    assert caller.http.get("/profiles/me?a=1&b=%2F", headers=headers).status_code == 200
    assert caller.http.get("/profiles/me?a=2", headers=headers).status_code == 401


def test_a_signature_covers_the_body_byte_by_byte(caller: Caller) -> None:
    token = caller.derive()
    headers = signature(token, "POST", "/orders", '{"a":"ü"}')
    assert caller.http.post("/orders", content='{"a":"ü"}', headers=headers).status_code == 201
    assert caller.http.post("/orders", content='{"a": "ü"}', headers=headers).status_code == 401


def test_a_signature_covers_the_method(caller: Caller) -> None:
    token = caller.derive()
    headers = signature(token, "GET", revoke_path(token.token_id))
    assert caller.http.delete(revoke_path(token.token_id), headers=headers).status_code == 401


def test_a_signature_with_another_tokens_secret_answers_401(caller: Caller) -> None:
    one, two = caller.derive(), caller.derive()
    assert error(caller.signed(Token(one.token_id, two.secret), "GET", LIST)) == INVALID_HMAC


def test_an_unknown_token_answers_like_a_bad_signature(caller: Caller) -> None:
    assert error(caller.signed(Token("unknown", caller.derive().secret), "GET", LIST)) == INVALID_HMAC


def test_an_identity_wins_over_a_signature(sandbox: RunningExchange, caller: Caller) -> None:
    token = caller.derive()
    answer = caller.signed(token, "GET", LIST, headers=caller.identity_header)
    assert [row["lastUsedAt"] for row in answer.json()] == [None]
    refused = caller.signed(token, "GET", LIST, headers={"identity": "Bearer nonsense"})
    assert refused.status_code == 401


def test_an_order_is_accepted_from_a_trading_token(caller: Caller) -> None:
    answer = caller.signed(caller.derive(), "POST", "/orders", body='{"marketSlug":"m"}')
    assert (answer.status_code, answer.json()["order"]["marketSlug"]) == (201, "m")


def test_an_order_without_the_trading_scope_answers_403(caller: Caller) -> None:
    token = caller.derive(scopes=["withdrawal"])
    assert error(caller.signed(token, "POST", "/orders", body="{}"))[0] == 403


def test_the_profile_is_that_of_the_caller(caller: Caller, other: Caller) -> None:
    assert [one.call("GET", "/profiles/me").json()["id"] for one in (caller, other)] == [1001, 1002]
    assert caller.signed(caller.derive(), "GET", "/profiles/me").json()["id"] == 1001


def test_the_maintenance_status_is_for_everybody(caller: Caller) -> None:
    assert caller.http.get("/maintenance/status").json() == {"active": [], "scheduled": []}


def test_an_unknown_call_answers_404(caller: Caller) -> None:
    assert error(caller.http.get("/nowhere?x=1")) == (404, "Cannot GET /nowhere?x=1", "Not Found")


@pytest.mark.parametrize("path", ["/faults", "/secrets", "/tokens", "/requests", "/reset"])
def test_the_control_api_is_not_on_the_public_port(caller: Caller, path: str) -> None:
    assert caller.call("GET", path).status_code == 404
