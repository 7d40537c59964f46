"""One thing at a time: tasks in threads of their own that hand a baton on, in the order of virtual time.

Nothing here is random: who wants chance draws it and says how long a task waits. Time passes only when everybody waits.
"""

import heapq
import threading
from collections.abc import Callable
from itertools import count

_PATIENCE = 60.0
"""Real seconds after which a thread that should have handed the baton on is a bug of the model."""


class Crash(BaseException):
    """The process dies here: nothing may catch it."""


class Task:
    """One run of a worker or one command: it goes on only while it holds the baton.

    Attributes:
        error: what its work raised other than `Crash`.
        killed: it dies at its next switching point.
    """

    def __init__(self, name: str, work: Callable[[], object], begun: float) -> None:
        self.name = name
        self.begun = begun
        self.ended: float | None = None
        self.killed = False
        self.error: BaseException | None = None
        self.result: object = None
        self._work = work

    @property
    def done(self) -> bool:
        return self.ended is not None

    def perform(self) -> None:
        """Do the work; called once, in the thread that plays this task."""
        try:
            self.result = self._work()
        except Crash:
            self.killed = True
        except BaseException as error:  # noqa: BLE001 - handed to the observer
            self.error = error


class _Seat:
    """A thread that plays one task after another (or the main thread): it sleeps on its lock without the baton."""

    def __init__(self) -> None:
        self._baton = threading.Lock()
        self._baton.acquire()
        self.assigned: tuple[Scheduler, Task] | None = None

    def wait(self, patience: float = _PATIENCE) -> None:
        assert self._baton.acquire(timeout=patience), "the baton was lost"

    def go(self) -> None:
        self._baton.release()


_idle: list[_Seat] = []
"""Threads that have nothing to play, kept for the next scheduler."""


class Scheduler:
    """Virtual time in seconds, and what happens when."""

    def __init__(self) -> None:
        self.now = 0.0
        self.current: Task | None = None
        self.tasks: list[Task] = []
        self.switches = 0
        self._order = count()
        self._events: list[tuple[float, int, _Seat | Callable[[], object]]] = []
        self._main = _Seat()
        self._here = self._main
        self._failure: BaseException | None = None

    def at(self, moment: float, act: Callable[[], object]) -> None:
        """Let something happen then, between any two calls of the tasks."""
        heapq.heappush(self._events, (max(moment, self.now), next(self._order), act))

    def start(self, name: str, work: Callable[[], object], *, after: float = 0.0) -> Task:
        """Let a task begin then; it is played by a thread that is idle."""
        task = Task(name, work, self.now + after)
        seat = _idle.pop() if _idle else _new_seat()
        seat.assigned = (self, task)
        self.tasks.append(task)
        heapq.heappush(self._events, (self.now + after, next(self._order), seat))
        return task

    def sleep(self, seconds: float) -> None:
        """Let whoever holds the baton wait that long; a task that was killed meanwhile dies here."""
        me, task = self._here, self.current
        if task is not None and task.killed:
            raise Crash
        heapq.heappush(self._events, (self.now + max(0.0, seconds), next(self._order), me))
        self._hand_on(me)
        self.current = task
        if task is not None and task.killed:
            raise Crash
        if task is None and self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """Kill whatever still runs, and let it die."""
        for task in self.tasks:
            task.killed = task.killed or not task.done
        while any(not task.done for task in self.tasks):
            self.sleep(max(0.0, self._events[0][0] - self.now) if self._events else 0.0)
        self._events.clear()

    @property
    def running(self) -> list[Task]:
        return [task for task in self.tasks if not task.done]

    def _hand_on(self, me: _Seat) -> None:
        """Do what comes next until it is the turn of `me` again, in whichever thread."""
        seat = self._next()
        if seat is me:
            return
        self.switches += 1
        self._here = seat
        seat.go()
        me.wait()
        self._here = me

    def _next(self) -> _Seat:
        while True:
            moment, _, event = heapq.heappop(self._events)
            self.now = max(self.now, moment)
            if isinstance(event, _Seat):
                return event
            self.current = None
            try:
                event()
            except BaseException as error:  # noqa: BLE001 - raised in the main thread
                self._failure = self._failure or error

    def play(self, seat: "_Seat", task: Task) -> None:
        """Play a task to its end in its own thread, and hand the baton on for good."""
        self.current = task
        task.begun = self.now
        if not task.killed:
            task.perform()
        task.ended = self.now
        self.current = None
        following = self._next()
        _idle.append(seat)
        self.switches += 1
        self._here = following
        following.go()


def _new_seat() -> _Seat:
    seat = _Seat()
    threading.Thread(target=_sit, args=(seat,), daemon=True).start()
    return seat


def _sit(seat: _Seat) -> None:
    while True:
        seat.wait(patience=-1)
        if seat.assigned is not None:
            scheduler, task = seat.assigned
            seat.assigned = None
            scheduler.play(seat, task)
