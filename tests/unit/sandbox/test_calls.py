from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.exchange.calls import iso, match
from sandbox.exchange.records import Call
from tests.fakes.clock import START


@given(st.text(min_size=1))
def test_a_token_id_survives_its_way_through_the_path(token_id: str) -> None:
    assert match("DELETE", f"/auth/api-tokens/{quote(token_id, safe='')}") == (Call.REVOKE, token_id)


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_slash_that_is_not_encoded_ends_the_token_id(one: str, other: str) -> None:
    path = f"/auth/api-tokens/{quote(one, safe='')}/{quote(other, safe='')}"
    assert match("DELETE", path) == (Call.UNKNOWN, None)


@pytest.mark.parametrize(
    "method, path, call",
    [
        ("GET", "/auth/api-tokens/capabilities", Call.CAPABILITIES),
        ("POST", "/auth/api-tokens/derive", Call.DERIVE),
        ("GET", "/auth/api-tokens", Call.LIST),
        ("GET", "/profiles/me", Call.PROFILE),
        ("GET", "/maintenance/status", Call.MAINTENANCE),
        ("POST", "/orders", Call.ORDER),
        ("GET", "/orders", Call.UNKNOWN),
        ("DELETE", "/auth/api-tokens/", Call.UNKNOWN),
        ("GET", "/control", Call.UNKNOWN),
    ],
)
def test_calls_are_told_apart_by_method_and_path(method: str, path: str, call: Call) -> None:
    assert match(method, path)[0] is call


def test_times_are_written_with_milliseconds_and_a_z() -> None:
    assert iso(START) == "2026-01-01T00:00:00.000Z"
