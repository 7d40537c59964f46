"""Finding the processes that a run left behind."""

import time
from collections.abc import Callable
from pathlib import Path


def processes_that_know(folder: Path) -> list[str]:
    """Return the command lines of the living processes that work below that folder or have it in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # Redis writes its title over its environment.
            at_home = (process / "cwd").readlink().is_relative_to(folder)
            if at_home or str(folder).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Return when the condition is met; fail, saying what was waited for, when it is not met in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(0.05)
