"""Whether anybody takes the wake-ups that beat sends: a queue that is never empty has nobody behind it."""

from enum import Enum


class News(Enum):
    """What there is to tell about the queue."""

    UNTAKEN = "untaken"
    TAKEN_AGAIN = "taken again"


class Backlog:
    """Remembers since when the queue was never seen empty. Workers that keep up empty it in a moment.

    Args:
        patience: for how many seconds wake-ups may lie there before it is told.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: float | None = None
        self._told = False

    def begin_anew(self) -> None:
        """Forget since when the queue was not empty: nobody looked meanwhile."""
        self._since = None

    def look(self, waiting: int, now: float) -> News | None:
        """Return what is new: told once when it begins, and once when it ends.

        Args:
            waiting: messages in the queue.
            now: seconds on a clock that never jumps.
        """
        if not waiting:
            self._since, told = None, self._told
            self._told = False
            return News.TAKEN_AGAIN if told else None
        if self._since is None:
            self._since = now
        if self._told or now - self._since <= self._patience:
            return None
        self._told = True
        return News.UNTAKEN
