"""Finding the processes that a run left behind."""

import time
from collections.abc import Callable
from pathlib import Path


def processes_that_know(text: str) -> list[str]:
    """Return the command lines of the living processes whose environment holds that text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Return when the condition is met; fail, saying what was waited for, when it is not met in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(0.05)
