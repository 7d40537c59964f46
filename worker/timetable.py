"""When the beat that leads sends a sweep's wake-up. What Redis says may spare one, never put it off for long.

When a sweep was last sent is noted in Redis, so that a new leader neither sends it twice nor starts late; but whoever
can write to Redis can note anything there. So a note is a hint, which is believed for less than two intervals, counted
from what this beat did itself.
"""

import math

TRUST = 1.75
"""After how many intervals a leader sends whatever Redis says."""

AHEAD = 5.0
"""Seconds: a hint that lies further in the future is none (a clock that was set back, or a lie)."""


def due_at(*, every: float, started: float, sent: float | None, told: float | None) -> float:
    """Return from when on a sweep is due; all times are seconds on one clock that never jumps.

    Args:
        every: the sweep's interval.
        started: when this beat began to look.
        sent: when this beat sent the sweep last, if ever.
        told: when it was last sent according to Redis, read when this beat took the lead.
    """
    last = max((one for one in (sent, told) if one is not None), default=-math.inf)
    return min(last + every, (started if sent is None else sent) + TRUST * every)


def hint(raw: object, *, now: float) -> float | None:
    """Return how many seconds ago a sweep was sent according to Redis; None when what is there is no such time.

    Args:
        raw: what was noted: seconds since the epoch.
        now: the present, in the same way.
    """
    if not isinstance(raw, bytes):
        return None
    try:
        ago = now - float(raw)
    except ValueError:
        return None
    return max(ago, 0.0) if math.isfinite(ago) and ago >= -AHEAD else None
