"""What a worker's log says about one credential, in order and without what it says over and over. Pure."""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any


def story(lines: Iterable[tuple[str, str]], credential: str) -> Iterator[str]:
    """Yield one line for each thing that became of the credential, and how often in a row if more than once.

    Args:
        lines: who wrote it, and the line as written (JSON).
        credential: whose story it is.
    """
    told = sorted(_outcomes(lines, credential), key=lambda one: one[0])
    for (who, what), same in groupby(told, key=lambda one: one[1:]):
        times = [moment for moment, *_ in same]
        again = f" ({len(times)} times in a row)" if len(times) > 1 else ""
        yield f"{times[0]} {who} {what}{again}"


def _outcomes(lines: Iterable[tuple[str, str]], credential: str) -> Iterator[tuple[str, str, str]]:
    for who, line in lines:
        entry = _parsed(line)
        if entry.get("credential") == credential and "sentence" in entry:
            yield str(entry.get("timestamp")), who, f"{entry.get('result')} {entry.get('reason')}: {entry['sentence']}"


def _parsed(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
