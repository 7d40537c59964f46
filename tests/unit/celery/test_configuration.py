"""Celery's settings: those that keep secrets out of Redis, and those without which a worker or beat dies."""

from datetime import timedelta

import pytest
from celery.app.defaults import DEFAULTS
from hypothesis import given
from hypothesis import strategies as st

from config.celery import celery_config
from config.schedule import FLAG_STALE, REVOKE_EXPIRED, ROTATE_DUE, beat_schedule, expected_wake_ups, expires_after
from config.schema import Schedule
from tests.unit.celery.apps import RecordingApp, settings_of
from worker.app import RotatorApp
from worker.beat import LEAD_SECONDS, LOOK_SECONDS

intervals = st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=7))


@pytest.fixture
def app() -> RotatorApp:
    return RecordingApp(settings_of({"mm": "main"}, redis_url="redis://:pass@redis:6379/3"))


def test_beat_sends_the_three_sweeps(app: RotatorApp) -> None:
    entries = {name: entry["task"] for name, entry in app.conf.beat_schedule.items()}
    assert entries == {
        "rotate-due-credentials": ROTATE_DUE,
        "revoke-expired-tokens": REVOKE_EXPIRED,
        "flag-stale-tokens": FLAG_STALE,
    }


def test_a_worker_knows_every_task_that_beat_sends(app: RotatorApp) -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)


def test_sweeps_come_as_often_as_the_settings_say() -> None:
    schedule = Schedule(
        rotate_every=timedelta(seconds=2), revoke_every=timedelta(seconds=3), flag_every=timedelta(seconds=5)
    )
    every = [entry["schedule"] for entry in beat_schedule(schedule).values()]
    assert every == [timedelta(seconds=2), timedelta(seconds=3), timedelta(seconds=5)]


@given(intervals)
def test_a_wake_up_expires_just_below_its_interval(interval: timedelta) -> None:
    assert 0.9 * interval.total_seconds() <= expires_after(interval) < interval.total_seconds()


def test_the_broker_is_the_configured_redis(app: RotatorApp) -> None:
    url = "redis://:pass@redis:6379/3"
    assert app.conf.broker_url == url


@pytest.mark.parametrize(
    "setting, value",
    [
        ("worker_pool", "threads"),
        ("worker_concurrency", 16),
        ("worker_enable_remote_control", False),
        ("worker_prefetch_multiplier", 1),
        ("worker_disable_prefetch", True),
        ("worker_send_task_events", False),
        ("task_send_sent_event", False),
        ("worker_hijack_root_logger", False),
        ("task_acks_late", False),
        ("task_reject_on_worker_lost", None),
        ("task_ignore_result", True),
        ("result_backend", None),
        ("accept_content", ["json"]),
        ("broker_connection_retry_on_startup", True),
        ("beat_enable_remote_control", False),
    ],
)
def test_a_setting_that_was_paid_for_stays_as_it_is(app: RotatorApp, setting: str, value: object) -> None:
    assert app.conf[setting] == value


def test_a_lead_of_beat_outlives_several_of_its_looks() -> None:
    assert 3 * LOOK_SECONDS <= LEAD_SECONDS


def test_every_setting_is_one_that_celery_knows(app: RotatorApp) -> None:
    assert set(celery_config(app.settings)) <= DEFAULTS.keys()


def test_only_our_own_tasks_are_registered(app: RotatorApp) -> None:
    app.loader.import_default_modules()
    assert set(app.tasks) == set(expected_wake_ups(app.settings))


def test_messages_go_through_our_own_transport_whose_address_shows_no_login(app: RotatorApp) -> None:
    with app.connection_for_read() as connection:
        assert (connection.transport_cls, connection.as_uri()) == ("worker.broker:Transport", "redis://redis:6379/3")
