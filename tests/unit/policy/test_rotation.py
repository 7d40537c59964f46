"""When a credential is due, and how an open intent goes on."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Policy
from tests.build import NOON, ago, ahead, facts, intent, journal, path, record, served
from worker.journal import Failures, RecordState
from worker.models import PathContent, Severity
from worker.policy.facts import CredentialFacts
from worker.policy.plan import plan_rotation
from worker.policy.rotation import LONGEST_WAIT_OF_REJECTED, ROTATION, backoff_left, longest_backoff
from worker.policy.steps import Action, Plan, Reason

CURRENT = RecordState.CURRENT
FINISH = (Action.VERIFY, Action.PROMOTE, Action.CLOSE)


def failed(count: int, *, retry_at: datetime) -> Failures:
    return Failures(count=count, last_at=ago(minutes=3), retry_at=retry_at, last_reason="derive_refused")


def current_since(moment: datetime, **journal_fields: Any) -> CredentialFacts:
    return facts(journal(record(1, CURRENT, promoted=moment), **journal_fields), served(1))


def acts(plan: Plan) -> tuple[Action, ...]:
    return tuple(step.action for step in plan.steps)


ROTATES = [
    ("a credential that was never issued", facts(None, path(PathContent.EMPTY)), Reason.NEVER_ISSUED),
    ("one fenced before its first token", facts(journal(), path(PathContent.TOMBSTONE, 1)), Reason.NEVER_ISSUED),
    ("one exactly rotation_period old", current_since(ago(days=7)), Reason.PERIOD_REACHED),
    ("one between rotation_period and max_age", current_since(ago(days=13)), Reason.PERIOD_REACHED),
    ("one past max_age", current_since(ago(days=15)), Reason.OVERDUE),
    (
        "one whose back-off is over",
        current_since(ago(days=8), failures=failed(1, retry_at=ago(minutes=1))),
        Reason.PERIOD_REACHED,
    ),
]


@pytest.mark.parametrize("case", ROTATES, ids=[name for name, *_ in ROTATES])
def test_a_whole_rotation_is_planned_for(case: tuple[str, CredentialFacts, Reason]) -> None:
    _, given_facts, reason = case
    plan = plan_rotation(given_facts, NOON)
    assert (acts(plan), {step.reason for step in plan.steps}) == (ROTATION, {reason})


WAITS = [
    ("a young credential", current_since(ago(days=6)), Reason.NOT_DUE, Severity.INFO),
    (
        "a credential that failed a moment ago",
        current_since(ago(days=8), failures=failed(3, retry_at=NOON + timedelta(minutes=1))),
        Reason.BACKING_OFF,
        Severity.INFO,
    ),
    (
        "a credential that failed park_after times in a row",
        current_since(ago(days=8), failures=failed(5, retry_at=ago(days=1))),
        Reason.PARKED,
        Severity.INFO,
    ),
    (
        "a credential promoted in the future of our clock",
        current_since(NOON + timedelta(minutes=5)),
        Reason.TIME_UNKNOWN,
        Severity.WARNING,
    ),
    (
        "a credential that was promoted nobody knows when",
        facts(journal(record(1, CURRENT, derived=ago(days=30))), served(1)),
        Reason.TIME_UNKNOWN,
        Severity.WARNING,
    ),
    (
        "an intent whose derive may still be in flight",
        facts(journal(record(1, CURRENT, promoted=ago(days=8)), intent=intent(opened=ago(seconds=119))), served(1)),
        Reason.DERIVE_IN_FLIGHT,
        Severity.INFO,
    ),
    (
        "an intent from the future of our clock",
        facts(journal(record(1, CURRENT, promoted=ago(days=8)), intent=intent(opened=NOON + timedelta(1))), served(1)),
        Reason.TIME_UNKNOWN,
        Severity.WARNING,
    ),
    ("a path nobody adopted", facts(None, path(PathContent.FOREIGN, 3)), Reason.NOT_ADOPTED, Severity.ERROR),
    (
        "a path that another hand emptied",
        facts(journal(record(1, CURRENT, promoted=ago(days=8))), path(PathContent.EMPTY)),
        Reason.DRIFTED,
        Severity.ERROR,
    ),
    (
        "a path that another hand wrote",
        facts(journal(record(1, CURRENT, promoted=ago(days=8))), path(PathContent.FOREIGN, 6)),
        Reason.DRIFTED,
        Severity.ERROR,
    ),
    (
        "a path that serves an older token of ours",
        facts(journal(record(1, CURRENT, promoted=ago(days=8))), served(0)),
        Reason.DRIFTED,
        Severity.ERROR,
    ),
    (
        "a journal restored from a backup",
        facts(journal(record(1, CURRENT, promoted=ago(days=8)), sequence=11), ahead(2, sequence=12)),
        Reason.JOURNAL_BEHIND,
        Severity.ERROR,
    ),
    ("a lost journal", facts(None, ahead(1)), Reason.JOURNAL_BEHIND, Severity.ERROR),
    (
        "a journal of another account",
        facts(journal(record(1, CURRENT, promoted=ago(days=8)), account="other"), served(1)),
        Reason.MOVED,
        Severity.ERROR,
    ),
    ("an unreadable path", facts(None, None, unreadable="Vault is sealed"), Reason.UNREADABLE, Severity.WARNING),
]


@pytest.mark.parametrize("case", WAITS, ids=[name for name, *_ in WAITS])
def test_nothing_is_done_for(case: tuple[str, CredentialFacts, Reason, Severity]) -> None:
    _, given_facts, reason, severity = case
    plan = plan_rotation(given_facts, NOON)
    assert (plan.steps, [(hold.reason, hold.severity) for hold in plan.holds]) == ((), [(reason, severity)])


def open_intent(path_serves: int, version: int, **of_intent: Any) -> CredentialFacts:
    opened = intent(9, expected_version=5, **of_intent)
    return facts(journal(record(1, CURRENT, promoted=ago(days=8)), intent=opened), served(path_serves, version=version))


FORWARD = [
    ("a staged secret is verified and promoted", open_intent(1, 5, staged=True), FINISH, Reason.ROLL_FORWARD),
    ("a promoted token is only closed", open_intent(9, 6, staged=True), (Action.CLOSE,), Reason.PROMOTED_ALREADY),
    ("a fenced attempt is abandoned", open_intent(1, 6, staged=True), (Action.ABANDON,), Reason.FENCED),
    (
        "a derive that never answered is abandoned",
        open_intent(1, 5, opened=ago(minutes=2)),
        (Action.ABANDON,),
        Reason.DERIVE_LOST,
    ),
]


@pytest.mark.parametrize("case", FORWARD, ids=[name for name, *_ in FORWARD])
def test_an_open_intent_goes_on_before_anything_else(
    case: tuple[str, CredentialFacts, tuple[Action, ...], Reason],
) -> None:
    _, given_facts, actions, reason = case
    plan = plan_rotation(given_facts, NOON, requested_at=NOON)
    assert (acts(plan), {step.reason for step in plan.steps}) == (actions, {reason})


def test_a_request_rotates_a_young_credential() -> None:
    assert acts(plan_rotation(current_since(ago(days=1)), NOON, requested_at=ago(seconds=1))) == ROTATION


def test_a_request_is_satisfied_by_a_later_promotion() -> None:
    plan = plan_rotation(current_since(ago(seconds=1)), NOON, requested_at=ago(seconds=2))
    assert [hold.reason for hold in plan.holds] == [Reason.REQUESTED]


def test_a_request_bypasses_back_off() -> None:
    failing = current_since(ago(days=1), failures=failed(9, retry_at=NOON + timedelta(hours=5)))
    assert acts(plan_rotation(failing, NOON, requested_at=NOON)) == ROTATION


def test_a_request_never_bypasses_drift() -> None:
    drifted = facts(journal(record(1, CURRENT, promoted=ago(days=8))), path(PathContent.FOREIGN, 6))
    assert plan_rotation(drifted, NOON, requested_at=NOON).steps == ()


ages = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=40))


@given(age=ages, later=ages)
def test_a_due_credential_stays_due_as_time_passes(age: timedelta, later: timedelta) -> None:
    credential = current_since(NOON - age)
    if plan_rotation(credential, NOON).steps:
        assert plan_rotation(credential, NOON + later).steps


@given(age=ages)
def test_every_step_and_hold_says_why_in_a_sentence_that_names_the_credential(age: timedelta) -> None:
    plan = plan_rotation(current_since(NOON - age), NOON)
    sentences = [step.sentence for step in plan.steps] + [hold.sentence for hold in plan.holds]
    assert sentences
    assert all("mm" in sentence and sentence.endswith(".") for sentence in sentences)


@given(count=st.integers(0, 10_000), until=st.timedeltas(timedelta(days=-400), timedelta(days=400)))
def test_back_off_never_waits_longer_than_its_cap(count: int, until: timedelta) -> None:
    left = backoff_left(failed(count, retry_at=NOON + until), Policy(), NOON)
    assert timedelta() <= left <= Policy().backoff_cap


def test_the_longest_back_off_doubles_with_each_failure_up_to_its_cap() -> None:
    minutes = [longest_backoff(n, Policy()) / timedelta(minutes=1) for n in range(1, 12)]
    assert minutes == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]


def rejected(count: int, *, last: datetime, retry_at: datetime) -> CredentialFacts:
    """Return a credential that serves a token which a person had revoked, after that many failed attempts."""
    cut_off = record(1, RecordState.REVOKED, promoted=ago(days=1), revoking_reason="ordered")
    failures = Failures(count=count, last_at=last, retry_at=retry_at, last_reason="verify_refused")
    return facts(journal(cut_off, failures=failures), served(1))


PACE = [
    ("the first few attempts follow at once", 4, ago(seconds=1), ROTATION),
    ("later ones are apart", 5, ago(minutes=1), ()),
    ("but not by more than the longest wait", 9, NOON - LONGEST_WAIT_OF_REJECTED, ROTATION),
    ("nor by more than that on a clock that was set back", 9, NOON + timedelta(days=1), ()),
]


@pytest.mark.parametrize("count, last, actions", [case[1:] for case in PACE], ids=[case[0] for case in PACE])
def test_while_services_are_rejected(count: int, last: datetime, actions: tuple[Action, ...]) -> None:
    plan = plan_rotation(rejected(count, last=last, retry_at=NOON + timedelta(hours=6)), NOON)
    assert acts(plan) == actions


def test_a_person_who_asks_waits_for_no_pace() -> None:
    waiting = rejected(9, last=ago(minutes=1), retry_at=NOON + timedelta(hours=6))
    assert acts(plan_rotation(waiting, NOON, requested_at=NOON)) == ROTATION


@given(st.integers(0, 50), st.timedeltas(timedelta(days=-9), timedelta(days=9)), st.timedeltas(timedelta(days=-9)))
def test_services_that_are_rejected_never_wait_longer_than_that(count: int, last: timedelta, retry: timedelta) -> None:
    moment = NOON + min(retry, timedelta(days=9))
    waiting = rejected(count, last=NOON + last, retry_at=moment)
    later = max(NOON, NOON + last) + LONGEST_WAIT_OF_REJECTED
    assert acts(plan_rotation(waiting, later)) == ROTATION
