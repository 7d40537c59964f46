"""Durations as people write them: `7d`, `36h`, `20s`, `1h30m`, `2w`.

Own code, because the libraries for this accept more than a policy should: fractions, months and years of a guessed
length, negative values, bare numbers. Here every text that is accepted means one thing.
"""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field

from config.mistakes import mistake, shown

HINT = 'a duration such as "7d", "36h", "1h30m" or "20s" (units w, d, h, m, s, largest first)'
"""What to write instead of something that is no duration."""

_UNITS = {"w": 7 * 86_400, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PATTERN = re.compile("".join(rf"(?:([0-9]{{1,9}}){unit})?" for unit in _UNITS))


def parse_duration(text: str) -> timedelta:
    """Return the duration that the text names, or raise ValueError with a sentence for people."""
    match = _PATTERN.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError(f"{shown(text)} is not {HINT}")
    seconds = sum(int(count) * size for count, size in zip(match.groups(), _UNITS.values(), strict=True) if count)
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"{shown(text)} is longer than a duration can be") from None


def format_duration(duration: timedelta) -> str:
    """Return the shortest text that `parse_duration` reads back as this duration (whole seconds, not negative)."""
    rest = int(duration.total_seconds())
    parts = []
    for unit, size in _UNITS.items():
        # "14d" is how people say it; weeks are read, never written.
        count, rest = divmod(rest, size) if unit != "w" else (0, rest)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _read(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError:
            raise mistake(f"{shown(value)} is not a duration", f"Write {HINT}") from None
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise mistake(f"{shown(value)} has no unit", f"Write {HINT}")
    raise mistake(f"{shown(value)} is not a duration", f"Write {HINT}")


Duration = Annotated[timedelta, BeforeValidator(_read), Field(gt=timedelta(0))]
"""A duration longer than nothing; from code a `timedelta`, from a file a text."""

DurationOrZero = Annotated[timedelta, BeforeValidator(_read), Field(ge=timedelta(0))]
"""A duration that may be "0s"."""
