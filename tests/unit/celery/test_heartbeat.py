"""The heartbeat file."""

import os
from pathlib import Path

import pytest

from worker.heartbeat import HEARTBEAT_FILE, Pulse, pulse_from_environment


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
