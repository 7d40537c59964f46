"""Tables for people and JSON for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.models import Severity
from worker.policy.wording import span

WIDTH = 100
"""No table is wider than this many columns."""

_STYLES = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.ERROR: "bold red"}


def console() -> Console:
    """Return a console on standard output: coloured on a terminal, plain and `WIDTH` wide elsewhere."""
    found = Console(file=sys.stdout, highlight=False)
    found.width = min(found.width, WIDTH) if found.is_terminal else WIDTH
    return found


def print_json(value: Any) -> None:
    """Print a JSON-ready value in ASCII: a terminal acts on some characters beyond it, and labels come from outside."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, title: str | None = None) -> Table:
    """Return a table; the last column takes what room is left.

    What comes from outside (a foreign token's label, an exchange's message) is shown as it is, never interpreted.
    """
    made = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold", ratio=1 if column == columns[-1] else None)
    for row in rows:
        made.add_row(*(plain(cell) for cell in row))
    return made


def plain(value: str | Text) -> Text:
    """Return the text without anything that a terminal would act on."""
    if isinstance(value, Text):
        return value
    return Text("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value))


def mark(severity: Severity, value: str) -> Text:
    """Return the text in the severity's colour."""
    text = plain(value)
    text.stylize(_STYLES[severity])
    return text


def ago(moment: datetime | None, now: datetime, *, never: str = "-") -> str:
    """Return how long ago (or in how long) something is."""
    if moment is None:
        return never
    return f"{span(now - moment)} ago" if moment <= now else f"in {span(moment - now)}"
