"""Reads `[[freezes]]`: intervals in which nothing is rotated or revoked, dated or recurring."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from config.calendars import check_cron, check_timezone, longest_gap
from config.durations import Duration, format_duration
from config.entries import entries
from config.mistakes import did_you_mean, mistake, shown
from config.schema import Freeze
from config.tables import Place, Table, read_table


def _read_moment(value: object) -> datetime:
    right = "Write date, time and offset without quotes, such as 2026-11-03T00:00:00Z"
    if not isinstance(value, datetime):
        raise mistake(f"{shown(value)} is not a moment", right)
    if value.tzinfo is None:
        raise mistake(f"{value.isoformat()} has no offset, so it is another moment on every machine", right)
    return value


Moment = Annotated[datetime, BeforeValidator(_read_moment)]
"""A point in time with its offset, as TOML writes it."""


class FreezeTable(BaseModel):
    """The keys of one `[[freezes]]`, as the file has them."""

    model_config = ConfigDict(extra="forbid")

    reason: str = ""
    start: Moment | None = None
    until: Moment | None = None
    schedule: str | None = None
    timezone: str = "UTC"
    duration: Duration | None = None
    accounts: tuple[str, ...] = ()


_DATED, _RECURRING = ("start", "until"), ("schedule", "duration")


def read_freezes(raw: object, place: Place, *, accounts: Sequence[str]) -> list[Freeze]:
    """Return the freezes that can be used, having added every mistake.

    Args:
        raw: the file's `freezes`; None when there are none.
        place: of that key.
        accounts: the names that a freeze may be for.
    """
    if raw is None:
        return []
    read: list[Freeze] = []
    for table, at in entries(raw, place):
        before = len(at.mistakes)
        freeze = read_table(FreezeTable, table, at)
        if "reason" not in freeze.bad and not freeze.model.reason.strip():
            at.at("reason").add("is missing", "Say why, for whoever finds nothing rotated then")
        _check_accounts(freeze, at, accounts)
        _check_times(freeze, at)
        if len(at.mistakes) == before:
            read.append(Freeze(**freeze.model.model_dump()))
    return read


def _check_accounts(freeze: Table[FreezeTable], at: Place, accounts: Sequence[str]) -> None:
    for name in freeze.model.accounts:
        if name not in accounts:
            otherwise = f"Known accounts: {', '.join(accounts) or 'none'}"
            at.at("accounts").add(f"{shown(name)} is not an account", did_you_mean(name, accounts, otherwise=otherwise))


def _check_times(freeze: Table[FreezeTable], at: Place) -> None:
    written = {*freeze.given, *freeze.bad}
    dated, recurring = written.intersection(_DATED), written.intersection(_RECURRING)
    if dated and recurring:
        at.at(min(recurring)).add(
            f"is set beside {min(dated)}", "Write start and until, or schedule and duration: a freeze of its own each"
        )
    elif not dated and not recurring:
        at.add("says neither when it is nor how often", "Write start and until, or schedule and duration")
    elif dated:
        _check_dated(freeze, at, dated)
    else:
        _check_recurring(freeze, at, recurring)


def _check_dated(freeze: Table[FreezeTable], at: Place, written: set[str]) -> None:
    start, until = freeze.model.start, freeze.model.until
    for key in sorted(set(_DATED) - written):
        at.at(key).add("is missing", "Write both start and until")
    if start is not None and until is not None and until <= start:
        at.at("until").add("is not after start", "Write the later of the two as until")
    if "timezone" in freeze.given:
        at.at("timezone").add("has no meaning for moments, which carry their offset", "Leave it out")


def _check_recurring(freeze: Table[FreezeTable], at: Place, written: set[str]) -> None:
    for key in sorted(set(_RECURRING) - written):
        at.at(key).add("is missing", "Write both schedule and duration")
    schedule, duration, timezone = freeze.model.schedule, freeze.model.duration, freeze.model.timezone
    known = "timezone" not in freeze.bad and check_timezone(timezone, at.at("timezone"))
    usable = schedule is not None and check_cron(schedule, at.at("schedule"))
    if not usable or not known or schedule is None or duration is None:
        return
    gap = longest_gap(schedule, timezone)
    if duration >= gap:
        at.at("duration").add(
            f"duration is {format_duration(duration)}, and the next one begins after {format_duration(gap)}",
            "duration must be shorter than the time between two of them, or nothing is ever rotated",
        )
