"""Waiting that ends when the run is asked to end."""

import threading
import time
from collections.abc import Callable

POLL_SECONDS = 0.05


class Halted(BaseException):
    """The run was asked to end."""


class Halt:
    """The request to end the run, and the only way to wait in it."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    @property
    def asked(self) -> bool:
        """Whether somebody asked."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Ask the run to end: every wait that is under way raises Halted."""
        self._asked.set()

    def sleep(self, seconds: float) -> None:
        """Wait that long, or raise Halted."""
        if self._asked.wait(seconds):
            raise Halted

    def until(self, condition: Callable[[], bool], seconds: float, *, poll: float = POLL_SECONDS) -> bool:
        """Return True as soon as the condition holds, False when it does not in that time; raises Halted."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() >= deadline:
                return False
            self.sleep(poll)
        return True
