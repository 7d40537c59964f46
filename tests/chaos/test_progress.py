"""How far a credential has come: what is taken over, what is settled, and what is still missing in words."""

from dataclasses import replace

from sandbox.chaos.cells import Scenario
from sandbox.chaos.progress import progress_of
from sandbox.chaos.truth import Truth
from tests.build import ago, intent, journal, record
from tests.chaos.facts import token, truth
from worker.journal import RecordState

CURRENT = record(2, RecordState.CURRENT, promoted=ago(hours=1))


def superseded() -> Truth:
    old = record(1, RecordState.SUPERSEDED, promoted=ago(hours=2), superseded=ago(hours=1))
    return Truth(journal(old, CURRENT), "t2", (token(1), token(2)))


def test_a_healthy_end_is_settled() -> None:
    progress = progress_of(truth(), Scenario.ROTATION)
    assert (progress.settled, progress.missing) == (True, "")


def test_without_a_journal_nothing_is_taken_over() -> None:
    assert not progress_of(Truth(None, None, ()), Scenario.FIRST).taken_over


def test_a_rotation_is_taken_over_before_its_predecessor_is_revoked() -> None:
    progress = progress_of(superseded(), Scenario.ROTATION)
    assert (progress.taken_over, progress.settled) == (True, False)


def test_a_revocation_is_not_taken_over_before_the_token_is_revoked() -> None:
    assert not progress_of(superseded(), Scenario.REVOCATION).taken_over


def test_an_open_intent_is_named() -> None:
    old = truth().journal
    assert old is not None
    progress = progress_of(replace(truth(), journal=journal(*old.ledger, intent=intent(9))), Scenario.ROTATION)
    assert not progress.taken_over
    assert "rotation r9 is open" in progress.missing


def test_a_rotation_that_was_not_begun_is_named() -> None:
    one = Truth(journal(record(1, RecordState.CURRENT, promoted=ago(hours=1))), "t1", (token(1),))
    assert progress_of(one, Scenario.ROTATION).missing == "1 of 2 tokens were promoted"


def test_a_path_that_serves_something_else_is_not_taken_over() -> None:
    assert not progress_of(replace(truth(), served="t1"), Scenario.ROTATION).taken_over


def test_a_live_token_that_no_ledger_has_is_not_settled() -> None:
    stray = replace(truth(), tokens=(*truth().tokens, token(7)))
    assert progress_of(stray, Scenario.ROTATION).missing == "token t7 (in no ledger) is live"


def test_versions_that_are_still_to_be_destroyed_are_not_settled() -> None:
    old = record(1, RecordState.REVOKED, promoted=ago(hours=2), superseded=ago(hours=1))
    left = replace(truth(), journal=journal(old, CURRENT))
    assert "not destroyed" in progress_of(left, Scenario.ROTATION).missing


def test_a_label_without_a_token_leaves_nothing_to_be_done() -> None:
    old = truth().journal
    assert old is not None
    watched = replace(truth(), journal=journal(*old.ledger, record(7, RecordState.ABANDONED, token_id=None)))
    assert progress_of(watched, Scenario.ROTATION).settled


def given_up(state: RecordState = RecordState.ABANDONED) -> Truth:
    """The first token is current; the second one was refused and given up."""
    refused = record(2, state, promoted=None)
    current = record(1, RecordState.CURRENT, promoted=ago(hours=1))
    return Truth(journal(current, refused), "t1", (token(1), token(2)))


def test_a_refused_token_is_taken_over_when_it_was_given_up_although_it_lives() -> None:
    progress = progress_of(given_up(), Scenario.REFUSAL)
    assert (progress.taken_over, progress.settled) == (True, False)


def test_a_refused_token_is_not_taken_over_before_it_was_given_up() -> None:
    open_one = Truth(journal(CURRENT, intent=intent(9)), "t2", (token(2),))
    assert not progress_of(open_one, Scenario.REFUSAL).taken_over


def test_a_token_that_was_given_up_is_not_taken_over_before_it_is_revoked() -> None:
    assert not progress_of(given_up(), Scenario.ORPHAN).taken_over
