"""Deriving: sent once, and every ending says whether a token may exist."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeClock
from tests.unit.exchange.support import (
    DERIVED,
    IDENTITY,
    NOW,
    SECRET,
    Chunks,
    Identities,
    Reply,
    Script,
    exchange,
    http_date,
)
from worker.errors import (
    AmbiguousDeriveError,
    AuthenticationRefusedError,
    ClockSkewError,
    ExchangeRefusedError,
    ExchangeUnavailableError,
    PermanentError,
)
from worker.exchange import Scope
from worker.models import DerivedToken

TEN_SECONDS = timedelta(seconds=10)
OTHER_IDENTITY = IDENTITY + "x"


def derive(
    *replies: Reply, clock: FakeClock | None = None, identity: Identities | None = None
) -> tuple[DerivedToken, Script]:
    script = Script(list(replies))
    with exchange(script, clock=clock, identity=identity) as client:
        return client.derive_token("maker/abc", [Scope.TRADING], deadline=TEN_SECONDS), script


def fail(reply: Reply, expected: type[Exception], *, clock: FakeClock | None = None) -> Exception:
    script = Script([reply])
    with exchange(script, clock=clock) as client, pytest.raises(expected) as caught:
        client.derive_token("maker/abc", [Scope.TRADING], deadline=TEN_SECONDS)
    assert len(script.requests) == 1
    assert type(caught.value) is expected
    return caught.value


def test_a_derive_posts_label_and_scopes_with_the_identity() -> None:
    token, script = derive(httpx.Response(201, json=DERIVED))
    (request,) = script.requests
    assert (request.method, request.url.path) == ("POST", "/auth/api-tokens/derive")
    assert request.content == b'{"label":"maker/abc","scopes":["trading"]}'
    assert request.headers["identity"] == f"Bearer {IDENTITY}"
    assert (token.token_id, token.secret.get_secret_value(), token.scopes) == ("tok-1", SECRET, ("trading",))
    assert token.created_at == datetime(2026, 3, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "change",
    [
        {"createdAt": "yesterday"},
        {"createdAt": "9999-12-31T23:59:59-12:00"},
        {"createdAt": None},
        {"scopes": "trading"},
        {"scopes": None},
        {"profile": None},
        {"tokenId": "tok-1", "apiKey": None},
        {"somethingNew": {"deep": [1]}},
    ],
)
def test_what_can_be_done_without_never_costs_a_token(change: dict[str, object]) -> None:
    token, _ = derive(httpx.Response(201, json=DERIVED | change))
    assert (token.token_id, token.secret.get_secret_value(), token.scopes) == ("tok-1", SECRET, ("trading",))


def test_a_missing_creation_time_is_the_time_of_the_answer() -> None:
    token, _ = derive(httpx.Response(201, json={k: v for k, v in DERIVED.items() if k != "createdAt"}))
    assert token.created_at == NOW


@pytest.mark.parametrize(
    "failure",
    [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout(""), httpx.ProxyError("")],
)
def test_without_a_connection_nothing_was_derived(failure: Exception) -> None:
    assert "Nothing was sent" in str(fail(failure, ExchangeUnavailableError))


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ReadTimeout("slow"),
        httpx.WriteTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.CloseError("reset"),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
        httpx.LocalProtocolError("Illegal header value"),
        httpx.DecodingError("not gzip"),
    ],
)
def test_a_request_that_may_have_left_is_ambiguous_and_not_repeated(failure: Exception) -> None:
    message = str(fail(failure, AmbiguousDeriveError))
    assert "Account desk: deriving a token labelled maker/abc" in message
    assert "may exist" in message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 408, 500, 501, 502, 503, 504, 520, 599])
def test_an_answer_by_somebody_who_may_have_passed_the_request_on_is_ambiguous(status: int) -> None:
    fail(httpx.Response(status, headers={"location": "/x"}), AmbiguousDeriveError)


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 409, 413, 422])
def test_a_refusal_is_permanent(status: int) -> None:
    refused = fail(httpx.Response(status, json={"message": "label is taken"}), ExchangeRefusedError)
    assert isinstance(refused, ExchangeRefusedError)
    assert refused.status == status
    assert "label is taken" in str(refused)


@pytest.mark.parametrize("status", [425, 429])
def test_a_throttled_derive_was_not_carried_out_and_says_when_to_come_back(status: int) -> None:
    throttled = fail(httpx.Response(status, headers={"retry-after": "17"}), ExchangeUnavailableError)
    assert isinstance(throttled, ExchangeUnavailableError)
    assert throttled.retry_after == timedelta(seconds=17)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"<html></html>",
        json.dumps(DERIVED).encode()[:-20],
        json.dumps({k: v for k, v in DERIVED.items() if k != "secret"}).encode(),
        json.dumps(DERIVED | {"secret": ""}).encode(),
        json.dumps(DERIVED | {"secret": 7}).encode(),
        json.dumps(DERIVED | {"tokenId": "", "apiKey": ""}).encode(),
        b"\xff" * 20,
    ],
)
def test_a_success_that_cannot_be_read_is_ambiguous(body: bytes) -> None:
    fail(httpx.Response(201, content=body), AmbiguousDeriveError)


@given(cut=st.integers(0, len(json.dumps(DERIVED)) - 1))
def test_an_answer_cut_anywhere_is_ambiguous(cut: int) -> None:
    fail(httpx.Response(201, content=json.dumps(DERIVED).encode()[:cut]), AmbiguousDeriveError)


def test_a_body_that_breaks_off_is_ambiguous() -> None:
    def broken() -> None:
        raise httpx.RemoteProtocolError("peer closed connection")

    fail(httpx.Response(201, stream=Chunks(b'{"secret":', broken)), AmbiguousDeriveError)


def test_a_refusal_whose_explanation_breaks_off_is_still_a_refusal() -> None:
    def broken() -> None:
        raise httpx.ReadError("reset")

    fail(httpx.Response(400, stream=Chunks(b'{"message":', broken)), ExchangeRefusedError)


def dripping(clock: FakeClock, parts: list[bytes]) -> Chunks:
    steps: list[bytes | Callable[[], object]] = []
    for part in parts:
        steps += [part, lambda: clock.advance(timedelta(seconds=4))]
    return Chunks(*steps)


def test_an_answer_that_drips_past_the_total_deadline_is_given_up() -> None:
    clock = FakeClock(NOW)
    stream = dripping(clock, [b" "] * 100)
    message = str(fail(httpx.Response(201, stream=stream), AmbiguousDeriveError, clock=clock))
    assert "did not end in time" in message
    assert stream.given <= 5
    assert stream.closed


def test_a_whole_answer_that_comes_in_at_the_last_moment_is_not_thrown_away() -> None:
    clock = FakeClock(NOW)
    body = json.dumps(DERIVED).encode()

    def late() -> None:
        clock.advance(timedelta(seconds=60))

    token, _ = derive(httpx.Response(201, stream=Chunks(late, body)), clock=clock)
    assert token.token_id == "tok-1"


def test_an_endless_answer_is_given_up() -> None:
    stream = Chunks(*[b"x" * 1024 * 1024] * 20)
    message = str(fail(httpx.Response(201, stream=stream), AmbiguousDeriveError))
    assert "larger than" in message
    assert stream.given == 9


def test_without_time_nothing_is_sent() -> None:
    script = Script([])
    with exchange(script) as client, pytest.raises(ExchangeUnavailableError, match="not sent"):
        client.derive_token("maker/abc", ["trading"], deadline=timedelta(0))
    assert script.requests == []


@given(seconds=st.floats(0.01, 600))
def test_no_wait_on_the_network_is_longer_than_the_deadline(seconds: float) -> None:
    script = Script([httpx.Response(201, json=DERIVED)])
    with exchange(script) as client:
        client.derive_token("maker/abc", ["trading"], deadline=timedelta(seconds=seconds))
    timeouts = script.requests[0].extensions["timeout"]
    assert set(timeouts) == {"connect", "read", "write", "pool"}
    assert all(0 < one <= min(seconds + 1e-6, 10) for one in timeouts.values())


def test_an_identity_renewed_while_the_request_was_under_way_is_tried_once() -> None:
    token, script = derive(
        httpx.Response(401, json={"message": "expired"}),
        httpx.Response(201, json=DERIVED),
        identity=Identities(IDENTITY, OTHER_IDENTITY),
    )
    assert token.token_id == "tok-1"
    assert [one.headers["identity"] for one in script.requests] == [f"Bearer {IDENTITY}", f"Bearer {OTHER_IDENTITY}"]


def test_an_identity_that_is_refused_again_is_not_tried_a_third_time() -> None:
    script = Script([httpx.Response(401)] * 5)
    with (
        exchange(script, identity=Identities("eyJh.b.1", "eyJh.b.2", "eyJh.b.3", "eyJh.b.4")) as client,
        pytest.raises(AuthenticationRefusedError),
    ):
        client.derive_token("maker/abc", ["trading"], deadline=TEN_SECONDS)
    assert len(script.requests) == 2


def test_a_refused_identity_that_is_still_the_same_is_not_sent_again() -> None:
    fail(httpx.Response(401, json={"message": "Unauthorized"}), AuthenticationRefusedError)


def test_a_401_under_a_skewed_clock_says_so() -> None:
    skewed = httpx.Response(401, headers={"date": http_date(NOW + timedelta(minutes=2))})
    assert "120 s behind" in str(fail(skewed, ClockSkewError))


@given(status=st.integers(200, 599), body=st.binary(max_size=200))
def test_every_answer_is_a_token_or_one_of_our_errors(status: int, body: bytes) -> None:
    script = Script([httpx.Response(status, content=body)])
    with (
        exchange(script) as client,
        pytest.raises((AmbiguousDeriveError, ExchangeUnavailableError, PermanentError)),
    ):
        client.derive_token("maker/abc", ["trading"], deadline=TEN_SECONDS)
    assert len(script.requests) == 1
