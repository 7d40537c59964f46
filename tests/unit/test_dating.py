"""Which moment counts where clocks may be off: never one that shortens a grace or makes a young token look old."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.build import NOON, ago, intent, journal, record
from worker.journal import (
    Failures,
    Intent,
    Journal,
    RecordState,
    StagedToken,
    VerifyWindow,
    ahead_by,
    date_anew,
    date_promotion,
)

SKEW = timedelta(seconds=30)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CURRENT, SUPERSEDED, REVOKING = RecordState.CURRENT, RecordState.SUPERSEDED, RecordState.REVOKING


def staged(derived: datetime, at: datetime, *, kind: str = "rotation", window: datetime | None = None) -> Intent:
    token = StagedToken(token_id="t9", secret=SecretStr("c3M="), scopes=(), derived_at=derived, staged_at=at)
    fields = {"kind": kind, "token": token, "windows": (VerifyWindow(opened_at=window or at),)}
    return intent(9, opened=at).model_copy(update=fields)


JUST_NOW = staged(NOON - 3 * SECOND, NOON - 2 * SECOND)
BELIEVED = [
    ("at the same moment", NOON),
    ("as far behind as clocks may be", NOON - SKEW),
    ("as far ahead as clocks may be", NOON + SKEW),
]
NOT_BELIEVED = [("behind the derive", NOON - 25 * HOUR), ("ahead of the present", NOON + 25 * HOUR)]


@pytest.mark.parametrize("created", [one[1] for one in BELIEVED], ids=[one[0] for one in BELIEVED])
def test_vault_dates_a_promotion_when_its_clock_is(created: datetime) -> None:
    assert date_promotion(JUST_NOW, created, written_at=NOON, now=NOON, skew=SKEW) == (created, created)


@pytest.mark.parametrize("created", [one[1] for one in NOT_BELIEVED], ids=[one[0] for one in NOT_BELIEVED])
def test_the_exchange_dates_the_period_when_vaults_clock_is(created: datetime) -> None:
    dated = date_promotion(JUST_NOW, created, written_at=NOON, now=NOON, skew=SKEW)
    assert dated.promoted_at == NOON - 3 * SECOND


@pytest.mark.parametrize("created", [one[1] for one in NOT_BELIEVED], ids=[one[0] for one in NOT_BELIEVED])
def test_the_later_of_the_clocks_counts_for_grace_when_vaults_is(created: datetime) -> None:
    dated = date_promotion(JUST_NOW, created, written_at=NOON, now=NOON, skew=SKEW)
    assert dated.superseded_at == max(created, NOON)


def test_a_moment_between_staging_and_a_late_promote_is_not_believed() -> None:
    old = staged(NOON - 2 * DAY, NOON - 2 * DAY)
    assert date_promotion(old, NOON - DAY, written_at=NOON, now=NOON, skew=SKEW).superseded_at == NOON


def test_the_last_verify_bounds_what_a_document_says_that_knows_no_promote() -> None:
    old = staged(NOON - 2 * DAY, NOON - 2 * DAY, window=NOON - SECOND)
    assert date_promotion(old, NOON - DAY, written_at=None, now=NOON, skew=SKEW).superseded_at == NOON


def test_a_rollback_is_not_dated_by_when_its_old_token_was_derived() -> None:
    back = staged(NOON - 9 * DAY, NOON - SECOND, kind="rollback")
    assert date_promotion(back, NOON - 8 * DAY, written_at=NOON, now=NOON, skew=SKEW) == (NOON - SECOND, NOON)


CLOCKS = ("vault", "exchange", "promoter", "closer")
delays = st.integers(0, 3 * 86400).map(lambda seconds: timedelta(seconds=seconds))
agreeing = st.integers(-15, 15).map(lambda seconds: timedelta(seconds=seconds))


@given(
    wrong=st.sampled_from(CLOCKS),
    off=st.integers(-60 * 86400, 60 * 86400).map(lambda seconds: timedelta(seconds=seconds)),
    others=st.fixed_dictionaries(dict.fromkeys(CLOCKS, agreeing)),
    to_promote=delays,
    to_close=delays,
    rollback=st.booleans(),
)
def test_whichever_clock_is_off_no_grace_is_shortened_and_no_token_looks_older_than_it_is(
    wrong: str,
    off: timedelta,
    others: dict[str, timedelta],
    to_promote: timedelta,
    to_close: timedelta,
    rollback: bool,  # noqa: FBT001 - drawn
) -> None:
    clocks = {**others, wrong: off}
    derived, promoted, closed = NOON, NOON + to_promote, NOON + to_promote + to_close
    attempt = staged(
        derived + clocks["exchange"],
        derived + clocks["promoter"],
        kind="rollback" if rollback else "rotation",
        window=promoted + clocks["promoter"],
    )
    dated = date_promotion(
        attempt,
        promoted + clocks["vault"],
        written_at=promoted + clocks["promoter"],
        now=closed + clocks["closer"],
        skew=SKEW,
    )
    assert dated.superseded_at >= promoted - 2 * SKEW
    assert derived - 2 * SKEW <= dated.promoted_at <= closed + 2 * SKEW


# --- what lies in the future


LATER = NOON + 30 * DAY
KEPT = journal(
    record(1, SUPERSEDED, promoted=ago(days=8), superseded=ago(days=1)),
    record(2, CURRENT, promoted=ago(days=1)),
    intent=intent(9, staged=True),
    failures=Failures(count=1, last_at=ago(minutes=1), retry_at=NOON + 6 * HOUR),
)


def test_a_journal_of_the_past_stays_as_it_is() -> None:
    assert date_anew(KEPT, now=NOON, skew=SKEW) is KEPT


def test_a_back_off_lies_in_the_future_by_its_meaning() -> None:
    assert ahead_by(KEPT, NOON) < timedelta()


def test_the_end_that_our_own_call_can_not_outlast_is_no_moment_from_the_future() -> None:
    window = VerifyWindow(opened_at=NOON, closed_at=NOON + MINUTE)
    probed = journal(record(2, CURRENT, promoted=ago(days=1), windows=(window,)))
    assert date_anew(probed, now=NOON, skew=SKEW) is probed


def test_what_lies_ahead_by_less_than_the_permitted_skew_stays_as_it_is() -> None:
    young = journal(record(2, CURRENT, promoted=NOON + SKEW))
    assert date_anew(young, now=NOON, skew=SKEW) is young


AHEAD: list[tuple[str, Journal]] = [
    ("an intent", journal(intent=intent(9, opened=LATER))),
    ("a staged token", journal(intent=intent(9, opened=LATER, staged=True))),
    ("a mark", journal(record(1, REVOKING, promoted=ago(days=8), revoking_at=LATER, tried_at=LATER))),
    ("a promotion", journal(record(1, CURRENT, promoted=LATER, derived=ago(days=1)))),
    ("a supersession", journal(record(1, SUPERSEDED, promoted=ago(days=8), superseded=LATER))),
    ("an emergency", journal(record(1, CURRENT, promoted=ago(days=8)), emergency_at=LATER)),
    ("a failure", journal(failures=Failures(count=1, last_at=LATER, retry_at=LATER + HOUR))),
    (
        "a window",
        journal(record(1, CURRENT, promoted=ago(days=1), windows=(VerifyWindow(opened_at=NOON, closed_at=LATER),))),
    ),
]


@pytest.mark.parametrize("ahead", [one[1] for one in AHEAD], ids=[one[0] for one in AHEAD])
def test_nothing_lies_in_the_future_any_more_after(ahead: Journal) -> None:
    anew = date_anew(ahead, now=NOON, skew=SKEW)
    assert (ahead_by(ahead, NOON) > SKEW, ahead_by(anew, NOON) <= timedelta()) == (True, True)


@pytest.mark.parametrize("ahead", [one[1] for one in AHEAD], ids=[one[0] for one in AHEAD])
def test_dating_anew_is_one_write_and_a_second_time_changes_nothing(ahead: Journal) -> None:
    anew = date_anew(ahead, now=NOON, skew=SKEW)
    assert (anew.sequence, date_anew(anew, now=NOON, skew=SKEW)) == (ahead.sequence + 1, anew)


def test_a_back_off_keeps_its_length() -> None:
    failed = journal(failures=Failures(count=1, last_at=LATER, retry_at=LATER + 5 * MINUTE))
    failures = date_anew(failed, now=NOON, skew=SKEW).failures
    assert (failures.last_at, failures.retry_at) == (NOON, NOON + 5 * MINUTE)


def test_a_supersession_from_the_future_begins_its_grace_now() -> None:
    (found,) = date_anew(journal(record(1, SUPERSEDED, superseded=LATER)), now=NOON, skew=SKEW).ledger
    assert found.superseded_at == NOON


def test_a_staged_secret_is_kept() -> None:
    ahead = journal(intent=intent(9, opened=LATER, staged=True))
    found = date_anew(ahead, now=NOON, skew=SKEW).intent
    assert found is not None
    assert found.token is not None
    assert found.token.secret == SecretStr("c3RhZ2Vk")
