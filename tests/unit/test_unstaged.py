"""Whether a token certainly never reached the journal: only then may its maker revoke it."""

import pytest

from tests.build import intent, journal, record
from worker.journal import Journal, RecordState, is_unstaged

GIVEN_UP = record(9, RecordState.ABANDONED, token_id=None)

CASES: list[tuple[str, Journal, bool]] = [
    ("its attempt was given up without a token", journal(GIVEN_UP), True),
    ("so it was, and the next attempt is under way", journal(GIVEN_UP, intent=intent(10, staged=True)), True),
    ("so it was, among others", journal(record(1, RecordState.CURRENT), GIVEN_UP), True),
    ("the journal knows not even its label", journal(record(1, RecordState.CURRENT)), False),
    ("of its label only the name is left", journal(past_labels=("mm/r9",)), False),
    ("its attempt is still open", journal(intent=intent(9)), False),
    ("it is staged", journal(intent=intent(9, staged=True)), False),
    ("it is staged although its label was given up", journal(GIVEN_UP, intent=intent(9, staged=True)), False),
    ("it is current", journal(record(9, RecordState.CURRENT)), False),
    ("it is superseded", journal(record(9, RecordState.SUPERSEDED)), False),
    ("it was given up with its id", journal(record(9, RecordState.ABANDONED)), False),
    ("it is marked, found by its label", journal(GIVEN_UP, record(9, RecordState.REVOKING)), False),
    ("another attempt was given up", journal(record(8, RecordState.ABANDONED, token_id=None)), False),
]


@pytest.mark.parametrize("known, unstaged", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_token_is_known_to_be_in_no_journal_when(known: Journal, unstaged: bool) -> None:  # noqa: FBT001 - a table
    assert is_unstaged(known, "t9", "mm/r9") is unstaged
