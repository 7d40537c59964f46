"""The Procfile's processes, started together by a process manager as on a small host, do the main job."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.processes import ROOT, Child
from sandbox.stack import Stack, StackOptions

SECONDS = 60.0
MARK = "ROTATOR_TEST_PROCFILE"

CONFIG = """
[schedule]
rotate_every = "1s"
revoke_every = "1s"
flag_every = "5s"

[defaults]
rotation_period = "6s"
spread = 0.0                 # due to the second, so that what happens can be foretold
grace = "4s"
max_age = "1m"
quiet_period = "1s"
max_overlap = "5s"
lastused_lag = "1s"
derive_deadline = "4s"
verify_deadline = "3s"
max_clock_skew = "3s"
backoff_base = "1s"
backoff_cap = "2s"

[[accounts]]
name = "desk"
identity_token_file = "identity/desk.jwt"

[[credentials]]
name = "market-maker"
account = "desk"
"""


def _marked(mark: str) -> list[str]:
    """Return the command lines of the processes whose environment holds the mark."""
    needle = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if needle in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_text(encoding="utf-8").replace("\0", " "))
        except OSError:  # it ended while it was looked at, or belongs to somebody else
            continue
    return found


def _wait_until_rotated(stack: Stack, manager: Child) -> None:
    """Return once a token was replaced and revoked; fail with the log when that does not happen in time."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if manager.exit_code is not None:
            break
        if any(token.revoked_at is not None for token in stack.control.tokens(profile="desk")):
            return
        time.sleep(0.2)
    pytest.fail(f"Nothing was rotated; the processes said:\n{manager.log.read_text(encoding='utf-8')[-4000:]}")


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Stack]:
    """Everything but workers and beats."""
    config = tmp_path / "rotator.toml"
    config.write_text(CONFIG, encoding="utf-8")
    options = StackOptions(config=config, faults="none", workers=0, beats=0, unread=frozenset(), reread_seconds=1.0)
    with Stack(options) as stack:
        yield stack


@pytest.mark.e2e
@pytest.mark.servers
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="sees leftover processes through /proc")
def test_the_procfiles_processes_rotate_a_token_that_a_service_uses_and_end_together(servers: Stack) -> None:
    mark = str(os.getpid())
    command = [str(Path(sys.executable).with_name("honcho")), "start", "--no-colour"]
    command += ["--env", os.devnull, "--procfile", str(ROOT / "Procfile"), "--app-root", str(servers.folder)]
    told = {**servers.worker_environment, MARK: mark}

    manager = servers.children.start("honcho", command, environment=told, stop_seconds=15.0)
    _wait_until_rotated(servers, manager)
    servers.stop_trader()
    manager.stop()

    counts = servers.trader_status().credentials["market-maker"]
    assert counts.token_switches >= 1
    assert counts.accepted > 0
    assert counts.rejected == 0
    assert _marked(mark) == []
