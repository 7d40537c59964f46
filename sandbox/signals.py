"""Being asked to end, without being torn out of what is under way."""

import signal
from types import FrameType


class Signals:
    """Ctrl-C and SIGTERM only raise a flag: the run looks at it and winds down. A second one makes it hurry."""

    def __init__(self) -> None:
        self._received = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._receive)

    def interrupted(self) -> bool:
        """Return whether the run was asked to end."""
        return self._received > 0

    def hurry(self) -> bool:
        """Return whether it was asked more than once."""
        return self._received > 1

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        self._received += 1
