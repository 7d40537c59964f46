"""Requests get names without this run's names in them, and requests of others get none."""

import io
from datetime import UTC, datetime, timedelta

import pytest

from config.schema import Credential, VaultLayout
from sandbox.chaos.naming import EXCHANGE, VAULT, Names
from sandbox.chaos.wire import Message, read_request
from sandbox.exchange.identity import IdentityIssuer

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
