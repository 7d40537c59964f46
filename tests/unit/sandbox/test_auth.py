import base64
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limitless_sdk.api.hmac import compute_hmac_signature

from sandbox.exchange.auth import SignedRequest, authenticate, sign
from sandbox.exchange.calls import iso
from sandbox.exchange.errors import Refusal
from sandbox.exchange.records import Profile
from sandbox.exchange.state import ExchangeState
from tests.fakes.clock import START, FakeClock

NO_SKEW = timedelta(0)
WINDOW = timedelta(seconds=30)

printable = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=60)
secrets = st.binary(min_size=1, max_size=64)


@given(secret=secrets, target=printable, body=st.text(max_size=60))
def test_our_signature_is_the_official_clients(secret: bytes, target: str, body: str) -> None:

    encoded = base64.b64encode(secret).decode()
    theirs = compute_hmac_signature(encoded, iso(START), "post", target, body)
    assert sign(encoded, iso(START), "POST", target, body.encode()) == theirs


def signed_get(state: ExchangeState, *, at: datetime) -> SignedRequest:
    profile = state.profile("main") or Profile(name="main")
    token_id = state.issue_token(profile, label=None, scopes=("trading",), hide=0).token_id
    timestamp = iso(at)
    signature = sign(state.secret_of(token_id), timestamp, "GET", "/x", b"")
    headers = {"lmts-api-key": token_id, "lmts-timestamp": timestamp, "lmts-signature": signature}
    return SignedRequest(method="GET", target="/x", body=b"", headers=headers)


@given(st.integers(-90_000, 90_000))
def test_a_timestamp_is_accepted_within_30_seconds_and_not_a_millisecond_more(milliseconds: int) -> None:
    state = ExchangeState(clock=FakeClock().now, rules=())
    off = timedelta(milliseconds=milliseconds)
    request = signed_get(state, at=START + off)
    if abs(off) <= WINDOW:
        assert authenticate(state, request, skew=NO_SKEW).profile.name == "main"
    else:
        with pytest.raises(Refusal, match="outside_window"):
            authenticate(state, request, skew=NO_SKEW)


@pytest.mark.parametrize("seconds", [-31, 31])
def test_a_skewed_clock_refuses_a_fresh_signature_and_counts_no_use(seconds: int) -> None:
    state = ExchangeState(clock=FakeClock().now, rules=())
    with pytest.raises(Refusal, match="outside_window"):
        authenticate(state, signed_get(state, at=START), skew=timedelta(seconds=seconds))
    (entry,) = state.tokens()
    assert (entry.uses, entry.rejections) == (0, 1)


@given(st.text(max_size=40))
def test_no_other_signature_is_accepted(signature: str) -> None:
    state = ExchangeState(clock=FakeClock().now, rules=())
    request = signed_get(state, at=START)
    forged = SignedRequest("GET", "/x", b"", {**request.headers, "lmts-signature": signature})
    with pytest.raises(Refusal, match="bad_signature"):
        authenticate(state, forged, skew=NO_SKEW)
