"""Runs of the engine that stop at every call to a server and go on only when told to, so that two can interleave."""

import threading
from collections.abc import Callable

from tests.harness import Crash, Harness

_PATIENCE = 10.0
"""Seconds after which a run that should have reached its next call is a bug of the test."""


class SteppedRun:
    """One engine run in a thread of its own; the thread moves only inside `step` and `kill`."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._go = threading.Semaphore(0)
        self._paused = threading.Semaphore(0)
        self._killed = False
        self.finished = False
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._await()

    def step(self) -> None:
        """Let the run go on to its next call (or its end)."""
        if not self.finished:
            self._go.release()
            self._await()

    def kill(self) -> None:
        """Let the process die where it stands."""
        self._killed = True
        while not self.finished:
            self.step()
        self._thread.join(_PATIENCE)

    def finish(self) -> None:
        """Let the run go on to its end."""
        while not self.finished:
            self.step()
        self._thread.join(_PATIENCE)

    def pause(self) -> None:
        """Called in the run's own thread before and after each call to a server."""
        self._paused.release()
        self._go.acquire()
        if self._killed:
            raise Crash

    def belongs_to(self, thread: threading.Thread) -> bool:
        return thread is self._thread

    def _run(self) -> None:
        try:
            self.pause()
            self._work()
        except Crash:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the test
            self.error = error
        finally:
            self.finished = True
            self._paused.release()

    def _await(self) -> None:
        assert self._paused.acquire(timeout=_PATIENCE), "a stepped run neither paused nor ended"


class Stepper:
    """Gives a harness stepped runs beside its ordinary ones."""

    def __init__(self, world: Harness) -> None:
        self.world = world
        self.runs: list[SteppedRun] = []
        world.vault.on_call = self._hook
        world.hooked.hook = self._hook

    def start(self, work: Callable[[], object]) -> SteppedRun:
        """Start a run, which stops before its first call."""
        run = SteppedRun(work)
        self.runs.append(run)
        return run

    def _hook(self, _moment: object) -> None:
        here = threading.current_thread()
        for run in self.runs:
            if run.belongs_to(here):
                run.pause()
