"""Signs of life for health checks: a file whose modification time is young.

Remote control is off, so nothing can ask a worker whether it is well. The file named by ROTATOR_HEARTBEAT_FILE is
touched every few seconds by the very loops that do the work: a loop that hangs stops touching it.
"""

import logging
import os
from pathlib import Path
from typing import Any

from celery import bootsteps

HEARTBEAT_FILE = "ROTATOR_HEARTBEAT_FILE"
"""The environment variable that names the file. Unset: no heartbeat is written."""

INTERVAL = 5.0
"""Seconds between touches; a file that is older than about six of them means trouble."""

_log = logging.getLogger(__name__)


class Pulse:
    """Touches one file, or none.

    Args:
        path: the file, or None for no heartbeat.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def beat(self) -> None:
        """Touch the file; a failure is logged and otherwise ignored."""
        if self._path is None:
            return
        try:
            self._path.touch()
        except OSError as error:
            _log.warning("Cannot touch the heartbeat file %s: %s", self._path, error.strerror)

    def end(self) -> None:
        """Remove the file, so that a stopped process does not look alive."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def pulse_from_environment() -> Pulse:
    """Return the pulse that ROTATOR_HEARTBEAT_FILE asks for."""
    path = os.environ.get(HEARTBEAT_FILE)
    return Pulse(Path(path) if path else None)


class HeartbeatStep(bootsteps.StartStopStep):
    """Beats from the worker's main loop, so only while that loop reads from Redis.

    While Redis is down the loop waits for it, and the worker rightly counts as unwell.
    """

    requires = ("celery.worker.components:Timer",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._pulse = pulse_from_environment()
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        """Begin to beat."""
        self._pulse.beat()
        self._timer = parent.timer.call_repeatedly(INTERVAL, self._pulse.beat)

    def stop(self, parent: Any) -> None:
        """Stop beating; the worker goes on until the work in hand is done."""
        del parent
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pulse.end()
