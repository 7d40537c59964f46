"""A soak in small: its promises hold while workers, Vault and Redis are killed, stopped and cut off."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.processes import die_with_parent, private_environment
from tests.e2e.processes import processes_that_know

pytestmark = [pytest.mark.servers, pytest.mark.e2e]

SEED = 4
"""Within its 20 s Vault, Redis and a worker are killed, workers are stopped, and the exchange is in maintenance."""

SMALL = "--seconds 20 --every 2 --accounts 2 --credentials 4 --workers 2 --traders 1 --json"


@pytest.mark.timeout(240)
def test_a_short_soak_keeps_every_promise_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.soak", "--seed", str(SEED), *SMALL.split()],
        env=private_environment(tmp_path),
        preexec_fn=die_with_parent(),
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout or "{}")
    assert (done.returncode, told.get("broken_promises"), processes_that_know(tmp_path)) == (0, [], []), done.stderr
