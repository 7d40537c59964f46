"""The health check of containers: a young heartbeat, or a sentence about what is wrong with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.deploy.files import ROOT

SCRIPT = ROOT / "deploy/healthcheck.py"
NOW = 1_800_000_000.0


def _check(heartbeat: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT)],
        env={"ROTATOR_HEARTBEAT_FILE": str(heartbeat), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_heartbeat_that_was_just_touched_is_healthy(tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"
    heartbeat.touch()

    assert _check(heartbeat).returncode == 0


def test_a_missing_heartbeat_is_unhealthy_and_named(tmp_path: Path) -> None:
    result = _check(tmp_path / "heartbeat")

    assert (result.returncode, result.stderr) == (
        1,
        f"no heartbeat at {tmp_path / 'heartbeat'}: No such file or directory\n",
    )


def test_an_old_heartbeat_is_unhealthy(tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"
    heartbeat.touch()
    os.utime(heartbeat, (NOW, NOW - 10_000_000))

    result = _check(heartbeat)

    assert result.returncode == 1
    assert "more than 30 s" in result.stderr


@pytest.mark.parametrize("limit, code", [("100", 1), ("999999999", 0)])
def test_the_limit_can_be_set(tmp_path: Path, limit: str, code: int) -> None:
    heartbeat = tmp_path / "heartbeat"
    heartbeat.touch()
    os.utime(heartbeat, (NOW, heartbeat.stat().st_mtime - 3600))

    assert _check(heartbeat, ROTATOR_HEARTBEAT_MAX_AGE=limit).returncode == code
