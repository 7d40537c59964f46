"""Requests get names without this run's names in them, and requests of others get none."""

import io
from datetime import UTC, datetime, timedelta

import pytest

from config.schema import Credential, VaultLayout
from sandbox.chaos.naming import EXCHANGE, REDIS, VAULT, Names
from sandbox.chaos.resp import read_command
from sandbox.chaos.wire import Message, read_request
from sandbox.exchange.identity import IdentityIssuer
from tests.build import NOON
from worker.models import Severity
from worker.policy.steps import Outcome, Reason, Result
from worker.redis.events import encode

OURS = Credential(name="mm", account="desk", mount="trading", path="limitless/mm")
NAMES = Names(OURS, VaultLayout())


def request(method: str, target: str, **headers: str) -> Message:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    message = read_request(io.BytesIO("\r\n".join(lines).encode()))
    assert message is not None
    return message


def identity(account: str) -> str:
    return f"Bearer {IdentityIssuer().issue(account, now=datetime.now(UTC), ttl=timedelta(hours=1))}"


@pytest.mark.parametrize(
    "method, target, name",
    [
        ("GET", "/v1/rotator/data/journal/trading/limitless/mm", "get-journal"),
        ("POST", "/v1/rotator/metadata/journal/trading/limitless/mm", "post-journal-metadata"),
        ("POST", "/v1/trading/data/limitless/mm", "post-path"),
        ("GET", "/v1/trading/data/limitless/mm?version=3", "get-path-version-3"),
        ("PUT", "/v1/trading/destroy/limitless/mm", "put-path-destroy"),
        ("GET", "/v1/sys/health?standbyok=true", "get-sys-health"),
        ("POST", "/v1/auth/approle/login", "post-approle-login"),
        ("GET", "/v1/sys/internal/ui/mounts/trading", "get-mounts-trading"),
    ],
)
def test_a_request_to_vault_is_named_by_what_it_asks_for(method: str, target: str, name: str) -> None:
    assert NAMES.of(VAULT, request(method, target)) == name


def test_a_request_to_vault_for_another_credential_has_no_name() -> None:
    assert NAMES.of(VAULT, request("GET", "/v1/trading/data/limitless/mm-2")) is None


@pytest.mark.parametrize(
    "method, target, name",
    [
        ("GET", "/auth/api-tokens", "get-tokens"),
        ("POST", "/auth/api-tokens/derive", "post-derive"),
        ("DELETE", "/auth/api-tokens/5e3f%2F1", "delete-token"),
    ],
)
def test_a_request_to_the_exchange_is_named_without_the_token(method: str, target: str, name: str) -> None:
    assert NAMES.of(EXCHANGE, request(method, target, identity=identity("desk"))) == name


def test_a_request_to_the_exchange_of_another_account_has_no_name() -> None:
    assert NAMES.of(EXCHANGE, request("GET", "/auth/api-tokens", identity=identity("other"))) is None


def test_a_request_signed_by_a_token_is_taken_for_ours() -> None:
    signed = {"lmts-api-key": "t1", "lmts-signature": "c2ln"}
    assert NAMES.of(EXCHANGE, request("GET", "/auth/api-tokens", **signed)) == "get-tokens"


def command(*words: str) -> Message:
    bulks = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
    message = read_command(io.BytesIO(f"*{len(words)}\r\n{bulks}".encode()))
    assert message is not None
    return message


def event(credential: str) -> str:
    return encode(
        Outcome(
            at=NOON,
            account="desk",
            credential=credential,
            action=None,
            result=Result.DONE,
            reason=Reason.REQUESTED,
            sentence="done",
            severity=Severity.INFO,
        )
    )


@pytest.mark.parametrize(
    "words, name",
    [
        (("SET", "rotator:lease:rotate:mm", "x", "NX", "PX", "3000"), "set-lease-rotate"),
        (("SET", "rotator:lease:revoke:desk", "x", "NX", "PX", "3000"), "set-lease-revoke"),
        (("EVALSHA", "ab12", "1", "rotator:lease:rotate:mm", "x"), "evalsha-lease-rotate"),
        (("XADD", "rotator:events", "*", "outcome", event("mm")), "xadd-events"),
    ],
)
def test_a_command_to_redis_is_named_by_what_it_is_for(words: tuple[str, ...], name: str) -> None:
    assert NAMES.of(REDIS, command(*words)) == name


@pytest.mark.parametrize(
    "words",
    [
        ("SET", "rotator:lease:rotate:mm-2", "x"),
        ("XADD", "rotator:events", "*", "outcome", event("mm-2")),
        ("BRPOP", "rotator", "1"),
        ("ZADD", "unacked_index", "1", "x"),
        ("PING",),
    ],
    ids=lambda words: words[0],
)
def test_a_command_to_redis_of_another_credential_or_of_the_broker_has_no_name(words: tuple[str, ...]) -> None:
    assert NAMES.of(REDIS, command(*words)) is None
