"""The Celery application: `celery -A worker.app worker`, `celery -A worker.app beat`.

Importing this module reads nothing. The settings are loaded when Celery first asks for its configuration, and the
clients are built when a worker starts.
"""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property
from importlib.metadata import version
from typing import Any

import click
import structlog
from celery import Celery, Task
from celery.loaders.app import AppLoader
from celery.signals import (
    beat_init,
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_shutdown,
    worker_shutting_down,
)

from config.celery import celery_config
from config.logs import configure_logging, log_uncaught_exceptions
from config.schedule import expected_wake_ups
from config.schema import Settings
from config.sentry import init_sentry
from config.settings import SettingsError, load_settings
from worker.broker import INBOX
from worker.clock import SystemClock
from worker.core_dumps import forbid_core_dumps
from worker.heartbeat import HeartbeatStep, Vitals
from worker.inbox import Inbox
from worker.reporting import Reporter
from worker.wiring import Container, build_container

EXIT_CONFIGURATION = 2
"""Exit code of a process whose configuration has mistakes."""

RELEASE = f"limitless-rotator@{version('limitless-rotator')}"

_log = structlog.get_logger(__name__)


class RotatorTask(Task[Any, Any]):
    """The base of every task: knows the application's type."""

    abstract = True

    @property
    def app(self) -> "RotatorApp":
        """The application that runs this task."""
        return super().app  # type: ignore[return-value]  # worker.tasks is imported by no other application


class SettingsLoader(AppLoader):
    """Gives Celery its configuration from the rotator's settings."""

    app: "RotatorApp"

    def read_configuration(self, env: str = "") -> dict[str, Any]:
        """Return Celery's configuration, the inbox of this process included."""
        del env
        settings = self.app.settings
        configuration = celery_config(settings)
        clock = SystemClock()
        inbox = Inbox(
            expected=expected_wake_ups(settings),
            clock=clock,
            tell=Reporter(events=None, clock=clock).record,
            vitals=self.app.vitals,
        )
        return {
            **configuration,
            "broker_transport": "worker.broker:Transport",
            "broker_transport_options": {**configuration["broker_transport_options"], INBOX: inbox},
        }


class RotatorApp(Celery):
    """Celery with the rotator's settings and, in a worker, its clients.

    Args:
        load: returns the settings; called once, when they are first needed.
    """

    def __init__(self, load: Callable[[], Settings]) -> None:
        self._load_settings = load
        self._clients = ExitStack()
        self._stopping = threading.Event()
        self._container: Container | None = None
        self.vitals = Vitals()
        super().__init__("rotator", loader=SettingsLoader, include=["worker.tasks"])
        self.steps["worker"].add(HeartbeatStep)

    @cached_property
    def settings(self) -> Settings:
        """The settings of this process."""
        return self._load_settings()

    @property
    def container(self) -> Container:
        """The clients of this worker; raises RuntimeError in a process that is not a worker."""
        if self._container is None:
            raise RuntimeError("The clients are not built: only a started worker has them.")
        return self._container

    def use(self, container: Container) -> None:
        """Let tasks work with that container."""
        self._container = container

    def open_container(self) -> None:
        """Build the clients; raises what `build_container` raises."""
        self.use(self._clients.enter_context(build_container(self.settings, stopping=self._stopping.is_set)))

    def finalize(self, auto: bool = False) -> None:  # noqa: FBT001, FBT002 - Celery's
        """Register the tasks: our own, and none of Celery's, which do what their sender wants."""
        super().finalize(auto=auto)
        registered: dict[str, Any] = vars(self)["_tasks"]  # the property would come back here
        for name in [one for one in registered if one.startswith("celery.")]:
            del registered[name]

    def begin_to_stop(self) -> None:
        """Let every task end after the step that it has in hand; what is left is rolled forward by the next worker."""
        self._stopping.set()

    def close_container(self) -> None:
        """Close the clients, if there are any. May be called again."""
        self._container = None
        self._clients.close()


def settings_or_exit() -> Settings:
    """Return the settings of this process; when they have mistakes, list all of them on standard error, exit with 2."""
    forbid_core_dumps()
    try:
        return load_settings(os.environ, for_beat=_is_beat())
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(EXIT_CONFIGURATION) from None


def _is_beat() -> bool:
    """Return whether the command line is that of beat, which gets neither a login to Vault nor an identity."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == "beat"


app = RotatorApp(settings_or_exit)


@setup_logging.connect
def _set_up_logging(*, loglevel: int, **_: object) -> None:
    configure_logging(loglevel)
    log_uncaught_exceptions()


@beat_init.connect
def _start_beat(**_: object) -> None:
    init_sentry(app.settings.infrastructure, RELEASE)


@worker_init.connect
def _start_worker(**_: object) -> None:
    try:
        init_sentry(app.settings.infrastructure, RELEASE)
        app.open_container()
    except Exception:  # noqa: BLE001 - whatever it is, it ends the process
        # Celery only logs what a signal's receiver raises, and would go on with a worker that can do nothing.
        _log.exception("worker_cannot_start")
        raise SystemExit(1) from None


@worker_shutting_down.connect
def _begin_to_stop(**_: object) -> None:
    app.begin_to_stop()


@worker_shutdown.connect
def _stop_worker(**_: object) -> None:
    app.close_container()


@task_prerun.connect
def _begin_task(*, task_id: str, task: Task[Any, Any], **_: object) -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task_id=task_id, task=task.name)
    app.vitals.began(task_id)


@task_postrun.connect
def _end_task(*, task_id: str, **_: object) -> None:
    app.vitals.ended(task_id)
    # The pool's threads are used again.
    structlog.contextvars.clear_contextvars()
