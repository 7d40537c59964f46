"""One thing at a time: tasks that hand control on to each other, in the order of virtual time.

Nothing here is random: who wants chance draws it and says how long a task waits. Time passes only when everybody waits.
"""

import heapq
from collections.abc import Callable
from itertools import count

from greenlet import GreenletExit, getcurrent, greenlet


class Crash(BaseException):
    """The process dies here: nothing may catch it."""


class Task:
    """One run of a worker or one command: it goes on only when it is its turn.

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
        """Do the work; called once, in the greenlet that plays this task."""
        try:
            self.result = self._work()
        except Crash:
            self.killed = True
        except GreenletExit:
            raise  # nobody waits for this task any more
        except BaseException as error:  # noqa: BLE001 - handed to the observer
            self.error = error


class Scheduler:
    """Virtual time in seconds, and what happens when. Belongs to the greenlet that made it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.current: Task | None = None
        self.tasks: list[Task] = []
        self.switches = 0
        self._order = count()
        self._events: list[tuple[float, int, greenlet | Callable[[], object]]] = []
        self._main = getcurrent()
        self._failure: BaseException | None = None

    def at(self, moment: float, act: Callable[[], object]) -> None:
        """Let something happen then, between any two calls of the tasks."""
        heapq.heappush(self._events, (max(moment, self.now), next(self._order), act))

    def start(self, name: str, work: Callable[[], object], *, after: float = 0.0) -> Task:
        """Let a task begin then."""
        task = Task(name, work, self.now + after)
        self.tasks.append(task)
        player = greenlet(lambda: self._play(task), parent=self._main)
        heapq.heappush(self._events, (self.now + after, next(self._order), player))
        return task

    def sleep(self, seconds: float) -> None:
        """Let whoever calls wait that long; a task that was killed meanwhile dies here."""
        me, task = getcurrent(), self.current
        if task is not None and task.killed:
            raise Crash
        until = self.now + max(0.0, seconds)
        if not self._events or self._events[0][0] > until:
            self.now = until  # nobody's turn comes before, so nobody need be asked
            return
        heapq.heappush(self._events, (until, next(self._order), me))
        if me is self._main:
            self._let_others_go_on()
        else:
            self._main.switch()
        self.current = task
        if task is not None and task.killed:
            raise Crash
        if task is None and self._failure is not None:
            raise self._failure

    def _let_others_go_on(self) -> None:
        """Let each task go on when it is its turn, until it is the main greenlet's own.

        From here alone, or each task would begin as deep in calls as the one before it ended.
        """
        while (following := self._next()) is not self._main:
            self.switches += 1
            following.switch()

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

    def _next(self) -> greenlet:
        """Do what comes next until it is somebody's turn, and return whose."""
        while True:
            moment, _, event = heapq.heappop(self._events)
            self.now = max(self.now, moment)
            if isinstance(event, greenlet):
                return event
            self.current = None
            try:
                event()
            except Exception as error:  # noqa: BLE001 - raised in the main greenlet
                self._failure = self._failure or error

    def _play(self, task: Task) -> None:
        """Play a task to its end; whoever made the scheduler goes on then."""
        self.current = task
        task.begun = self.now
        if not task.killed:
            task.perform()
        task.ended = self.now
        self.current = None
