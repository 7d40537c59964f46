"""What only a real connection shows, and what the environment may and may not do."""

import threading
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from tests.fakes.clock import FakeClock
from tests.unit.exchange.support import (
    DERIVED,
    IDENTITY,
    NOW,
    SECRET,
    Script,
    answer_bytes,
    exchange,
    serve,
)
from worker.errors import AmbiguousDeriveError, ExchangeUnavailableError
from worker.exchange.wire import write_json
from worker.outside import Outside

TEN_SECONDS = timedelta(seconds=10)


def test_a_derive_never_reuses_a_connection_while_lists_share_one() -> None:
    with serve() as wire, exchange(None, api_url=wire.url) as client:
        client.list_tokens()
        client.list_tokens()
        assert wire.connections == 1
        for _ in range(2):
            with pytest.raises(AmbiguousDeriveError):  # this server's answer is no derive's
                client.derive_token("maker/abc", ["trading"], deadline=TEN_SECONDS)
        assert wire.connections == 3


def test_a_derive_over_a_real_connection_returns_the_token() -> None:
    with serve(answer_bytes(write_json(DERIVED), status="201 Created")) as wire:
        with exchange(None, api_url=wire.url) as client:
            token = client.derive_token("maker/abc", ["trading"], deadline=TEN_SECONDS)
        assert token.secret.get_secret_value() == SECRET


def test_a_server_that_hangs_up_makes_a_derive_ambiguous() -> None:
    with serve(b"") as wire, exchange(None, api_url=wire.url) as client, pytest.raises(AmbiguousDeriveError):
        client.derive_token("maker/abc", ["trading"], deadline=TEN_SECONDS)
    assert len(wire.requests) == 1


def test_a_server_that_is_not_there_means_that_nothing_was_sent() -> None:
    with serve() as wire:
        url = wire.url
    with exchange(None, api_url=url) as client, pytest.raises(ExchangeUnavailableError, match="no connection"):
        client.derive_token("maker/abc", ["trading"], deadline=TEN_SECONDS)


def test_a_request_whose_connection_took_too_long_does_not_leave() -> None:
    clock = FakeClock(NOW)

    class SlowToConnect(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            clock.advance(timedelta(seconds=11))
            return super().handle_request(request)

    with serve() as wire:
        with (
            exchange(SlowToConnect(), clock=clock, api_url=wire.url) as client,
            pytest.raises(ExchangeUnavailableError, match="nothing was sent"),
        ):
            client.derive_token("maker/abc", ["trading"], deadline=TEN_SECONDS)
        assert wire.requests == []


def test_cookies_are_not_kept_since_one_could_make_a_dead_token_look_alive() -> None:
    cookie = {"set-cookie": "session=of-the-identity; Path=/"}
    whose = httpx.Response(404)
    script = Script([httpx.Response(200, json=[], headers=cookie), whose, httpx.Response(200, json=[])])
    with exchange(script) as client:
        client.list_tokens()
        client.list_tokens_as("tok-1", SecretStr(SECRET))
    assert "cookie" not in script.requests[1].headers
    assert "cookie" not in script.requests[2].headers


def test_a_netrc_adds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login someone password made-up\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    with serve() as wire, exchange(None, api_url=wire.url) as client:
        client.list_tokens()
    assert b"authorization" not in wire.requests[0].lower()


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_sees_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
    with serve() as proxy, serve() as wire:
        monkeypatch.setenv(name, proxy.url)
        with exchange(None, api_url=wire.url) as client:
            client.list_tokens()
        assert len(wire.requests) == 2  # the list, and whose identity signed it
        assert proxy.requests == []


def test_a_configured_proxy_is_asked_for_a_tunnel_and_sees_no_identity() -> None:
    with (
        serve(b"") as proxy,
        exchange(None, api_url="https://exchange.invalid", outside=Outside(proxy=SecretStr(proxy.url))) as client,
        pytest.raises(AmbiguousDeriveError),
    ):
        client.derive_token("maker/abc", ["trading"], deadline=TEN_SECONDS)
    (request,) = proxy.requests
    assert request.startswith(b"CONNECT exchange.invalid:443 ")
    assert IDENTITY.encode() not in request


def test_a_configured_proxy_is_never_asked_for_what_is_on_this_machine() -> None:
    with serve() as proxy, serve() as wire:
        with exchange(None, api_url=wire.url, outside=Outside(proxy=SecretStr(proxy.url))) as client:
            client.list_tokens()
        assert len(wire.requests) == 2  # the list, and whose identity signed it
        assert proxy.requests == []


@pytest.mark.parametrize("api_url", ["https://exchange.test/v1", "https://exchange.test/v1/"])
def test_an_api_below_a_path_is_addressed_there(api_url: str) -> None:
    script = Script([httpx.Response(200, json=[])])
    with exchange(script, api_url=api_url) as client:
        client.list_tokens()
    assert script.requests[0].url == "https://exchange.test/v1/auth/api-tokens"


@pytest.mark.parametrize(
    "api_url", ["", "exchange.test", "ftp://exchange.test", "https://", "https://u:p@exchange.test", "https://e/?a=1"]
)
def test_a_url_that_is_no_api_is_refused_without_being_quoted(api_url: str) -> None:
    with pytest.raises(ValueError, match="api_url must be") as caught:
        exchange(Script([]), api_url=api_url)
    assert "u:p" not in str(caught.value)


def test_sixteen_threads_share_one_client() -> None:
    with serve() as wire, exchange(None, api_url=wire.url) as client:
        failures: list[BaseException] = []

        def work() -> None:
            try:
                for _ in range(5):
                    client.list_tokens()
                    client.list_tokens_as("tok-1", SecretStr(SECRET))
            except BaseException as exc:  # noqa: BLE001 - a thread's failure must reach the test
                failures.append(exc)

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert len(wire.requests) == 161  # and all threads together ask once whose identity it is
    assert sum(IDENTITY.encode() in one for one in wire.requests) == 81
    assert not [one for one in wire.requests if b"\r\nidentity:" in one and b"\r\nlmts-" in one]
