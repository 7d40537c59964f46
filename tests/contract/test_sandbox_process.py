"""`python -m sandbox` as a process of its own."""

import ctypes
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import jwt
import pytest

from sandbox.client import ControlClient
from sandbox.exchange.faults import DEFAULT_RULES

pytestmark = pytest.mark.servers

PR_SET_PDEATHSIG = 1
DEADLINE = 20.0


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-m", "sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - runs nothing that needs a lock
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def ports(child: subprocess.Popen[str]) -> dict[str, str]:
    assert child.stdout is not None
    found: dict[str, str] = json.loads(child.stdout.readline())
    return found


def stop(child: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
    child.send_signal(number)
    _, stderr = child.communicate(timeout=DEADLINE)
    return child.returncode, stderr


def eventually(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_it_says_where_it_listens_on_its_output_and_in_a_file(tmp_path: Path) -> None:
    with process("--ports-file", str(tmp_path / "ports.json")) as child:
        printed = ports(child)
        assert json.loads((tmp_path / "ports.json").read_text()) == printed
        assert httpx.get(f"{printed['api_url']}/maintenance/status", trust_env=False).status_code == 200


def test_faults_are_on_unless_told_otherwise() -> None:
    with process() as child, ControlClient(ports(child)["control_url"]) as control:
        assert control.faults().rules == DEFAULT_RULES


def test_seed_profiles_and_faults_are_taken_from_the_command_line() -> None:
    arguments = ("--seed", "42", "--faults", "none", "--profile", "desk-a", "--profile", "desk-b")
    with process(*arguments) as child, ControlClient(ports(child)["control_url"]) as control:
        assert (control.faults().seed, control.faults().rules) == (42, ())
        assert [profile.name for profile in control.profiles()] == ["desk-a", "desk-b"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_and_silently_when_told_to_although_a_client_is_connected(number: signal.Signals) -> None:
    with process() as child, httpx.Client(base_url=ports(child)["api_url"], trust_env=False) as client:
        client.get("/maintenance/status")
        assert stop(child, number) == (0, "")


def test_cut_connections_leave_no_noise() -> None:
    with process("--faults", "none") as child:
        where = ports(child)
        with ControlClient(where["control_url"]) as control:
            for fault in ("cut_before", "lose_answer", "cut_answer"):
                control.next_calls("maintenance", fault)
                with pytest.raises(httpx.TransportError):
                    httpx.get(f"{where['api_url']}/maintenance/status", trust_env=False)
        assert stop(child) == (0, "")


def test_it_keeps_a_private_and_valid_identity_for_each_profile(tmp_path: Path) -> None:
    directory = tmp_path / "identities"
    arguments = ("--faults", "none", "--profile", "a", "--profile", "b", "--identity-dir", str(directory))
    with process(*arguments) as child:
        where = ports(child)
        assert sorted(path.name for path in directory.iterdir()) == ["a.jwt", "b.jwt"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
        identity = (directory / "b.jwt").read_text().strip()
        answer = httpx.get(
            f"{where['api_url']}/profiles/me", headers={"identity": f"Bearer {identity}"}, trust_env=False
        )
        assert answer.json()["displayName"] == "b"


def test_identities_are_renewed_before_they_expire(tmp_path: Path) -> None:
    with process("--identity-dir", str(tmp_path), "--identity-ttl", "4") as child:
        ports(child)
        first = (tmp_path / "main.jwt").read_text()
        renewed = eventually(lambda: (tmp_path / "main.jwt").read_text() != first)
        left = jwt.decode(first.strip(), options={"verify_signature": False})["exp"] - time.time()
        assert renewed
        assert left > 0


def test_no_half_written_file_is_left_behind(tmp_path: Path) -> None:
    with process("--identity-dir", str(tmp_path), "--ports-file", str(tmp_path / "ports.json")) as child:
        ports(child)
        assert sorted(os.listdir(tmp_path)) == ["main.jwt", "ports.json"]  # noqa: PTH208 - names are what counts


def test_the_control_port_is_on_the_loopback_address_whatever_the_host() -> None:
    with process("--host", "0.0.0.0") as child:  # noqa: S104 - that it stays off the control port is the test
        assert ports(child)["control_url"].startswith("http://127.0.0.1:")


def test_a_taken_port_is_said_so_without_a_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, process("--port", str(taken.getsockname()[1])) as child:
        _, stderr = child.communicate(timeout=DEADLINE)
    assert child.returncode == 1
    assert "cannot listen on 127.0.0.1" in stderr
    assert "Traceback" not in stderr


def test_a_bad_profile_name_is_a_usage_error() -> None:
    with process("--profile", "../etc") as child:
        _, stderr = child.communicate(timeout=DEADLINE)
    assert child.returncode == 2
    assert "--profile" in stderr


def test_help_names_every_option() -> None:
    with process("--help") as child:
        stdout, _ = child.communicate(timeout=DEADLINE)
    for option in ("--host", "--port", "--control-port", "--seed", "--profile", "--faults", "--ports-file"):
        assert option in stdout
    assert "--identity-dir" in stdout
    assert "--identity-ttl" in stdout
