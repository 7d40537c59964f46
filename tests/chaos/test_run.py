"""The matrix against real servers and real workers: a part of it green, and nothing left when it is interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.processes import ROOT, die_with_parent

SECONDS = 300.0
CELLS = "24"
"""`make chaos ARGS="--quick"` strikes every call; it takes longer than a test may."""


def chaos(*arguments: str, folder: Path) -> "subprocess.Popen[str]":
    """Start a run whose temporary files go to that folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.chaos", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - loads nothing and takes no lock after the fork
    )


def children_of(parent: int) -> list[int]:
    """Return the processes whose parent is that one."""
    listing = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)  # noqa: S607 - where ps lives differs
    rows = (row.split() for row in listing.stdout.splitlines())
    return [int(pid) for pid, ppid in rows if int(ppid) == parent]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.e2e
@pytest.mark.servers
@pytest.mark.timeout(SECONDS + 30)
def test_a_part_of_the_quick_matrix_is_survived(tmp_path: Path) -> None:
    with chaos("--quick", "--most", CELLS, folder=tmp_path) as run:
        output, _ = run.communicate(timeout=SECONDS)
    assert run.returncode == 0, output


@pytest.mark.e2e
@pytest.mark.servers
def test_an_interrupted_run_leaves_neither_processes_nor_files(tmp_path: Path) -> None:
    with chaos("--cell", "rotation.post-derive-1", folder=tmp_path) as run:
        assert run.stdout is not None
        run.stdout.readline()  # the calls are recorded; workers start now
        started = children_of(run.pid)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in started) and time.monotonic() < deadline:
        time.sleep(0.05)

    assert started
    assert [pid for pid in started if is_alive(pid)] == []
    assert list(tmp_path.iterdir()) == []
