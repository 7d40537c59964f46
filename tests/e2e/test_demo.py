"""`python -m sandbox.demo` as people start it: by itself, twice at once, stopped early, in a terminal."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.processes import ROOT, die_with_parent
from tests.e2e.processes import processes_that_know, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ALL_CHILDREN = 9  # redis, vault, exchange, two workers, two beats, trader: the demo itself makes nine
END_SECONDS = 45.0


@contextmanager
def demo(folder: Path, *arguments: str, output: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """Start a demo whose private folder lies below that one, by which its processes are known."""
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox.demo", *arguments],
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output != subprocess.PIPE else subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - loads nothing and takes no lock after the fork
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_processes(folder: Path, at_least: int) -> None:
    until(lambda: len(processes_that_know(folder)) >= at_least, 30, f"{at_least} processes of the demo")


def wait_until_running(process: subprocess.Popen[str]) -> None:
    """Return when it printed how things stand for the first time; the test's time-out bounds it."""
    assert process.stdout is not None
    assert any(line.startswith("running") for line in process.stdout), "it ended before it ran"


def left_over(folder: Path) -> tuple[list[str], list[str]]:
    return processes_that_know(folder), [path.name for path in folder.iterdir()]


def test_two_demos_side_by_side_both_succeed(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with demo(folders[0], "--json") as first, demo(folders[1], "--json", "--seed", "2") as second:
        ended = [process.communicate(timeout=180) for process in (first, second)]
    results = [(json.loads(out)["failed_conditions"], errors) for out, errors in ended]
    assert results == [([], ""), ([], "")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_asked_to_end_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path, "--seconds", "300") as process:
        wait_until_running(process)
        process.send_signal(number)
        process.communicate(timeout=END_SECONDS)
    assert left_over(tmp_path) == ([], [])


def test_a_demo_that_is_asked_to_end_early_sums_up_and_names_what_was_not_reached(tmp_path: Path) -> None:
    with demo(tmp_path, "--seconds", "300") as process:
        wait_until_running(process)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=END_SECONDS)
    assert (process.returncode, "FAILED: market-maker was rotated 0 times, not at least 2." in out) == (1, True)


def test_a_demo_that_is_asked_to_end_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        wait_for_processes(tmp_path, 2)
        process.terminate()
        process.communicate(timeout=END_SECONDS)
    assert left_over(tmp_path) == ([], [])


def test_no_process_of_a_demo_outlives_it_when_it_is_killed(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        wait_for_processes(tmp_path, ALL_CHILDREN)
        process.kill()
        process.communicate(timeout=END_SECONDS)
        until(lambda: processes_that_know(tmp_path) == [], 10, "the children to die with the demo")


def test_a_terminal_shows_a_live_picture(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 100))
    try:
        with demo(tmp_path, "--seconds", "300", output=theirs) as process:
            os.close(theirs)
            shown = _read_until(ours, ["Age against period", "current", "Last events", "promote"], 40)
            process.send_signal(signal.SIGINT)
            _read_until(ours, ["Summary of"], END_SECONDS)
            process.wait(END_SECONDS)
    finally:
        os.close(ours)
    assert "█" in shown or "░" in shown


def _read_until(terminal: int, wanted: Sequence[str], seconds: float) -> str:
    deadline, seen = time.monotonic() + seconds, ""
    while not all(text in seen for text in wanted):
        assert time.monotonic() < deadline, f"the terminal never showed all of {wanted}"
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")
    return seen
