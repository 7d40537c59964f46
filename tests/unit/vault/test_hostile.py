"""A Vault, or whoever answers in its place, that drips, redirects and inflates; and what the environment may not do."""

import gzip
import json
import ssl
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import certifi
import pytest
from pydantic import SecretStr

from tests.fixtures.hostile import (
    Behave,
    Hostile,
    Stopwatch,
    answering,
    dripping,
    ending,
    hostile,
    http_answer,
    repeating,
)
from worker.clock import SystemClock
from worker.errors import (
    AmbiguousWriteError,
    PermanentError,
    RotatorError,
    TransientError,
    VaultRefusedError,
    VaultUnavailableError,
)
from worker.models import PathLocation
from worker.vault.client import VaultSession
from worker.vault.errors import NoAnswerError
from worker.vault.kv import VaultKv

SECRETS_SCRIPT = Path(__file__).parents[3] / "deploy/compose/make-secrets.sh"
LOCATION = PathLocation("trading", "limitless/a")
WAIT = 0.5
AT_MOST = 10.0
"""Seconds: far above what the session may take, for a busy machine, and far below what the server would."""
CLOSE = "connection: close\r\n"

LATE: dict[str, Behave] = {
    "headers": dripping(http_answer(b"{}", headers="x-padding: " + "a" * 300 + "\r\n")),
    "informational answers": repeating(b"HTTP/1.1 100 Continue\r\n\r\n", every=0.05),
    "body": dripping(b" " * 400, at_once=b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n"),
    "chunked body": dripping(b"1\r\n \r\n" * 80, at_once=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
}


def answer(document: object, **more: str) -> bytes:
    return http_answer(json.dumps(document).encode(), headers=CLOSE, **more)


LOOKED_UP = ending(answer({"data": {"ttl": 0, "renewable": False}}))
MOUNT = ending(answer({"data": {"type": "kv", "path": "trading/", "options": {"version": "2"}}}))
HEALTHY = answer({"sealed": False, "server_time_utc": 1_780_000_000})


def session(url: str, *, approle: bool = False, cacert: Path | None = None) -> VaultSession:
    return VaultSession(
        address=url,
        clock=SystemClock(),
        token=None if approle else SecretStr("the-token"),
        role_id=SecretStr("the-role") if approle else None,
        secret_id=SecretStr("the-secret-id") if approle else None,
        cacert=cacert,
        timeout=WAIT,
    )


@pytest.mark.parametrize("what", LATE)
def test_a_read_that_is_answered_drop_by_drop_fails_for_now(what: str) -> None:
    with (
        hostile(LOOKED_UP, MOUNT, LATE[what]) as server,
        closing(session(server.url)) as vault,
        Stopwatch() as watch,
        pytest.raises(TransientError),
    ):
        VaultKv(session=vault).read(LOCATION)
    assert watch.seconds < AT_MOST


@pytest.mark.parametrize("what", LATE)
def test_a_write_that_is_answered_drop_by_drop_is_ambiguous_after_it_was_read_back(what: str) -> None:
    with (
        hostile(LOOKED_UP, MOUNT, LATE[what]) as server,
        closing(session(server.url)) as vault,
        Stopwatch() as watch,
        pytest.raises(AmbiguousWriteError),
    ):
        VaultKv(session=vault).write(LOCATION, {"a": "b"}, cas=1, max_versions=6)
    assert watch.seconds < AT_MOST
    assert [one.split(b" ")[0] for one in server.requests] == [b"GET", b"GET", b"POST", b"GET"]


@pytest.mark.parametrize("what", LATE)
def test_a_login_that_is_answered_drop_by_drop_fails_for_now_and_leaves_nothing_ambiguous(what: str) -> None:
    with (
        hostile(LATE[what]) as server,
        closing(session(server.url, approle=True)) as vault,
        Stopwatch() as watch,
        pytest.raises(VaultUnavailableError) as caught,
    ):
        VaultKv(session=vault).read(LOCATION)
    assert watch.seconds < AT_MOST
    assert not isinstance(caught.value, NoAnswerError)


@pytest.mark.parametrize("what", LATE)
def test_a_health_that_is_answered_drop_by_drop_fails_for_now(what: str) -> None:
    with (
        hostile(LATE[what]) as server,
        closing(session(server.url)) as vault,
        Stopwatch() as watch,
        pytest.raises(TransientError),
    ):
        VaultKv(session=vault).server_time()
    assert watch.seconds < AT_MOST


# --- what is inflated, or endless ---------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding, pack", [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_an_answer_in_an_encoding_is_not_unpacked(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(json.dumps({"sealed": False, "server_time_utc": 1_780_000_000}).encode())
    with (
        hostile(ending(http_answer(packed, headers=f"content-encoding: {encoding}\r\n{CLOSE}"))) as server,
        closing(session(server.url)) as vault,
        pytest.raises(VaultUnavailableError),
    ):
        VaultKv(session=vault).server_time()
    assert b"\r\naccept-encoding: identity\r\n" in server.requests[0].lower()


def test_an_answer_of_more_than_eight_mebibytes_is_not_read_to_its_end() -> None:
    endless = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n" + b" " * (12 << 20)
    with (
        hostile(answering(endless)) as server,
        closing(session(server.url)) as vault,
        pytest.raises(VaultUnavailableError, match="too large"),
    ):
        VaultKv(session=vault).server_time()


# --- redirects ----------------------------------------------------------------------------------------------------

Ask = Callable[[VaultSession], object]
ASKS: dict[str, tuple[bool, tuple[Behave, ...], Ask]] = {
    "login": (True, (), lambda vault: VaultKv(session=vault).read(LOCATION)),
    "look-up of the own token": (False, (), lambda vault: VaultKv(session=vault).older_versions(LOCATION)),
    "read": (False, (LOOKED_UP, MOUNT), lambda vault: VaultKv(session=vault).read(LOCATION)),
    "write": (
        False,
        (LOOKED_UP, MOUNT),
        lambda vault: VaultKv(session=vault).write(LOCATION, {"a": "b"}, cas=1, max_versions=6),
    ),
}


@pytest.mark.parametrize("what", ASKS)
@pytest.mark.parametrize(
    "status, kind",
    [
        ("301 Moved", VaultRefusedError),
        ("302 Found", VaultRefusedError),
        ("307 Temporary Redirect", VaultUnavailableError),
        ("308 Permanent Redirect", VaultRefusedError),
    ],
)
def test_no_redirect_is_followed_and_the_other_address_is_named(
    what: str, status: str, kind: type[RotatorError]
) -> None:
    approle, before, ask = ASKS[what]
    with hostile(ending(answer({}))) as other:
        there = f"location: {other.url}/v1/somewhere?secret=x\r\n"
        redirect = ending(http_answer(b"", status=status, headers=there + CLOSE))
        with (
            hostile(*before, redirect) as server,
            closing(session(server.url, approle=approle)) as vault,
            pytest.raises(kind, match=other.url) as caught,
        ):
            ask(vault)
        assert other.requests == []
    assert "VAULT_ADDR" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_redirect_to_nowhere_readable_is_not_quoted() -> None:
    redirect = ending(
        http_answer(b"", status="307 Temporary Redirect", headers="location: http://[\x1b[2J\r\n" + CLOSE)
    )
    with (
        hostile(redirect) as server,
        closing(session(server.url, approle=True)) as vault,
        pytest.raises(VaultUnavailableError) as caught,
    ):
        VaultKv(session=vault).read(LOCATION)
    assert "\x1b" not in str(caught.value)


# --- trust and proxies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_sees_no_login(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
    denied = answer({"errors": ["permission denied"]}, status="403 Forbidden")
    with hostile(ending(denied)) as proxy, hostile(ending(denied)) as server:
        monkeypatch.setenv(name, proxy.url)
        with closing(session(server.url, approle=True)) as vault, pytest.raises(PermanentError):
            VaultKv(session=vault).read(LOCATION)
        assert proxy.requests == []
        assert len(server.requests) == 1


@pytest.fixture(scope="module")
def private_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("secrets")
    subprocess.run(["/bin/sh", str(SECRETS_SCRIPT), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture
def tls_vault(private_authority: Path) -> Iterator[Hostile]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(private_authority / "vault_cert.pem", private_authority / "vault_key.pem")
    with hostile(ending(HEALTHY), tls=tls) as server:
        yield server


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_clock_of_a_vault_with_a_private_authority_is_known_whatever_the_environment_trusts(
    name: str, tls_vault: Hostile, private_authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, certifi.where())
    with closing(session(tls_vault.url, cacert=private_authority / "vault_ca.pem")) as vault:
        assert VaultKv(session=vault).server_time().timestamp() == 1_780_000_000


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_an_authority_of_the_environment_is_not_trusted(
    name: str, tls_vault: Hostile, private_authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(private_authority / "vault_ca.pem"))
    with closing(session(tls_vault.url)) as vault, pytest.raises(VaultRefusedError, match="VAULT_CACERT"):
        VaultKv(session=vault).server_time()


def test_a_tls_answer_drop_by_drop_fails_for_now_too(private_authority: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(private_authority / "vault_cert.pem", private_authority / "vault_key.pem")
    with (
        hostile(LATE["headers"], tls=tls) as server,
        closing(session(server.url, cacert=private_authority / "vault_ca.pem")) as vault,
        Stopwatch() as watch,
        pytest.raises(TransientError),
    ):
        VaultKv(session=vault).server_time()
    assert watch.seconds < AT_MOST


def test_a_server_that_never_finishes_the_tls_handshake_is_left(private_authority: Path) -> None:
    with (
        hostile(dripping(b"\x16\x03\x03\x40\x00" + b"a" * 400)) as server,
        closing(session(server.url.replace("http://", "https://"))) as vault,
        Stopwatch() as watch,
        pytest.raises(TransientError),
    ):
        VaultKv(session=vault).server_time()
    assert watch.seconds < AT_MOST
