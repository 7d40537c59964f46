"""What could have been rotated long ago and was not is late; what something else holds back is told as that."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from config.schema import Freeze, Policy
from tests.build import NOON, ago, facts, intent, journal, path, record, served, state
from worker.account_ledger import AccountLedger, Pause
from worker.journal import Failures, RecordState
from worker.models import PathContent, Severity
from worker.policy.facts import CredentialFacts
from worker.policy.late import late_hold, late_since
from worker.policy.steps import Reason

LATE_AFTER = timedelta(minutes=15)
PLAIN = Policy(spread=0)
NIGHTLY = Policy(rotation_schedule="0 2 * * *", rotation_window=timedelta(hours=1), spread=0)


def promoted(at: datetime, *, policy: Policy = PLAIN, **more: Any) -> CredentialFacts:
    return facts(journal(record(1, RecordState.CURRENT, promoted=at), **more), served(1), policy=policy)


def with_ledger(one: CredentialFacts, *freezes: Freeze, **fields: object) -> CredentialFacts:
    return replace(one, state=state(AccountLedger.model_validate({"account": "main", **fields}), *freezes))


DUE = promoted(ago(days=7, minutes=16))
MISSED = promoted(ago(days=2), policy=NIGHTLY)


def staged() -> CredentialFacts:
    opened = intent(opened=ago(minutes=20), staged=True)
    return facts(journal(record(1, RecordState.CURRENT, promoted=ago(days=1)), intent=opened), served(1), policy=PLAIN)


def thawed() -> CredentialFacts:
    freeze = Freeze(reason="election", start=ago(days=2), until=ago(minutes=20))
    return with_ledger(promoted(ago(days=8)), freeze)


@pytest.mark.parametrize(
    "one, since",
    [
        (DUE, ago(minutes=16)),
        (staged(), ago(minutes=20)),
        (MISSED, NOON.replace(hour=3)),
        (thawed(), ago(minutes=20)),
    ],
    ids=[
        "was due longer ago than late_after",
        "has a rotation in hand with which nobody goes on",
        "missed its window",
        "fell due in a freeze that ended long ago",
    ],
)
def test_a_credential_is_late_that(one: CredentialFacts, since: datetime) -> None:
    hold = late_hold(one, LATE_AFTER, NOON)
    assert hold is not None
    assert (late_since(one, NOON), hold.reason, hold.severity) == (since, Reason.LATE, Severity.ERROR)
    assert f"{since:%Y-%m-%d %H:%M} UTC" in hold.sentence


@pytest.mark.parametrize(
    "one",
    [
        promoted(ago(days=7, minutes=14)),
        promoted(ago(days=1)),
        with_ledger(promoted(ago(days=8)), pauses=(Pause(since=ago(days=2), by="ann", reason="migration"),)),
        with_ledger(promoted(ago(days=8)), Freeze(reason="x", start=ago(days=2), until=NOON + timedelta(hours=1))),
        promoted(ago(days=8), failures=Failures(count=9, last_at=ago(hours=1))),
        promoted(ago(days=8), failures=Failures(count=1, last_at=ago(hours=1), retry_at=ago(minutes=5))),
        facts(journal(record(1, RecordState.CURRENT, promoted=ago(days=8))), path(PathContent.FOREIGN, 9)),
        facts(None, path(PathContent.EMPTY)),
        promoted(ago(days=15)),
        with_ledger(MISSED, pauses=(Pause(since=ago(days=2), by="ann", reason="migration"),)),
        with_ledger(MISSED, Freeze(reason="x", start=NOON.replace(hour=1), until=NOON.replace(hour=3))),
        promoted(ago(days=3), policy=NIGHTLY, failures=Failures(count=1, last_at=NOON.replace(hour=2, minute=5))),
        promoted(ago(days=8), retired_at=ago(days=1)),
        promoted(ago(hours=9, minutes=30), policy=NIGHTLY),
    ],
    ids=[
        "was due a moment ago",
        "is not due",
        "is paused",
        "is frozen",
        "is parked",
        "was to be tried again a moment ago",
        "has a path that drifted",
        "never had a token",
        "is overdue, which is told as that",
        "missed its window and is paused",
        "missed its window because of a freeze",
        "was tried in its window",
        "is retired",
        "was rotated in its window",
    ],
)
def test_a_credential_is_not_late_that(one: CredentialFacts) -> None:
    assert late_hold(one, LATE_AFTER, NOON) is None
