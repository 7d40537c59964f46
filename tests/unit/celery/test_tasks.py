"""Tasks as plain functions: sweeps fan out names, and each of the rest wakes the engine up for one name."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sentry_sdk
import structlog
from hypothesis import given
from hypothesis import strategies as st
from kombu.exceptions import OperationalError
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from config.schedule import FLAG_STALE, REVOKE_EXPIRED, ROTATE_DUE
from tests.unit.celery.apps import FakeEngine, RecordingApp, settings_of
from worker.app import RotatorApp
from worker.tasks import FLAG_ACCOUNT, REVOKE_ACCOUNT, ROTATE_CREDENTIAL

TWO = {"mm": "main", "hedge": "main", "settle": "second"}
SWEEPS = (ROTATE_DUE, REVOKE_EXPIRED, FLAG_STALE)

names = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)
configurations = st.dictionaries(names, names, max_size=12)


@pytest.fixture
def app() -> RecordingApp:
    return RecordingApp(settings_of(TWO))


@pytest.fixture(autouse=True)
def _clean_context() -> Iterator[None]:
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


@given(configurations)
def test_the_rotation_sweep_covers_each_credential_exactly_once(credentials: dict[str, str]) -> None:
    app = RecordingApp(settings_of(credentials))
    app.run(ROTATE_DUE)
    assert [(one.task, one.args) for one in app.sent] == [(ROTATE_CREDENTIAL, (name,)) for name in credentials]


@given(configurations)
def test_the_revocation_sweep_covers_each_account_exactly_once(credentials: dict[str, str]) -> None:
    app = RecordingApp(settings_of(credentials, accounts=("idle-account-without-credentials",)))
    app.run(REVOKE_EXPIRED)
    assert sorted(one.args for one in app.sent) == sorted((one.name,) for one in app.settings.accounts)


@given(configurations)
def test_the_stale_sweep_covers_each_account_exactly_once(credentials: dict[str, str]) -> None:
    app = RecordingApp(settings_of(credentials))
    app.run(FLAG_STALE)
    assert sorted(one.args for one in app.sent) == sorted((one.name,) for one in app.settings.accounts)


@pytest.mark.parametrize("sweep", SWEEPS)
def test_a_wake_up_expires_before_the_next_one_comes(app: RecordingApp, sweep: str) -> None:
    schedule = app.settings.schedule
    interval = min(schedule.rotate_every, schedule.revoke_every, schedule.flag_every)
    if sweep == FLAG_STALE:
        interval = schedule.flag_every
    app.run(sweep)
    assert all(0.8 * interval.total_seconds() < one.expires < interval.total_seconds() for one in app.sent)


def test_one_wake_up_that_cannot_be_sent_does_not_stop_the_rest() -> None:
    class Failing(RecordingApp):
        def before_send(self, name: str) -> None:
            if name == "mm":
                raise OperationalError("connection reset")

    app = Failing(settings_of(TWO))
    app.run(ROTATE_DUE)
    assert [one.args for one in app.sent] == [("hedge",), ("settle",)]


def test_a_sweep_that_cannot_be_sent_in_its_time_leaves_the_rest_to_the_next() -> None:
    class Slow(RecordingApp):
        def before_send(self, name: str) -> None:
            self.clock.advance(timedelta(seconds=40))

    app = Slow(settings_of(TWO))
    app.run(ROTATE_DUE)
    assert [one.args for one in app.sent] == [("mm",), ("hedge",)]


@pytest.mark.parametrize(
    "task, name, call",
    [
        (ROTATE_CREDENTIAL, "mm", "rotate"),
        (REVOKE_ACCOUNT, "main", "revoke"),
        (FLAG_ACCOUNT, "main", "flag"),
    ],
)
def test_a_task_wakes_the_engine_up_for_its_name(app: RecordingApp, task: str, name: str, call: str) -> None:
    app.run(task, name)
    assert app.engine.asked == [(call, name)]


@pytest.mark.parametrize(
    "task, args",
    [
        (ROTATE_DUE, ()),
        (REVOKE_EXPIRED, ()),
        (FLAG_STALE, ()),
        (ROTATE_CREDENTIAL, ("mm",)),
        (REVOKE_ACCOUNT, ("main",)),
        (FLAG_ACCOUNT, ("main",)),
    ],
)
def test_a_task_returns_nothing_that_could_be_logged(app: RecordingApp, task: str, args: tuple[str, ...]) -> None:
    assert app.run(task, *args) is None


@pytest.mark.parametrize("task", [ROTATE_CREDENTIAL, REVOKE_ACCOUNT, FLAG_ACCOUNT])
def test_an_unknown_name_is_reported_and_nothing_is_done(app: RecordingApp, task: str) -> None:
    with capture_logs() as lines:
        app.run(task, "nobody")
    assert ([line["name"] for line in lines], app.engine.asked) == (["'nobody'"], [])


def test_a_name_that_somebody_made_up_cannot_flood_the_log(app: RecordingApp) -> None:
    with capture_logs() as lines:
        app.run(ROTATE_CREDENTIAL, "x" * 10_000)
    assert len(str(lines)) < 1_000


def test_every_line_of_a_task_carries_its_id_account_and_credential() -> None:
    seen: dict[str, object] = {}

    class Looking(FakeEngine):
        def rotate(self, credential: str) -> None:
            seen.update(get_contextvars())

    app = RecordingApp(settings_of(TWO), Looking())
    app.tasks[ROTATE_CREDENTIAL].apply(args=("settle",), task_id="the-id")
    assert seen == {"task_id": "the-id", "task": ROTATE_CREDENTIAL, "account": "second", "credential": "settle"}


def test_an_unexpected_error_of_a_task_carries_account_and_credential_as_tags() -> None:
    tags: dict[str, object] = {}

    class Looking(FakeEngine):
        def rotate(self, credential: str) -> None:
            tags.update(sentry_sdk.get_isolation_scope()._tags)

    with sentry_sdk.isolation_scope():
        RecordingApp(settings_of(TWO), Looking()).run(ROTATE_CREDENTIAL, "settle")
    assert tags == {"account": "second", "credential": "settle"}


def test_what_one_task_said_of_itself_is_forgotten_before_the_next(app: RecordingApp) -> None:
    app.tasks[ROTATE_CREDENTIAL].apply(args=("mm",))
    assert get_contextvars() == {}


def test_one_credential_that_blows_up_does_not_stop_another() -> None:
    class Exploding(FakeEngine):
        def rotate(self, credential: str) -> None:
            if credential == "mm":
                raise ZeroDivisionError
            super().rotate(credential)

    app = RecordingApp(settings_of(TWO), Exploding())
    for name in TWO:
        app.tasks[ROTATE_CREDENTIAL].apply(args=(name,))
    assert app.engine.asked == [("rotate", "hedge"), ("rotate", "settle")]


def test_a_process_that_is_no_worker_has_no_clients() -> None:
    app = RotatorApp(lambda: settings_of(TWO))
    with pytest.raises(RuntimeError, match="only a started worker"):
        app.tasks[ROTATE_CREDENTIAL]("mm")
