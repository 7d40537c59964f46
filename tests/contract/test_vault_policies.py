"""The policies of deploy/vault on a real server: what each role can do, and that it can do nothing else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from config.schema import VaultLayout
from sandbox.servers import EmbeddedVault
from sandbox.vault_access import VaultAccess
from worker.models import PathLocation

pytestmark = pytest.mark.servers

OWN = "limitless/market-maker"
OTHER = "limitless/hedger"
SECRET = "c2VjcmV0"
DENIED = 403


@dataclass(frozen=True)
class Role:
    """One login, and what it is answered."""

    addr: str
    token: str

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> requests.Response:
        headers = {"X-Vault-Token": self.token}
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        return requests.request(method, f"{self.addr}/v1/{path}", headers=headers, json=body, timeout=10)

    def status(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> int:
        return self.ask(method, path, body).status_code


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedVault]:
    with EmbeddedVault(folder=tmp_path_factory.mktemp("policies")) as running:
        yield running


@pytest.fixture(scope="module")
def access(server: EmbeddedVault) -> VaultAccess:
    consumers = {"market-maker": PathLocation("trading", OWN), "hedger": PathLocation("trading", OTHER)}
    made = server.configure(VaultLayout(), consumers=consumers)
    root = Role(server.addr, server.root_token.get_secret_value())
    root.ask("POST", "sys/mounts/private", {"type": "kv", "options": {"version": "2"}}).raise_for_status()
    for path in (OWN, OTHER, f"{OWN}/below", "elsewhere/a"):
        root.ask("POST", f"trading/data/{path}", {"data": {"secret": SECRET}}).raise_for_status()
    for path in ("rotator/data/journal/trading/limitless/market-maker", "rotator/data/else/a", "private/data/a"):
        root.ask("POST", path, {"data": {"secret": SECRET}}).raise_for_status()
    return made


@pytest.fixture(scope="module")
def worker(server: EmbeddedVault, access: VaultAccess) -> Role:
    login = {"role_id": access.role_id.get_secret_value(), "secret_id": access.secret_id.get_secret_value()}
    answer = requests.post(f"{server.addr}/v1/auth/approle/login", json=login, timeout=10)
    return Role(server.addr, answer.json()["auth"]["client_token"])


@pytest.fixture(scope="module")
def consumer(server: EmbeddedVault, access: VaultAccess) -> Role:
    return Role(server.addr, access.consumer_tokens["market-maker"].get_secret_value())


@pytest.fixture(scope="module")
def status(server: EmbeddedVault, access: VaultAccess) -> Role:
    return Role(server.addr, access.status_token.get_secret_value())


FORBIDDEN_TO_ALL = [
    ("GET", "trading/data/elsewhere/a"),
    ("GET", "rotator/data/else/a"),
    ("GET", "private/data/a"),
    ("GET", "private/metadata/a"),
    ("LIST", "private/metadata"),
    ("LIST", "trading/metadata"),
    ("DELETE", f"trading/data/{OWN}"),
    ("DELETE", f"trading/metadata/{OWN}"),
    ("DELETE", "rotator/data/journal/trading/limitless/market-maker"),
    ("DELETE", "rotator/metadata/journal/trading/limitless/market-maker"),
    ("POST", f"trading/delete/{OWN}"),
    ("POST", f"trading/undelete/{OWN}"),
    ("POST", "trading/config"),
    ("POST", "rotator/config"),
    ("POST", "rotator/destroy/journal/trading/limitless/market-maker"),
    ("POST", f"trading/metadata/{OWN}"),
    ("PATCH", f"trading/data/{OWN}"),
    ("POST", "auth/token/create"),
    ("POST", "auth/token/create-orphan"),
    ("POST", "auth/approle/role/limitless-rotator/secret-id"),
    ("GET", "auth/approle/role/limitless-rotator/role-id"),
    ("POST", "auth/approle/role/limitless-rotator"),
    ("POST", "sys/policies/acl/limitless-rotator"),
    ("GET", "sys/policies/acl/limitless-rotator"),
    ("GET", "sys/mounts"),
    ("POST", "sys/mounts/more"),
    ("GET", "sys/auth"),
    ("GET", "sys/audit"),
    ("PUT", "sys/seal"),
    ("GET", "sys/raw/core"),
    ("LIST", "identity/entity/id"),
]


@pytest.mark.parametrize("method, path", FORBIDDEN_TO_ALL)
@pytest.mark.parametrize("role", ["worker", "consumer", "status"])
def test_no_role_leaves_its_paths(request: pytest.FixtureRequest, role: str, method: str, path: str) -> None:
    login: Role = request.getfixturevalue(role)

    assert login.status(method, path, {} if method in {"POST", "PUT", "PATCH"} else None) == DENIED


def test_a_consumer_reads_its_own_credential(consumer: Role) -> None:
    assert consumer.ask("GET", f"trading/data/{OWN}").json()["data"]["data"] == {"secret": SECRET}


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", f"trading/data/{OTHER}"),
        ("GET", f"trading/data/{OWN}/below"),
        ("GET", f"trading/metadata/{OWN}"),
        ("GET", f"trading/metadata/{OTHER}"),
        ("LIST", "trading/metadata/limitless"),
        ("GET", "rotator/data/journal/trading/limitless/market-maker"),
        ("GET", "rotator/metadata/journal/trading/limitless/market-maker"),
        ("POST", f"trading/data/{OWN}"),
        ("POST", f"trading/destroy/{OWN}"),
    ],
)
def test_a_consumer_reads_nothing_else_and_writes_nothing(consumer: Role, method: str, path: str) -> None:
    assert consumer.status(method, path, {} if method == "POST" else None) == DENIED


@pytest.mark.parametrize("path", [f"trading/metadata/{OWN}", "rotator/metadata/journal/trading/limitless/market-maker"])
def test_the_status_page_sees_when_something_was_written(status: Role, path: str) -> None:
    assert status.ask("GET", path).json()["data"]["current_version"] == 1


def test_the_status_page_sees_which_credentials_there_are(status: Role) -> None:
    assert status.ask("LIST", "trading/metadata/limitless").json()["data"]["keys"] == [
        "hedger",
        "market-maker",
        "market-maker/",
    ]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", [f"trading/data/{OWN}", "rotator/data/journal/trading/limitless/market-maker"])
def test_the_status_page_reads_and_writes_no_secret(status: Role, method: str, path: str) -> None:
    assert status.status(method, path, {} if method == "POST" else None) == DENIED


@pytest.mark.parametrize("path", ["trading/metadata/limitless", "rotator/metadata/journal", "rotator/metadata"])
def test_the_worker_lists_nothing(worker: Role, path: str) -> None:
    assert worker.status("LIST", path) == DENIED


def test_the_worker_cannot_change_the_settings_of_a_path_that_exists(worker: Role) -> None:
    path = "rotator/metadata/journal/trading/limitless/market-maker"

    assert worker.status("POST", path, {"max_versions": 1}) == DENIED


def test_the_worker_may_look_after_its_own_token(worker: Role) -> None:
    assert worker.status("GET", "auth/token/lookup-self") == requests.codes["ok"]
