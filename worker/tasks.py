"""The Celery tasks: wake-ups that carry names only.

Three sweeps, sent by beat, fan out one task for each credential or account. Each of those reads the world anew and
decides for itself, so a task that is lost, late or delivered twice does no harm.
"""

from collections.abc import Iterable
from datetime import timedelta

import sentry_sdk
import structlog
from celery import shared_task
from kombu.exceptions import OperationalError

from config.schedule import (
    FLAG_ACCOUNT,
    FLAG_STALE,
    REVOKE_ACCOUNT,
    REVOKE_EXPIRED,
    ROTATE_CREDENTIAL,
    ROTATE_DUE,
    expires_after,
)
from worker.app import RotatorApp, RotatorTask

__all__ = ["FLAG_ACCOUNT", "REVOKE_ACCOUNT", "ROTATE_CREDENTIAL"]

_log = structlog.get_logger(__name__)


@shared_task(name=ROTATE_DUE, bind=True, base=RotatorTask)
def rotate_due_credentials(self: RotatorTask) -> None:
    """Wake up one task for each credential; whether it is due is decided there."""
    settings = self.app.settings
    names = [one.name for one in settings.credentials]
    _fan_out(self.app, ROTATE_CREDENTIAL, names, settings.schedule.rotate_every)


@shared_task(name=REVOKE_EXPIRED, bind=True, base=RotatorTask)
def revoke_expired_tokens(self: RotatorTask) -> None:
    """Wake up one task for each account; what is revoked is decided there."""
    settings = self.app.settings
    names = [one.name for one in settings.accounts]
    _fan_out(self.app, REVOKE_ACCOUNT, names, settings.schedule.revoke_every)


@shared_task(name=FLAG_STALE, bind=True, base=RotatorTask)
def flag_stale_tokens(self: RotatorTask) -> None:
    """Wake up one task for each account; what is stale is decided there."""
    settings = self.app.settings
    names = [one.name for one in settings.accounts]
    _fan_out(self.app, FLAG_ACCOUNT, names, settings.schedule.flag_every)


@shared_task(name=ROTATE_CREDENTIAL, bind=True, base=RotatorTask)
def rotate_credential(self: RotatorTask, credential: str) -> None:
    """Rotate one credential if it is due, or finish what an earlier run began."""
    try:
        account = self.app.settings.credential(credential).account
    except KeyError:
        _report_unknown("credential", credential)
        return
    _speak_of(account=account, credential=credential)
    self.app.container.engine.rotate(credential)


@shared_task(name=REVOKE_ACCOUNT, bind=True, base=RotatorTask)
def revoke_account(self: RotatorTask, account: str) -> None:
    """Revoke what is over in one account."""
    if _is_known_account(self.app, account):
        self.app.container.engine.revoke(account)


@shared_task(name=FLAG_ACCOUNT, bind=True, base=RotatorTask)
def flag_account(self: RotatorTask, account: str) -> None:
    """Flag what nobody uses in one account."""
    if _is_known_account(self.app, account):
        self.app.container.engine.flag(account)


def _is_known_account(app: RotatorApp, name: str) -> bool:
    try:
        app.settings.account(name)
    except KeyError:
        _report_unknown("account", name)
        return False
    _speak_of(account=name)
    return True


def _fan_out(app: RotatorApp, task: str, names: Iterable[str], interval: timedelta) -> None:
    """Send one task for each name; one that cannot be sent is left to the next sweep and does not stop the rest."""
    clock = app.container.clock
    worth = expires_after(interval)
    began = clock.monotonic()
    for name in names:
        left = worth - (clock.monotonic() - began)
        if left <= 0:
            # Redis answers too slowly for this sweep; the next one is due and begins afresh.
            _log.warning("fan_out_ran_out_of_time", task_name=task, unsent_from=name)
            return
        try:
            app.send_task(task, args=(name,), expires=left)
        except OperationalError as error:
            _log.warning("wake_up_not_sent", task_name=task, name=name, error=type(error.__cause__ or error).__name__)


def _speak_of(**names: str) -> None:
    """Put names on every further log line and unexpected error of this task."""
    structlog.contextvars.bind_contextvars(**names)
    for key, value in names.items():
        sentry_sdk.get_isolation_scope().set_tag(key, value)


def _report_unknown(kind: str, name: object) -> None:
    # Whoever can write to Redis chooses the name, so only its beginning is shown.
    _log.error(
        "unknown_name",
        kind=kind,
        name=repr(name)[:80],
        hint="Not in this worker's configuration: do all workers and beats have the same one?",
    )
