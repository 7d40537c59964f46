"""A server that drips, floods and inflates: one deadline and one size for everything that it does."""

import gzip
import socket
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr

from tests.fixtures.hostile import Behave, Stopwatch, answering, dripping, hostile, http_answer, repeating
from tests.unit.exchange.support import DERIVED, IDENTITY, SECRET, Identities
from worker.clock import SystemClock
from worker.errors import AmbiguousDeriveError, ExchangeUnavailableError, TransientError
from worker.exchange import ExchangeClient, retry
from worker.exchange.wire import write_json

DEADLINE = timedelta(seconds=1)
AT_MOST = 10.0
"""Seconds: far above the deadline, for a busy machine, and far below what the server would take."""

WHOLE = http_answer(write_json(DERIVED), headers="x-padding: " + "a" * 300 + "\r\n")
LATE: dict[str, Behave] = {
    "headers": dripping(WHOLE),
    "informational answers": repeating(b"HTTP/1.1 100 Continue\r\n\r\n", every=0.05),
    "headers of an informational answer": dripping(b"HTTP/1.1 102 Processing\r\nx: " + b"a" * 400),
    "body": dripping(b" " * 400, at_once=b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n"),
    "chunked body": dripping(b"1\r\n \r\n" * 80, at_once=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
}


def client(url: str) -> ExchangeClient:
    return ExchangeClient(account="desk", api_url=url, identity=Identities(IDENTITY), clock=SystemClock())


CALLS: dict[str, Callable[[ExchangeClient], object]] = {
    "list": lambda one: one.list_tokens(),
    "signed list": lambda one: one.list_tokens_as("tok-1", SecretStr(SECRET)),
    "capabilities": lambda one: one.get_capabilities(),
    "revoke": lambda one: one.revoke_token("tok-1"),
}


@pytest.mark.parametrize("what", LATE)
def test_a_derive_whose_answer_drips_is_ambiguous_at_its_deadline(what: str) -> None:
    with (
        hostile(LATE[what]) as server,
        client(server.url) as exchange,
        Stopwatch() as watch,
        pytest.raises(AmbiguousDeriveError),
    ):
        exchange.derive_token("maker/abc", ["trading"], deadline=DEADLINE)
    assert watch.seconds < AT_MOST
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "what, call", [*((what, "list") for what in LATE), *(("headers", call) for call in CALLS if call != "list")]
)
def test_every_other_call_whose_answer_drips_fails_for_now_at_its_deadline(
    what: str, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "TOTAL", DEADLINE)
    with (
        hostile(LATE[what]) as server,
        client(server.url) as exchange,
        Stopwatch() as watch,
        pytest.raises(TransientError),
    ):
        CALLS[call](exchange)
    assert watch.seconds < AT_MOST


def test_a_name_that_is_looked_up_for_too_long_means_that_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    found = threading.Event()
    look_up = socket.getaddrinfo

    def slow(host: str, *args: object, **options: object) -> object:
        if host == "exchange.test":
            found.wait(30)
        return look_up("127.0.0.1", *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        with (
            client("http://exchange.test:9") as exchange,
            Stopwatch() as watch,
            pytest.raises(ExchangeUnavailableError, match=r"[Nn]othing was sent"),
        ):
            exchange.derive_token("maker/abc", ["trading"], deadline=DEADLINE)
    finally:
        found.set()
    assert watch.seconds < AT_MOST


# --- what is inflated ---------------------------------------------------------------------------------------------


def squeezed(levels: int) -> bytes:
    """Return a valid answer that grows to 32 MiB, packed so often."""
    body = write_json({**DERIVED, "padding": ""})[:-2] + b"a" * (32 << 20) + b'"}'
    for _ in range(levels):
        body = gzip.compress(body, mtime=0)
    return body


@pytest.mark.parametrize("levels", [1, 2])
def test_a_derive_that_is_answered_in_another_encoding_is_ambiguous_and_never_unpacked(levels: int) -> None:
    encoding = ", ".join(["gzip"] * levels)
    answer = http_answer(squeezed(levels), headers=f"content-encoding: {encoding}\r\n")
    with (
        hostile(answering(answer)) as server,
        client(server.url) as exchange,
        pytest.raises(AmbiguousDeriveError, match="encod"),
    ):
        exchange.derive_token("maker/abc", ["trading"], deadline=timedelta(seconds=30))
    assert b"\r\naccept-encoding: identity\r\n" in server.requests[0].lower()


def test_a_small_answer_in_another_encoding_is_refused_as_well() -> None:
    packed = gzip.compress(write_json(DERIVED), mtime=0)
    with (
        hostile(answering(http_answer(packed, headers="content-encoding: gzip\r\n"))) as server,
        client(server.url) as exchange,
        pytest.raises(AmbiguousDeriveError, match="encod"),
    ):
        exchange.derive_token("maker/abc", ["trading"], deadline=timedelta(seconds=30))


def test_an_answer_that_says_identity_is_read() -> None:
    answer = http_answer(write_json(DERIVED), headers="content-encoding: Identity\r\n")
    with hostile(answering(answer)) as server, client(server.url) as exchange:
        assert exchange.derive_token("maker/abc", ["trading"], deadline=timedelta(seconds=30)).token_id == "tok-1"
