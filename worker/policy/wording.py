"""How durations, and ids that nobody vouches for, read in a sentence."""

from datetime import timedelta

_SHOWN, _TOO_SHORT_FOR_A_SECRET = 8, 12
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def span(duration: timedelta) -> str:
    """Return a duration in its two largest units, such as "7 d 3 h" or "20 s"; negative ones get a minus."""
    seconds = round(duration.total_seconds())
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    parts: list[str] = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return sign + " ".join(parts[:2])


def beginning(token_id: str) -> str:
    """Return enough of an id to recognise it by, for one that people wrote and neither list nor journal knows.

    Who mixes the two fields up has put the secret there.
    """
    return token_id if len(token_id) <= _TOO_SHORT_FOR_A_SECRET else f"{token_id[:_SHOWN]}…"
