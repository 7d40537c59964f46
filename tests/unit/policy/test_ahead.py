"""When a served sequence shows that the journal was restored: only on a document that can be ours."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.build import AHEAD_ID, NOON, ahead, facts, journal, record
from worker.journal import RecordState
from worker.policy.ahead import MOST_AHEAD, is_ahead
from worker.policy.facts import CredentialFacts

CURRENT = record(1, RecordState.CURRENT)


def at_path(sequence: int = 41, **changes: Any) -> CredentialFacts:
    """Return a credential whose journal is at 40 and whose path serves that document."""
    found = ahead(2, sequence=sequence)
    assert found.document is not None
    return facts(journal(CURRENT), replace(found, document=replace(found.document, **changes)))


@given(st.integers(41, 40 + MOST_AHEAD))
def test_a_document_of_our_form_that_counts_further_is_ahead(sequence: int) -> None:
    assert is_ahead(at_path(sequence))


@given(st.one_of(st.integers(0, 40), st.integers(41 + MOST_AHEAD, 2**53 - 1)))
def test_a_sequence_that_is_not_further_or_that_nobody_counted_to_is_not_ahead(sequence: int) -> None:
    assert not is_ahead(at_path(sequence))


NOT_OURS: list[tuple[str, dict[str, Any]]] = [
    ("a rotation id that is too short", {"rotation_id": AHEAD_ID[1:]}),
    ("a rotation id with other characters", {"rotation_id": AHEAD_ID[:-1] + "1"}),
    ("no rotation id", {"rotation_id": ""}),
    ("another credential's label", {"label": f"hedge/{AHEAD_ID}"}),
    ("a label that is no rotation's", {"label": "mm/old bot"}),
    ("a label without a name", {"label": AHEAD_ID}),
    ("no label", {"label": ""}),
]


@pytest.mark.parametrize("changes", [one for _, one in NOT_OURS], ids=[name for name, _ in NOT_OURS])
def test_no_sequence_counts_on_a_document_with(changes: dict[str, Any]) -> None:
    assert not is_ahead(at_path(**changes))


def test_a_rollback_of_a_lost_part_of_the_journal_is_ahead_although_its_label_names_another_rotation() -> None:
    assert is_ahead(at_path(label=f"mm/{'older' * 4}"))


@pytest.mark.parametrize("state", list(RecordState))
def test_a_rotation_that_the_journal_saw_end_is_not_ahead_of_it(state: RecordState) -> None:
    ended = record(2, state, rotation_id=AHEAD_ID, label=f"mm/{AHEAD_ID}")
    assert not is_ahead(facts(journal(CURRENT, ended), ahead(2)))


def test_a_rotation_of_which_only_the_label_is_kept_is_not_ahead() -> None:
    assert not is_ahead(facts(journal(CURRENT, past_labels=(f"mm/{AHEAD_ID}",)), ahead(2)))


def test_nothing_is_ahead_of_a_journal_that_was_retired_since_nothing_is_promoted_after_that() -> None:
    assert not is_ahead(facts(journal(CURRENT, retired_at=NOON), ahead(2)))


def test_a_lost_journal_is_behind_any_document_of_ours() -> None:
    assert is_ahead(facts(None, ahead(2, sequence=1)))
