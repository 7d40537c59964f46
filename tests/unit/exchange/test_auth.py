"""Signing and identity: what is proved is exactly what is sent."""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limitless_sdk.api.hmac import compute_hmac_signature
from pydantic import SecretStr

from tests.fakes.clock import FakeClock
from tests.unit.exchange.support import IDENTITY, NOW, SECRET, Script, exchange, serve
from worker.errors import PermanentError
from worker.exchange import HmacAuth, HmacClient, IdentityAuth
from worker.exchange.auth import format_timestamp
from worker.exchange.calls import token_target

KEYS = st.binary(min_size=1, max_size=64)
BODIES = st.one_of(st.none(), st.binary(max_size=200))
# Whatever a caller may put into a target: any segment percent-encoded, and a query of any printable ASCII.
SEGMENTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=4)
QUERIES = st.one_of(st.none(), st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30))


def signed(request: httpx.Request, *, secret: str = SECRET) -> httpx.Request:
    auth = HmacAuth("tok-1", SecretStr(secret), clock=FakeClock(NOW))
    return next(auth.sync_auth_flow(request))


@given(key=KEYS, segments=SEGMENTS, query=QUERIES, body=BODIES, method=st.sampled_from(["GET", "POST", "DELETE"]))
def test_the_signature_is_that_of_the_official_client(
    key: bytes, segments: list[str], query: str | None, body: bytes | None, method: str
) -> None:
    secret = base64.b64encode(key).decode()
    target = "/" + "/".join(quote(one, safe="") for one in segments)
    target += "" if query is None else "?" + query.replace("#", "")
    request = signed(httpx.Request(method, f"https://exchange.test{target}", content=body or b""), secret=secret)
    try:
        text = (body or b"").decode()
    except UnicodeDecodeError:
        return  # the official client signs text only
    assert request.headers["lmts-signature"] == compute_hmac_signature(
        secret, request.headers["lmts-timestamp"], method, request.url.raw_path.decode("ascii"), text
    )


def test_the_signed_bytes_are_the_bytes_on_the_wire() -> None:
    with serve() as wire, exchange(None, api_url=wire.url + "/v1") as account:

        @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(segments=SEGMENTS, query=QUERIES, body=BODIES, method=st.sampled_from(["GET", "POST", "DELETE"]))
        def check(segments: list[str], query: str | None, body: bytes | None, method: str) -> None:
            target = "/" + "/".join(quote(one, safe="") for one in segments)
            target += "" if query is None else "?" + query.replace("#", "")
            client.request(method, target, body=body)
            head, _, sent_body = wire.requests[-1].partition(b"\r\n\r\n")
            request_line, *header_lines = head.split(b"\r\n")
            sent_method, sent_target, _ = request_line.split(b" ")
            headers = {name.lower(): value for name, value in (line.split(b": ", 1) for line in header_lines)}
            message = b"\n".join((headers[b"lmts-timestamp"], sent_method, sent_target, sent_body))
            expected = hmac.new(base64.b64decode(SECRET), message, hashlib.sha256).digest()
            assert base64.b64decode(headers[b"lmts-signature"]) == expected

        with account.hmac_client("tok-1", SecretStr(SECRET)) as client:
            check()


@given(token_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda one: one.strip(".")))
def test_a_token_id_is_one_percent_encoded_segment_of_the_path_that_is_sent(token_id: str) -> None:
    request = httpx.Request("DELETE", "https://exchange.test" + token_target(token_id))
    assert request.url.raw_path == b"/auth/api-tokens/" + quote(token_id, safe="").encode()


def test_slash_and_space_in_a_token_id_are_encoded_as_documented() -> None:
    assert token_target("a/b c") == "/auth/api-tokens/a%2Fb%20c"


@pytest.mark.parametrize("token_id", ["", ".", ".."])
def test_an_id_that_would_address_something_else_is_refused(token_id: str) -> None:
    with pytest.raises(PermanentError, match="not a token id"):
        token_target(token_id)


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1)))  # noqa: DTZ001 - hypothesis adds UTC
def test_a_timestamp_has_milliseconds_and_a_z_and_is_never_ahead(moment: datetime) -> None:
    text = format_timestamp(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert timedelta(0) <= moment - datetime.fromisoformat(text) < timedelta(milliseconds=1)


def test_a_body_that_comes_in_pieces_is_signed_whole() -> None:
    pieces = httpx.Request("POST", "https://exchange.test/orders", content=iter([b'{"a"', b":1}"]))
    whole = httpx.Request("POST", "https://exchange.test/orders", content=b'{"a":1}')
    assert signed(pieces).headers["lmts-signature"] == signed(whole).headers["lmts-signature"]


def test_every_sending_is_dated_anew() -> None:
    clock = FakeClock(NOW)
    auth = HmacAuth("tok-1", SecretStr(SECRET), clock=clock)
    first = next(auth.sync_auth_flow(httpx.Request("GET", "https://exchange.test/")))
    clock.advance(timedelta(seconds=31))
    second = next(auth.sync_auth_flow(httpx.Request("GET", "https://exchange.test/")))
    assert first.headers["lmts-timestamp"] == "2026-03-30T12:00:00.123Z"
    assert second.headers["lmts-timestamp"] == "2026-03-30T12:00:31.123Z"


def test_a_signed_request_names_its_token_and_carries_no_identity() -> None:
    request = signed(httpx.Request("GET", "https://exchange.test/"))
    assert request.headers["lmts-api-key"] == "tok-1"
    assert "identity" not in request.headers


def test_an_identity_is_a_bearer_header_without_a_signature() -> None:
    request = next(IdentityAuth(SecretStr(IDENTITY)).sync_auth_flow(httpx.Request("GET", "https://exchange.test/")))
    assert request.headers["identity"] == f"Bearer {IDENTITY}"
    assert not [name for name in request.headers if name.startswith("lmts-")]


@pytest.mark.parametrize("secret", ["", "=", "abc", "é", "a"])
def test_a_secret_that_is_not_base64_is_refused_before_anything_is_sent(secret: str) -> None:
    with pytest.raises(PermanentError, match="token tok-1 is not base64"):
        HmacAuth("tok-1", SecretStr(secret), clock=FakeClock(NOW))


@pytest.mark.parametrize("token_id", ["", "two\nlines", " led by a space", "é"])
def test_a_token_id_that_no_header_can_carry_is_refused(token_id: str) -> None:
    with pytest.raises(PermanentError, match="cannot be sent in a header"):
        HmacAuth(token_id, SecretStr(SECRET), clock=FakeClock(NOW))


def test_a_document_is_sent_compactly_with_its_characters_as_they_are() -> None:
    script = Script([httpx.Response(201)])
    with HmacClient(
        token_id="tok-1",
        secret=SecretStr(SECRET),
        account="desk",
        api_url="https://exchange.test",
        clock=FakeClock(NOW),
        transport=script,
    ) as client:
        client.request("POST", "/orders", document={"note": "für", "size": 1})
    assert script.requests[0].content == '{"note":"für","size":1}'.encode()
    assert script.requests[0].headers["content-type"] == "application/json"
