"""Who used a token, and when a credential counts as stale."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from config.schema import Policy
from tests.build import NOON, ago, journal, listed, record
from worker.journal import RecordState, TokenRecord, VerifyWindow
from worker.models import ListedToken, TokenList
from worker.policy.usage import stale_verdict, used_by_others

CURRENT, SUPERSEDED, REVOKED = RecordState.CURRENT, RecordState.SUPERSEDED, RecordState.REVOKED
POLICY = Policy()


def windowed(closed: bool = True) -> VerifyWindow:  # noqa: FBT001, FBT002 - reads well where it is used
    return VerifyWindow(opened_at=ago(hours=10), closed_at=ago(hours=10) + timedelta(seconds=2) if closed else None)


@pytest.mark.parametrize(
    "used, counts",
    [
        (ago(hours=10) + timedelta(seconds=1), False),
        (ago(hours=10) - timedelta(seconds=29), False),
        (ago(hours=10) + timedelta(minutes=15, seconds=31), False),
        (ago(hours=10) + timedelta(minutes=15, seconds=33), True),
        (ago(hours=10) - timedelta(seconds=31), True),
        (ago(minutes=1), True),
    ],
    ids=[
        "inside our verify window",
        "before it, within the clocks' tolerance",
        "after it, within lag and the clocks' tolerance",
        "just past lag and tolerance",
        "just before tolerance",
        "long after it",
    ],
)
def test_a_use_counts_as_somebody_elses_only_outside_our_verify_window(used: datetime, counts: bool) -> None:  # noqa: FBT001 - a table
    one = record(1, CURRENT, promoted=ago(hours=10), windows=(windowed(),))
    assert used_by_others(one, listed(1, used=used), POLICY) == (used if counts else None)


def test_no_use_counts_while_our_verify_window_is_open() -> None:
    one = record(1, CURRENT, promoted=ago(hours=10), windows=(windowed(closed=False),))
    assert used_by_others(one, listed(1, used=ago(minutes=1)), POLICY) is None


def test_the_last_use_kept_in_the_ledger_survives_the_token() -> None:
    ended = record(1, REVOKED, promoted=ago(days=3), last_used_by_others=ago(days=2))
    assert used_by_others(ended, None, POLICY) == ago(days=2)


def verdict(*records: TokenRecord, tokens: tuple[ListedToken, ...], **of_policy: Any) -> tuple[str, datetime] | None:
    found = stale_verdict(journal(*records), TokenList(tokens, NOON), Policy(**of_policy), NOON)
    return (found.kind, found.since) if found else None


def test_a_dead_service_is_stale_although_its_token_is_new() -> None:
    dead = record(1, REVOKED, promoted=ago(days=30), last_used_by_others=ago(days=20))
    fresh = record(2, CURRENT, promoted=ago(days=1))
    assert verdict(dead, fresh, tokens=(listed(2),)) == ("stale", ago(days=20))


def test_a_service_in_use_is_not_stale() -> None:
    assert verdict(record(2, CURRENT, promoted=ago(days=30)), tokens=(listed(2, used=ago(days=1)),)) is None


def test_use_of_the_superseded_token_keeps_the_credential_alive() -> None:
    old = record(1, SUPERSEDED, promoted=ago(days=30), superseded=ago(days=1))
    fresh = record(2, CURRENT, promoted=ago(days=1))
    assert verdict(old, fresh, tokens=(listed(1, used=ago(hours=1)), listed(2))) is None


def test_a_credential_nobody_ever_used_is_unused_after_unused_after() -> None:
    first = record(1, REVOKED, promoted=ago(days=4))
    fresh = record(2, CURRENT, promoted=ago(hours=1))
    assert verdict(first, fresh, tokens=(listed(2),)) == ("unused", ago(days=4))


def test_our_own_verify_calls_do_not_make_an_unused_credential_look_used() -> None:
    first = record(1, CURRENT, promoted=ago(days=4))
    assert verdict(first, tokens=(listed(1, used=ago(days=4) + timedelta(seconds=1)),)) == ("unused", ago(days=4))


def test_a_new_credential_is_not_judged_yet() -> None:
    assert verdict(record(1, CURRENT, promoted=ago(days=1)), tokens=(listed(1),)) is None


def test_a_list_that_lacks_the_current_token_says_nothing_about_use() -> None:
    assert verdict(record(1, CURRENT, promoted=ago(days=30)), tokens=()) is None


def test_a_list_that_lacks_a_superseded_token_says_nothing_about_use() -> None:
    old = record(1, SUPERSEDED, promoted=ago(days=30), superseded=ago(days=3))
    assert verdict(old, record(2, CURRENT, promoted=ago(days=3)), tokens=(listed(2),)) is None


def probed(*, probe: timedelta) -> TokenRecord:
    at = NOON - probe
    verified = VerifyWindow(opened_at=ago(days=30), closed_at=ago(days=30) + timedelta(seconds=2))
    return record(
        1,
        CURRENT,
        promoted=ago(days=30) + timedelta(seconds=3),
        windows=(verified, VerifyWindow(opened_at=at, closed_at=at + timedelta(minutes=1))),
    )


def test_a_use_that_our_own_probe_overwrote_is_unknown_and_no_verdict() -> None:
    used = ago(days=2) + timedelta(seconds=1)
    assert verdict(probed(probe=timedelta(days=2)), tokens=(listed(1, used=used),)) is None


def test_a_use_after_our_own_probe_is_judged() -> None:
    used = ago(days=15)
    found = verdict(probed(probe=timedelta(days=20)), tokens=(listed(1, used=used),), max_age=timedelta(days=60))
    assert found == ("stale", used)


def test_a_credential_in_use_is_not_called_unused_because_an_emergency_ended_its_tokens() -> None:
    ended = record(1, REVOKED, promoted=ago(days=9), revoking_reason="compromised")
    fresh = record(2, CURRENT, promoted=ago(minutes=5))
    assert verdict(ended, fresh, tokens=(listed(2),)) is None
