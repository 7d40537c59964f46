"""The judgement: a healthy end is green, and each thing that may go wrong breaks the promise that names it."""

from dataclasses import replace

import pytest

from sandbox.chaos.assertions import PROMISES, judge
from sandbox.chaos.truth import Truth
from tests.build import ago, intent, journal, record
from tests.chaos.facts import evidence, token, truth
from worker.journal import RecordState

CURRENT = record(2, RecordState.CURRENT, promoted=ago(hours=1))


def broken(**changes: object) -> set[str]:
    return {violation.promise for violation in judge(evidence(**changes))}


def test_a_healthy_end_breaks_no_promise() -> None:
    assert judge(evidence()) == ()


def test_a_superseded_token_in_its_grace_breaks_no_promise() -> None:
    old = record(1, RecordState.SUPERSEDED, promoted=ago(hours=2), superseded=ago(hours=1))
    assert broken(truth=Truth(journal(old, CURRENT), "t2", (token(1), token(2)))) == set()


def test_a_call_that_never_came_is_red_whatever_else_is_true() -> None:
    assert broken(reached=False) == {"the call is held"}


@pytest.mark.parametrize(
    "changes, promise",
    [
        ({"rejected": 1}, "the trader is never rejected"),
        ({"refused": 1}, "the trader is never rejected"),
        ({"traded": 0}, "the trader is never rejected"),
        ({"served_accepted": False}, "the path serves a live, verified token"),
        ({"verified": False}, "the path serves a live, verified token"),
        ({"held_in_vault": frozenset({"t1"})}, "no orphan lives after the next sweep"),
        ({"unsettled": "token t1 is live"}, "it settles"),
    ],
)
def test_what_goes_wrong_breaks_the_promise_that_names_it(changes: dict[str, object], promise: str) -> None:
    assert broken(**changes) == {promise}


def test_a_path_that_serves_nothing_is_seen() -> None:
    assert "the path serves a live, verified token" in broken(truth=replace(truth(), served=None))


def test_a_served_token_that_is_revoked_is_seen() -> None:
    dead = replace(truth(), tokens=(token(1, live=False), token(2, live=False)))
    assert "the path serves a live, verified token" in broken(truth=dead)


def test_two_live_tokens_beside_the_served_one_are_too_many() -> None:
    many = replace(truth(), tokens=(token(1), token(2), token(3)))
    assert "at most one superseded token is live" in broken(truth=many)


def test_a_second_rotation_for_one_due_date_is_seen() -> None:
    old = truth().journal
    assert old is not None
    third = record(3, RecordState.REVOKED, promoted=ago(minutes=1), secret_destroyed=True)
    twice = replace(truth(), journal=journal(*old.ledger, third))
    assert "one rotation for a due date" in broken(truth=twice)


def test_an_open_intent_is_seen() -> None:
    old = truth().journal
    assert old is not None
    assert "the journal is closed" in broken(truth=replace(truth(), journal=journal(*old.ledger, intent=intent())))


def test_two_superseded_tokens_are_too_many() -> None:
    two = [record(n, RecordState.SUPERSEDED, promoted=ago(hours=2), superseded=ago(hours=1)) for n in (1, 3)]
    assert "the journal is closed" in broken(truth=replace(truth(), journal=journal(*two, CURRENT)))


def test_a_token_that_no_journal_knows_is_seen() -> None:
    stray = replace(truth(), tokens=(*truth().tokens, token(7, live=False)))
    assert broken(truth=stray) == {"every token is accounted for"}


def test_a_revoked_token_that_the_journal_knows_by_its_label_alone_is_accounted_for() -> None:
    old = truth().journal
    assert old is not None
    label_only = record(7, RecordState.ABANDONED, token_id=None)
    known = Truth(journal(*old.ledger, label_only), "t2", (*truth().tokens, token(7, live=False)))
    assert broken(truth=known) == set()


def test_a_token_that_the_ledger_takes_for_live_and_is_not_is_seen() -> None:
    old = record(1, RecordState.SUPERSEDED, promoted=ago(hours=2), superseded=ago(hours=1))
    wrong = replace(truth(), journal=journal(old, CURRENT))
    assert broken(truth=wrong) == {"every token is accounted for"}


def test_a_subject_without_a_journal_is_judged_from_outside_only() -> None:
    bare = replace(truth(), journal=None)
    assert broken(truth=bare, keeps_journal=False, verified=False) == set()


def test_every_broken_promise_has_its_row_in_the_report() -> None:
    everything = judge(evidence(truth=Truth(None, None, (token(1), token(2), token(3))), unsettled="x", rejected=1))
    assert {violation.promise for violation in everything} <= set(PROMISES)
