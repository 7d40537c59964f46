import argparse
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from sandbox.trader import Counts, Key, Rejection, Source, Trader, VaultReader, parse_source, read_status, sign
from sandbox.trader import write_status as write
from tests.fakes.clock import START, FakeClock

SECRET = SecretStr(base64.b64encode(b"k" * 32).decode())
OLD = Key("old", SECRET)
NEW = Key("new", SECRET)


class World:
    """An exchange that answers what it is told, and a Vault that serves what it is told."""

    def __init__(self, clock: FakeClock) -> None:
        self.status: int | None = 200
        self.served: Key | None = OLD
        self.vault_is_down = False
        self.requests: list[httpx.Request] = []
        self.http = httpx.Client(base_url="http://exchange", transport=httpx.MockTransport(self._answer))
        self.trader = Trader(
            read=self._read, http=self.http, reread_seconds=5, monotonic=clock.monotonic, now=clock.now
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.status is None:
            raise httpx.ReadError("cut off", request=request)
        return httpx.Response(self.status)

    def _read(self) -> Key | None:
        if self.vault_is_down:
            raise httpx.ConnectError("refused")
        return self.served

    @property
    def token_used(self) -> str:
        return self.requests[-1].headers["lmts-api-key"]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def world(clock: FakeClock) -> Iterator[World]:
    made = World(clock)
    with made.http:
        yield made


@pytest.mark.parametrize(
    "status, expected",
    [
        (200, Counts(accepted=1)),
        (201, Counts(accepted=1)),
        (401, Counts(rejected=1)),
        (403, Counts(rejected=1)),
        (429, Counts(failed=1)),
        (503, Counts(failed=1)),
        (None, Counts(failed=1)),
    ],
)
def test_each_answer_is_counted_as_what_it_is(world: World, status: int | None, expected: Counts) -> None:
    world.status = status
    world.trader.trade()
    seen = world.trader.counts
    assert (seen.accepted, seen.rejected, seen.failed) == (expected.accepted, expected.rejected, expected.failed)


def test_nothing_is_sent_before_vault_serves_a_credential(world: World) -> None:
    world.served = None
    assert (world.trader.trade(), world.requests) == (False, [])


def test_the_cached_credential_is_used_until_the_next_read_is_due(world: World, clock: FakeClock) -> None:
    world.trader.trade()
    world.served = NEW
    clock.advance(timedelta(seconds=4.9))
    world.trader.trade()
    assert world.token_used == "old"


def test_a_replaced_credential_is_used_after_the_next_read(world: World, clock: FakeClock) -> None:
    world.trader.trade()
    world.served = NEW
    clock.advance(timedelta(seconds=5))
    world.trader.trade()
    assert (world.token_used, world.trader.counts.token_switches) == ("new", 1)


def test_a_refusal_is_counted_and_then_makes_it_read_again(world: World) -> None:
    world.status = 401
    world.trader.trade()
    world.served, world.status = NEW, 200
    world.trader.trade()
    assert (world.trader.counts.rejected, world.token_used) == (1, "new")


def test_the_latest_refusal_is_kept_with_the_token_that_was_refused(world: World) -> None:
    world.status = 401
    world.trader.trade()
    assert world.trader.counts.last_rejection == Rejection(START.isoformat(), "old", 401, "POST /orders")


def test_it_trades_on_with_what_it_has_while_vault_is_down(world: World, clock: FakeClock) -> None:
    world.trader.trade()
    world.vault_is_down = True
    clock.advance(timedelta(seconds=60))
    world.trader.trade()
    assert (world.trader.counts.accepted, world.trader.counts.vault_failures) == (2, 1)


def test_the_signature_covers_the_bytes_that_are_sent(world: World) -> None:
    world.trader.trade()
    sent = world.requests[-1]
    message = f"{sent.headers['lmts-timestamp']}\n{sent.method}\n{sent.url.raw_path.decode()}\n".encode() + sent.read()
    expected = hmac.new(b"k" * 32, message, hashlib.sha256).digest()
    assert sent.headers["lmts-signature"] == base64.b64encode(expected).decode()


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=200))
def test_any_key_and_body_are_signed_by_the_published_formula(key: bytes, body: bytes) -> None:
    signature = sign(SecretStr(base64.b64encode(key).decode()), "2026-01-01T00:00:00.000Z", "POST", "/a?b=%20", body)
    expected = hmac.new(key, b"2026-01-01T00:00:00.000Z\nPOST\n/a?b=%20\n" + body, hashlib.sha256).digest()
    assert base64.b64decode(signature) == expected


def vault(answer: Callable[[httpx.Request], httpx.Response], tmp_path: Path) -> VaultReader:
    token_file = tmp_path / "token"
    token_file.write_text("consumer\n", encoding="ascii")
    source = Source("mm", "trading", "limitless/mm", token_file, "LMTS_TOKEN_ID", "LMTS_TOKEN_SECRET")
    http = httpx.Client(base_url="http://vault", transport=httpx.MockTransport(answer))
    return VaultReader(http=http, source=source)


def test_the_credential_is_read_under_the_field_names_the_service_wants(tmp_path: Path) -> None:
    data = {"LMTS_TOKEN_ID": "id-1", "LMTS_TOKEN_SECRET": "c2VjcmV0"}
    reader = vault(lambda _: httpx.Response(200, json={"data": {"data": data}}), tmp_path)
    assert reader.read() == Key("id-1", SecretStr("c2VjcmV0"))


def test_vault_is_asked_for_that_path_with_the_token_of_the_file(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.path, request.headers["X-Vault-Token"]))
        return httpx.Response(404)

    vault(answer, tmp_path).read()
    assert seen == [("/v1/trading/data/limitless/mm", "consumer")]


@pytest.mark.parametrize("data", [None, {"tombstone": True}])
def test_a_path_that_serves_no_credential_is_no_credential(tmp_path: Path, data: object) -> None:
    assert vault(lambda _: httpx.Response(200, json={"data": {"data": data}}), tmp_path).read() is None


def test_a_status_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    counts = {"mm": Counts(accepted=3, rejected=1, last_rejection=Rejection("then", "old", 401, "GET /"))}
    write(tmp_path / "status.json", counts, START)
    assert read_status(tmp_path / "status.json").credentials == counts


def test_the_status_file_holds_no_secret(tmp_path: Path, world: World) -> None:
    world.trader.trade()
    write(tmp_path / "status.json", {"mm": world.trader.counts}, START)
    assert SECRET.get_secret_value() not in json.dumps((tmp_path / "status.json").read_text(encoding="utf-8"))


def test_an_unwritten_status_file_reads_as_an_empty_status(tmp_path: Path) -> None:
    assert read_status(tmp_path / "none.json").credentials == {}


def test_a_source_is_parsed_with_its_own_field_names() -> None:
    assert parse_source("mm:trading/limitless/mm:/run/token:ID:KEY") == Source(
        "mm", "trading", "limitless/mm", Path("/run/token"), "ID", "KEY"
    )


@pytest.mark.parametrize("text", ["mm", "mm:trading:/t", "mm:trading/x", "mm:trading/x:/t:ID", ":trading/x:/t"])
def test_a_source_that_lacks_a_part_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse_source(text)
