"""Identity tokens: read when needed, refused when they cannot work, and never shown."""

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.fakes.clock import FakeClock
from worker.errors import IdentityUnavailableError
from worker.identity import FileIdentity, IdentitySource, StaticIdentity, subject

NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)
KEY = "k" * 32

Build = Callable[[str], IdentitySource]


def token(expires_in: timedelta | None = timedelta(hours=1), **claims: object) -> str:
    if expires_in is not None:
        claims["exp"] = int((NOW + expires_in).timestamp())
    return jwt.encode({"sub": "desk", **claims}, KEY, algorithm="HS256")


def unsigned(claims: object) -> str:
    parts = [json.dumps(one).encode() for one in ({"alg": "ES256", "typ": "JWT"}, claims)]
    return ".".join(base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in (*parts, b"signature"))


@pytest.fixture(params=["static", "file"])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Build:
    def static(text: str) -> IdentitySource:
        return StaticIdentity(SecretStr(text), account="desk", clock=FakeClock(NOW))

    def file(text: str) -> IdentitySource:
        path = tmp_path / "identity"
        path.write_text(text, encoding="utf-8")
        return FileIdentity(path, account="desk", clock=FakeClock(NOW))

    return static if request.param == "static" else file


def test_a_valid_token_is_given_without_the_white_space_around_it(build: Build) -> None:
    valid = token()
    assert build(f"\n {valid}\r\n").token().get_secret_value() == valid


def test_its_expiry_is_known(build: Build) -> None:
    assert build(token(timedelta(minutes=40))).expires_at() == NOW + timedelta(minutes=40)


def test_a_token_that_does_not_say_when_it_expires_is_given(build: Build) -> None:
    source = build(token(None))
    assert source.expires_at() is None
    assert source.token().get_secret_value()


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(seconds=1), timedelta(days=400)])
def test_an_expired_token_is_refused_with_account_and_time(build: Build, ago: timedelta) -> None:
    source = build(token(-ago))
    with pytest.raises(IdentityUnavailableError) as caught:
        source.token()
    assert "Account desk" in str(caught.value)
    assert f"expired at {NOW - ago:%Y-%m-%d %H:%M:%S} UTC" in str(caught.value)
    assert "Nothing was sent" in str(caught.value)


def test_when_an_expired_token_expired_is_still_known(build: Build) -> None:
    assert build(token(timedelta(minutes=-5))).expires_at() == NOW - timedelta(minutes=5)


def test_a_token_expires_while_the_clock_moves_on() -> None:
    clock = FakeClock(NOW)
    source = StaticIdentity(SecretStr(token(timedelta(minutes=1))), account="desk", clock=clock)
    source.token()
    clock.advance(timedelta(minutes=1))
    with pytest.raises(IdentityUnavailableError, match="expired"):
        source.token()


@pytest.mark.parametrize(
    "text",
    [
        "secret-thing",
        "a.b.c",
        "Bearer " + token(),
        token() + "\n" + token(),
        token().replace(".", ":"),
        "é" + token(),
        unsigned(["not", "claims"]),
        unsigned("x"),
    ],
    ids=["a word", "empty parts", "with Bearer", "two", "no dots", "not ASCII", "a list", "a string"],
)
def test_what_is_not_a_jwt_is_refused_and_not_shown(build: Build, text: str) -> None:
    with pytest.raises(IdentityUnavailableError, match="is not a JWT") as caught:
        build(text).token()
    assert text not in repr(caught.value)


@pytest.mark.parametrize(
    "exp", ["tomorrow", True, [], 1e300, -1e300, 10**400, float("inf"), float("nan")], ids=lambda one: str(one)[:9]
)
def test_an_exp_that_is_no_time_is_refused(build: Build, exp: object) -> None:
    with pytest.raises(IdentityUnavailableError, match=r"JWT"):
        build(unsigned({"exp": exp})).token()


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_nothing_is_refused_as_empty(build: Build, text: str) -> None:
    with pytest.raises(IdentityUnavailableError, match="is empty"):
        build(text).token()


@given(st.text())
def test_any_text_is_a_token_or_a_clear_refusal(text: str) -> None:
    source = StaticIdentity(SecretStr(text), account="desk", clock=FakeClock(NOW))
    with pytest.raises(IdentityUnavailableError, match="Account desk"):
        source.token()


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    first, second = token(sub="a"), token(sub="b")
    path.write_text(first)
    source = FileIdentity(path, account="desk", clock=FakeClock(NOW))
    source.token()
    fresh = tmp_path / "fresh"
    fresh.write_text(second)
    fresh.replace(path)
    assert source.token().get_secret_value() == second


def test_a_change_in_place_is_seen_even_when_size_and_time_stay_the_same(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    first, second = token(sub="a"), token(sub="b")
    path.write_text(first)
    before = path.stat()
    source = FileIdentity(path, account="desk", clock=FakeClock(NOW))
    source.token()
    path.write_text(second)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert source.token().get_secret_value() == second


def test_a_file_that_is_just_being_written_is_looked_at_once_more(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    path.touch()

    class Writer(FakeClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            path.write_text(token())

    source = FileIdentity(path, account="desk", clock=Writer(NOW))
    assert source.token().get_secret_value() == token()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    source = FileIdentity(tmp_path / "nowhere", account="desk", clock=FakeClock(NOW))
    with pytest.raises(IdentityUnavailableError, match=r"Account desk: .*nowhere cannot be read \(No such file"):
        source.token()


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(IdentityUnavailableError, match="Is a directory"):
        FileIdentity(tmp_path, account="desk", clock=FakeClock(NOW)).token()


def test_a_file_that_is_much_too_large_is_the_wrong_one(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    path.write_bytes(b"a" * 100_000)
    with pytest.raises(IdentityUnavailableError, match="larger than"):
        FileIdentity(path, account="desk", clock=FakeClock(NOW)).token()


def test_no_refusal_or_repr_shows_the_token(build: Build) -> None:
    secret = token(timedelta(hours=-1))
    source = build(secret)
    with pytest.raises(IdentityUnavailableError) as caught:
        source.token()
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r} {source!r} {vars(source)!r}"
    assert not [part for part in secret.split(".") if part in shown]


@pytest.mark.parametrize(
    "text, expected",
    [
        (token(), "desk"),
        (token(sub="did:privy:abc"), "did:privy:abc"),
        (token(sub=""), None),
        (unsigned({"exp": 1}), None),
        (unsigned({"sub": 7}), None),
        (unsigned(["not", "claims"]), None),
        ("not.a.jwt", None),
        ("", None),
    ],
)
def test_whose_a_token_says_that_it_is(text: str, expected: str | None) -> None:
    assert subject(SecretStr(text)) == expected
