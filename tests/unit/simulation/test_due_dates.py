"""Whether a rotation had a due date of its own."""

from datetime import datetime, timedelta

import pytest

from config.schema import Credential
from sandbox.simulation.due_dates import Begun, DueDates
from sandbox.simulation.fleet import BEGIN, DAY, HOUR, POLICIES


def fault(kind: str, reason: str, *, promoted: datetime, begun: datetime) -> str | None:
    credential = Credential(name="mm", account="desk", mount="trading", path="mm", policy=POLICIES[kind])
    return DueDates(credential, days=60).fault(Begun(reason, begun), promoted, promoted)


SUNDAY = BEGIN + 3 * DAY + 3 * HOUR

GOOD = [
    ("a period that has passed", "weekly", "period_reached", BEGIN, BEGIN + 7 * DAY),
    ("a period that its spread shortens", "weekly", "period_reached", BEGIN, BEGIN + 6.4 * DAY),
    ("a scheduled time", "weekly window", "period_reached", BEGIN, SUNDAY),
    ("the last minute of a window", "weekly window", "period_reached", BEGIN, SUNDAY + 6 * HOUR - timedelta(minutes=1)),
    ("a token past max_age", "daily", "overdue", BEGIN, BEGIN + 3 * DAY + HOUR),
    ("what a person asked for, at any time", "weekly", "requested", BEGIN, BEGIN + HOUR),
]
BAD = [
    ("a second rotation for one period", "weekly", "period_reached", BEGIN, BEGIN + DAY),
    ("a second rotation for one scheduled time", "weekly window", "period_reached", SUNDAY, SUNDAY + HOUR),
    ("a rotation before the window opens", "weekly window", "period_reached", BEGIN, SUNDAY - HOUR),
    ("a rotation after the window closed", "weekly window", "period_reached", BEGIN, SUNDAY + 6 * HOUR),
    ("a young token that is called overdue", "daily", "overdue", BEGIN, BEGIN + 2 * DAY),
]


@pytest.mark.parametrize("case", GOOD, ids=[case[0] for case in GOOD])
def test_there_is_nothing_wrong_with(case: tuple[str, str, str, datetime, datetime]) -> None:
    _, kind, reason, promoted, begun = case
    assert fault(kind, reason, promoted=promoted, begun=begun) is None


@pytest.mark.parametrize("case", BAD, ids=[case[0] for case in BAD])
def test_a_fault_is_found_in(case: tuple[str, str, str, datetime, datetime]) -> None:
    _, kind, reason, promoted, begun = case
    assert fault(kind, reason, promoted=promoted, begun=begun) is not None
