"""What the compose file's scripts do to real servers: the test environment's, under the names that images give them."""

import os
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hvac
import hvac.exceptions
import pytest

from sandbox.processes import ROOT, Children, private_environment
from sandbox.servers import LOCALHOST, free_port, redis_binary, vault_binary

pytestmark = pytest.mark.servers

SCRIPTS = ROOT / "deploy/compose"
SECONDS = 20.0


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {SECONDS:.0f} s")
        time.sleep(0.05)


def _make_secrets(folder: Path) -> Path:
    subprocess.run(["/bin/sh", str(SCRIPTS / "make-secrets.sh"), str(folder)], check=True, capture_output=True)
    return folder


@dataclass(frozen=True)
class ComposedVault:
    """A server with the compose file's settings, and the scripts that run against it."""

    addr: str
    folder: Path

    @property
    def ca(self) -> Path:
        """The authority that clients trust."""
        return self.folder / "secrets/vault_ca.pem"

    @property
    def environment(self) -> dict[str, str]:
        """What the one-shots are told, with this machine's folders in place of the containers'."""
        told = {
            "VAULT_ADDR": self.addr,
            "VAULT_CACERT": str(self.ca),
            "VAULT_INIT_DIR": str(self.folder / "init"),
            "VAULT_SETUP": str(ROOT / "deploy/vault/setup.sh"),
            "VAULT_PATIENCE": "20",
            "APPROLE_DIR": str(self.folder / "approle"),
            "APPROLE_MODE": "0444",
            "CONSUMER_DIR": str(self.folder / "consumer"),
            "POLICY_TEMPLATE": str(ROOT / "deploy/vault/consumer.hcl"),
        }
        environment = private_environment(self.folder / "home", told)
        return {**environment, "PATH": f"{self.folder / 'bin'}{os.pathsep}{environment['PATH']}"}

    def run(self, script: str, changes: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a script of deploy/compose to its end."""
        return subprocess.run(
            ["/bin/sh", str(SCRIPTS / script)],
            env={**self.environment, **(changes or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @contextmanager
    def client(self, token: str = "") -> Iterator[hvac.Client]:
        """Enter with a client that trusts the authority and sends exactly this token."""
        client = hvac.Client(self.addr, verify=str(self.ca))
        client.token = token
        try:
            yield client
        finally:
            client.adapter.close()

    def seal(self) -> None:
        """Seal it, as a restart does."""
        with self.client(self.read("init/.vault-token")) as root:
            system: Any = root.sys
            system.seal()

    @property
    def sealed(self) -> bool:
        """Whether it is sealed."""
        with self.client() as anybody:
            system: Any = anybody.sys
            return bool(system.is_sealed())

    def read(self, name: str) -> str:
        """Return a file of the folder."""
        return (self.folder / name).read_text(encoding="ascii").strip()


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposedVault]:
    folder = tmp_path_factory.mktemp("vault")
    for name in ("bin", "data", "init", "approle", "consumer"):
        (folder / name).mkdir()
    (folder / "bin/vault").symlink_to(vault_binary())
    secrets = _make_secrets(folder / "secrets")
    port, cluster_port = free_port(), free_port()
    settings = (SCRIPTS / "vault.hcl").read_text(encoding="utf-8")
    for old, new in {
        "/vault/file": str(folder / "data"),
        "/run/secrets/vault_cert": str(secrets / "vault_cert.pem"),
        "/run/secrets/vault_key": str(secrets / "vault_key.pem"),
        "0.0.0.0:8200": f"{LOCALHOST}:{port}",
        "vault:8200": f"{LOCALHOST}:{port}",
        "vault:8201": f"{LOCALHOST}:{cluster_port}",
    }.items():
        assert old in settings
        settings = settings.replace(old, new)
    (folder / "vault.hcl").write_text(settings, encoding="utf-8")
    composed = ComposedVault(f"https://{LOCALHOST}:{port}", folder)
    with Children(home=folder / "home") as children:
        command = [str(folder / "bin/vault"), "server", f"-config={folder / 'vault.hcl'}"]
        children.start("vault", command)
        first = composed.run("vault-setup.sh")
        assert first.returncode == 0, first.stdout + first.stderr
        yield composed


def test_a_new_vault_is_ready_for_the_workers_login(vault: ComposedVault) -> None:
    with vault.client() as worker:
        answer = worker.auth.approle.login(vault.read("approle/role_id"), vault.read("approle/secret_id"))

    assert "limitless-rotator" in answer["auth"]["token_policies"]


def test_key_and_root_token_can_be_read_by_their_owner_alone(vault: ComposedVault) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (vault.folder / "init").iterdir()}

    assert modes == {".vault-token": 0o600, "unseal_key": 0o600}


def test_the_workers_login_can_be_read_by_another_user(vault: ComposedVault) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (vault.folder / "approle").iterdir()}

    assert modes == {"role_id": 0o444, "secret_id": 0o444}


def test_a_sealed_vault_is_unsealed_and_the_workers_login_is_kept(vault: ComposedVault) -> None:
    secret_id = vault.read("approle/secret_id")
    vault.seal()

    again = vault.run("vault-setup.sh")

    assert again.returncode == 0, again.stdout + again.stderr
    assert vault.sealed is False
    assert vault.read("approle/secret_id") == secret_id


def test_a_sealed_vault_whose_key_was_taken_out_is_left_to_a_person(vault: ComposedVault, tmp_path: Path) -> None:
    vault.seal()

    result = vault.run("vault-setup.sh", {"VAULT_INIT_DIR": str(tmp_path)})
    still_sealed = vault.sealed
    vault.run("vault-setup.sh")

    assert result.returncode == 1
    assert "unseal it" in result.stderr
    assert still_sealed


def test_an_unsealed_vault_whose_root_token_was_taken_out_is_left_as_it_is(
    vault: ComposedVault, tmp_path: Path
) -> None:
    result = vault.run("vault-setup.sh", {"VAULT_INIT_DIR": str(tmp_path)})

    assert (result.returncode, result.stderr) == (0, "")
    assert "left as they are" in result.stdout


def test_no_answer_ends_with_a_message_and_without_a_new_key(vault: ComposedVault, tmp_path: Path) -> None:
    changes = {"VAULT_ADDR": f"https://{LOCALHOST}:1", "VAULT_INIT_DIR": str(tmp_path), "VAULT_PATIENCE": "1"}

    result = vault.run("vault-setup.sh", changes)

    assert result.returncode == 1
    assert "no answer from" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_script_prints_a_key_or_a_token(vault: ComposedVault) -> None:
    printed = "".join(
        result.stdout + result.stderr for result in (vault.run("vault-setup.sh"), vault.run("demo-consumer.sh"))
    )
    secrets = [vault.read(name) for name in ("init/.vault-token", "init/unseal_key", "approle/secret_id")]

    assert [secret for secret in secrets if secret in printed] == []
    assert re.findall(r"\b(?:hvs|s)\.[A-Za-z0-9]{20,}", printed) == []


def test_the_demos_trader_may_read_its_credential_and_nothing_else(vault: ComposedVault) -> None:
    vault.run("demo-consumer.sh")
    with vault.client(vault.read("init/.vault-token")) as root:
        for path in ("limitless/market-maker", "limitless/hedger"):
            root.secrets.kv.v2.create_or_update_secret(path, {"token_id": path}, mount_point="trading")

    with vault.client(vault.read("consumer/market-maker")) as trader:
        read = partial(trader.secrets.kv.v2.read_secret_version, mount_point="trading", raise_on_deleted_version=True)
        own = read("limitless/market-maker")
        with pytest.raises(hvac.exceptions.Forbidden):
            read("limitless/hedger")

    assert own["data"]["data"] == {"token_id": "limitless/market-maker"}


# --- redis ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ComposedRedis:
    """A redis-server that the compose file's script started."""

    environment: dict[str, str]
    children: Children

    def ping(self, **changes: str) -> bool:
        """Return what the health check says."""
        script = ["/bin/sh", str(SCRIPTS / "redis-ping.sh")]
        environment = {**self.environment, **changes}
        return subprocess.run(script, env=environment, capture_output=True, check=False).returncode == 0


@pytest.fixture
def composed_redis(tmp_path: Path) -> Iterator[ComposedRedis]:
    client = shutil.which("redis-cli", path=f"{redis_binary().parent}{os.pathsep}{os.environ['PATH']}")
    if client is None:
        pytest.skip("no redis-cli beside this redis-server")
    for name, binary in {"redis-server": redis_binary(), "redis-cli": Path(client)}.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).symlink_to(binary.resolve())
    port = free_port()
    settings = (SCRIPTS / "redis.conf").read_text(encoding="utf-8").replace("dir /data", f'dir "{tmp_path}"')
    (tmp_path / "redis.conf").write_text(f"{settings}\nbind {LOCALHOST}\nport {port}\n", encoding="utf-8")
    told = {
        "REDIS_CONFIG": str(tmp_path / "redis.conf"),
        "REDIS_PASSWORD_FILE": str(_make_secrets(tmp_path / "secrets") / "redis_password"),
        "REDIS_PORT": str(port),
    }
    environment = private_environment(tmp_path / "home", told)
    environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{environment['PATH']}"
    with Children(home=tmp_path / "home") as children:
        children.start("redis", ["/bin/sh", str(SCRIPTS / "redis.sh")], environment=environment)
        running = ComposedRedis(environment, children)
        _until(running.ping, "redis answers")
        yield running


def test_redis_asks_for_the_password_of_the_secret_file(composed_redis: ComposedRedis, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("wrong", encoding="ascii")

    assert composed_redis.ping() is True
    assert composed_redis.ping(REDIS_PASSWORD_FILE=str(tmp_path / "wrong")) is False


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at processes through /proc")
def test_the_password_of_redis_is_in_no_command_line_and_no_environment(composed_redis: ComposedRedis) -> None:
    password = Path(composed_redis.environment["REDIS_PASSWORD_FILE"]).read_bytes().strip()
    (server,) = composed_redis.children

    seen = b"".join((Path("/proc") / str(server.pid) / name).read_bytes() for name in ("cmdline", "environ"))

    assert b"redis-server" in seen
    assert password not in seen


def test_redis_ends_by_itself_when_it_is_told_to(composed_redis: ComposedRedis) -> None:
    (server,) = composed_redis.children

    server.terminate()
    _until(lambda: server.exit_code is not None, "redis ends")

    assert server.exit_code == 0
