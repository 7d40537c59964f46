"""Signs of life for health checks: a file whose modification time is young.

Remote control is off, so nothing can ask a worker whether it is well. The file named by ROTATOR_HEARTBEAT_FILE is
touched every few seconds for as long as the loop that does the work is well: in a worker, while it can look for work
and no wake-up is worked on without end; in beat, while it looks at its schedule.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import bootsteps

HEARTBEAT_FILE = "ROTATOR_HEARTBEAT_FILE"
"""The environment variable that names the file. Unset: no heartbeat is written."""

INTERVAL = 5.0
"""Seconds between touches; a file that is older than about six of them means trouble."""

BLIND = 15.0
"""Seconds without an answer of Redis after which a worker with a free thread counts as unwell."""

LONGEST_WORK = 600.0
"""Seconds that no work on one wake-up lasts: every call has its deadline, and a sweep its caps."""

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


class Vitals:
    """What shows that a worker's sweeps complete: Redis answers when it looks for work, and no work lasts without end.

    A worker whose threads are all busy does not look; then only the age of what it works on tells. While Redis is
    away no sweep begins, and the worker rightly counts as unwell. Thread-safe.

    Args:
        monotonic: returns seconds on a clock that never jumps.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._answered = monotonic()
        self._running: dict[str, float] = {}

    def answered(self) -> None:
        """Note that the loop looked for work, and Redis answered."""
        self._answered = self._monotonic()

    def began(self, task_id: str) -> None:
        """Note that work on a wake-up began."""
        with self._lock:
            self._running[task_id] = self._monotonic()

    def ended(self, task_id: str) -> None:
        """Note that it ended, well or not."""
        with self._lock:
            self._running.pop(task_id, None)

    def problem(self, threads: int) -> str | None:
        """Return why this worker is not well, or None.

        Args:
            threads: how many wake-ups are worked on at once at most.
        """
        now = self._monotonic()
        with self._lock:
            running = list(self._running.values())
        oldest = now - min(running, default=now)
        if oldest > LONGEST_WORK:
            return f"a wake-up is worked on for {oldest:.0f} s"
        if len(running) < threads and now - self._answered > BLIND:
            return f"no work could be looked for in Redis for {now - self._answered:.0f} s"
        return None


class HeartbeatStep(bootsteps.StartStopStep):
    """Beats for as long as the worker's sweeps complete (see `Vitals`)."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._pulse = pulse_from_environment()
        self._timer: Any = None
        self._unwell = False

    def start(self, parent: Any) -> None:
        """Begin to beat."""
        self._pulse.beat()
        self._timer = parent.timer.call_repeatedly(INTERVAL, self._beat, (parent.app.vitals, parent.concurrency))

    def stop(self, parent: Any) -> None:
        """Stop beating; the worker goes on until the work in hand is done."""
        del parent
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pulse.end()

    def _beat(self, vitals: Vitals, threads: int) -> None:
        problem = vitals.problem(threads)
        if problem is None:
            self._pulse.beat()
        elif not self._unwell:
            _log.error("This worker counts as unwell: %s.", problem)
        self._unwell = problem is not None
