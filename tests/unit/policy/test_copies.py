"""For how long a token is kept for another credential's path, whatever is there and whatever is known of it."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from config.schema import Policy
from tests.build import NOON, account, ago, credential, facts, journal, listed, record, served
from worker.journal import RecordState
from worker.models import Severity
from worker.policy.copies import candidates
from worker.policy.facts import AccountFacts, Copy, CredentialFacts
from worker.policy.plan import plan_revocations
from worker.policy.steps import Action, Reason

POLICY = Policy()
HOURS = st.integers(26, 24 * 40)
WORKS = st.sampled_from([True, False, None])


def found(hours: int, *copies: Copy, unread: bool = False) -> AccountFacts:
    """Return an account whose token t1, derived so many hours ago, would be revoked now but for other paths."""
    derived = ago(hours=hours)
    old = record(1, RecordState.SUPERSEDED, promoted=derived, superseded=ago(hours=25), derived=derived)
    new = record(2, RecordState.CURRENT, promoted=ago(hours=25))
    other = CredentialFacts(credential(name="hedge"), None, None if unread else served(1))
    other = replace(other, unreadable="denied") if unread else other
    tokens = (listed(1), listed(2, used=ago(minutes=5)))
    return replace(account(facts(journal(old, new), served(2)), other, tokens=tokens), copies=copies)


def copy(works: bool | None) -> Copy:  # noqa: FBT001 - drawn
    return Copy("t1", "mm", "hedge", works)


def is_revoked(world: AccountFacts) -> bool:
    steps = plan_revocations(world, NOON).steps
    return "t1" in {one.token_id for one in steps if one.action is Action.REVOKE}


@given(HOURS, WORKS)
def test_a_copy_keeps_a_token_alive_only_while_it_works_or_may_and_never_for_good(
    hours: int,
    works: bool | None,  # noqa: FBT001 - drawn
) -> None:
    longest = {True: POLICY.max_age, None: POLICY.max_age + POLICY.grace, False: timedelta()}[works]
    assert is_revoked(found(hours, copy(works))) == (timedelta(hours=hours) > longest)


@given(HOURS, WORKS)
def test_every_copy_is_alerted(hours: int, works: bool | None) -> None:  # noqa: FBT001 - drawn
    holds = plan_revocations(found(hours, copy(works)), NOON).holds
    told = [one for one in holds if one.reason is Reason.SERVED_ELSEWHERE and one.severity is not Severity.INFO]
    assert [all(name in one.sentence for name in ("credential mm", "credential hedge")) for one in told] == [True]


@given(HOURS)
def test_a_path_that_cannot_be_read_keeps_a_token_alive_until_max_age_and_grace(hours: int) -> None:
    longest = POLICY.max_age + POLICY.grace
    assert is_revoked(found(hours, unread=True)) == (timedelta(hours=hours) > longest)


@given(HOURS, st.permutations([True, False, None]))
def test_of_several_copies_the_one_that_is_kept_longest_counts(hours: int, order: list[bool | None]) -> None:
    several = [replace(copy(works), reader="hedge") for works in order]
    assert is_revoked(found(hours, *several)) == is_revoked(found(hours, copy(None)))


def test_nothing_is_compared_while_each_path_serves_a_token_of_its_own() -> None:
    old = record(1, RecordState.SUPERSEDED, promoted=ago(days=8), superseded=ago(days=1))
    ours = facts(journal(old, record(2, RecordState.CURRENT, promoted=ago(days=1))), served(2))
    assert not list(candidates([ours, replace(ours, credential=credential(name="hedge"))], None))
