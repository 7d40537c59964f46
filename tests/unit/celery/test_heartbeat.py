"""The heartbeat file."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from worker.heartbeat import HEARTBEAT_FILE, Pulse, Vitals, pulse_from_environment


def test_a_beat_makes_the_file(tmp_path: Path) -> None:
    Pulse(tmp_path / "beat").beat()
    assert (tmp_path / "beat").exists()


def test_a_beat_makes_an_old_file_young(tmp_path: Path) -> None:
    path = tmp_path / "beat"
    path.touch()
    os.utime(path, (0, 0))
    Pulse(path).beat()
    assert path.stat().st_mtime > 1_000_000_000


def test_a_file_that_cannot_be_written_is_said_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Pulse(tmp_path / "no" / "such" / "folder").beat()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_process_that_ended_does_not_look_alive(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path / "beat")
    pulse.beat()
    pulse.end()
    assert not (tmp_path / "beat").exists()


def test_ending_twice_is_no_error(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path / "beat")
    pulse.end()
    pulse.end()
    assert not (tmp_path / "beat").exists()


def test_without_the_variable_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HEARTBEAT_FILE, raising=False)
    monkeypatch.chdir(tmp_path)
    pulse_from_environment().beat()
    assert list(tmp_path.iterdir()) == []


def test_the_variable_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HEARTBEAT_FILE, str(tmp_path / "beat"))
    pulse_from_environment().beat()
    assert (tmp_path / "beat").exists()


class Worker:
    """The vitals of a worker with two threads, on a clock that is moved by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.vitals = Vitals(self.clock.monotonic)

    def problem_after(self, seconds: float) -> str | None:
        self.clock.advance(timedelta(seconds=seconds))
        return self.vitals.problem(threads=2)


def test_a_worker_that_can_look_for_work_is_well_also_when_it_finds_none() -> None:
    worker = Worker()
    for _ in range(1000):
        worker.vitals.answered()
        assert worker.problem_after(10) is None


def test_a_worker_with_a_free_thread_that_cannot_look_for_work_is_unwell() -> None:
    assert "no work could be looked for" in (Worker().problem_after(20) or "")


def test_a_worker_whose_threads_are_all_busy_does_not_look_and_is_well() -> None:
    worker = Worker()
    worker.vitals.began("a")
    worker.vitals.began("b")
    assert worker.problem_after(120) is None


def test_a_worker_whose_threads_are_held_is_unwell_although_its_loop_goes_on() -> None:
    worker = Worker()
    worker.vitals.began("a")
    worker.vitals.began("b")
    worker.clock.advance(timedelta(minutes=11))
    worker.vitals.answered()
    assert "worked on for 660 s" in (worker.problem_after(0) or "")


def test_work_that_ended_is_forgotten() -> None:
    worker = Worker()
    worker.vitals.began("a")
    worker.vitals.ended("a")
    worker.clock.advance(timedelta(hours=1))
    worker.vitals.answered()
    assert worker.problem_after(0) is None
