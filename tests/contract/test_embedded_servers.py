"""The embedded servers themselves: real, private, and gone afterwards."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from sandbox.processes import ROOT
from sandbox.servers import EmbeddedRedis, EmbeddedVault, ServerError, redis_binary, vault_binary

pytestmark = pytest.mark.servers

PARENT = """
import sys, pathlib, time
from sandbox.servers import EmbeddedRedis, EmbeddedVault
folder = pathlib.Path(sys.argv[1])
with EmbeddedRedis(folder=folder / "redis") as redis, EmbeddedVault(folder=folder / "vault") as vault:
    print(redis.pid, vault.pid, flush=True)
    time.sleep(60)
"""


def command_line(pid: int | None) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def remember(server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.set("key", "value")


def recall(server: EmbeddedRedis) -> bytes | None:
    with redis.Redis.from_url(server.url) as client:
        value = client.get("key")
    assert value is None or isinstance(value, bytes)
    return value


def test_a_redis_that_keeps_a_file_remembers_over_a_restart_on_the_same_address(tmp_path: Path) -> None:
    with EmbeddedRedis(folder=tmp_path, append_only=True) as server:
        before = server.url
        remember(server)
        server.stop()
        server.start()

        assert (server.url, recall(server)) == (before, b"value")


def test_a_redis_without_a_file_forgets_when_it_is_killed(tmp_path: Path) -> None:
    with EmbeddedRedis(folder=tmp_path) as server:
        remember(server)
        server.kill()
        server.start()

        assert recall(server) is None


def test_the_password_of_redis_is_needed_and_on_no_command_line_and_in_no_file(tmp_path: Path) -> None:
    with EmbeddedRedis(folder=tmp_path, append_only=True, log=tmp_path / "redis.log") as server:
        password = server.url.split(":")[2].split("@")[0]
        remember(server)

        with redis.Redis(port=server.port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        assert password not in command_line(server.pid)
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]


def test_the_keys_of_vault_are_on_no_command_line_and_in_no_file(tmp_path: Path) -> None:
    with EmbeddedVault(folder=tmp_path, log=tmp_path / "vault.log") as server:
        token = server.root_token.get_secret_value()

        assert token not in command_line(server.pid)
        assert not [path for path in tmp_path.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]


def test_two_of_each_run_side_by_side(tmp_path: Path) -> None:
    with (
        EmbeddedRedis(folder=tmp_path / "a") as one,
        EmbeddedRedis(folder=tmp_path / "b") as other,
        EmbeddedVault(folder=tmp_path / "c") as vault,
        EmbeddedVault(folder=tmp_path / "d") as another,
    ):
        assert len({one.port, other.port, vault.port, another.port}) == 4


def test_a_server_that_is_stopped_twice_is_stopped(tmp_path: Path) -> None:
    server = EmbeddedVault(folder=tmp_path)
    server.start()
    server.stop()
    server.stop()

    assert not server.running


def test_a_binary_that_cannot_be_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_BIN", "/nowhere/vault")

    with pytest.raises(ServerError, match="/nowhere/vault cannot be run"):
        EmbeddedVault(folder=tmp_path).start()


def test_a_binary_that_ends_at_once_is_an_error_and_names_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_BIN", "/bin/false")

    with pytest.raises(ServerError, match=r"redis-server did not start; see .*redis\.log"):
        EmbeddedRedis(folder=tmp_path, log=tmp_path / "redis.log").start()


def test_the_environment_names_other_binaries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_BIN", "/usr/bin/redis-server")
    monkeypatch.setenv("VAULT_BIN", "/usr/bin/vault")

    assert (redis_binary(), vault_binary()) == (Path("/usr/bin/redis-server"), Path("/usr/bin/vault"))


def test_both_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        servers = [int(pid) for pid in parent.stdout.readline().split()]
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in servers) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert len(servers) == 2
    assert not [pid for pid in servers if alive(pid)]
