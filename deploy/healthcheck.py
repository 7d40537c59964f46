# ruff: noqa: INP001 - a script, in no package
"""Tell a supervisor whether the process next to it is alive: its heartbeat file must be young.

Workers and beat touch the file named by ROTATOR_HEARTBEAT_FILE every few seconds. Asking them through the broker is
no alternative: their remote control is switched off on purpose.

Exit code 0: alive. 1: no heartbeat, or an old one. Needs nothing but the standard library.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

DEFAULT_FILE = "/run/rotator/heartbeat"
DEFAULT_MAX_AGE = 30.0
"""Seconds: six heartbeats, so that a busy machine is not taken for a dead process."""


def verdict(environ: Mapping[str, str], now: float) -> str | None:
    """Return what is wrong with the heartbeat, or None when it is young.

    Args:
        environ: ROTATOR_HEARTBEAT_FILE names the file, ROTATOR_HEARTBEAT_MAX_AGE the limit in seconds.
        now: seconds since the epoch.
    """
    path = Path(environ.get("ROTATOR_HEARTBEAT_FILE") or DEFAULT_FILE)
    limit = float(environ.get("ROTATOR_HEARTBEAT_MAX_AGE") or DEFAULT_MAX_AGE)
    try:
        age = now - path.stat().st_mtime
    except OSError as error:
        return f"no heartbeat at {path}: {error.strerror}"
    return f"the heartbeat at {path} is {age:.0f} s old, more than {limit:.0f} s" if age > limit else None


if __name__ == "__main__":
    problem = verdict(os.environ, time.time())
    if problem is not None:
        sys.exit(problem)
