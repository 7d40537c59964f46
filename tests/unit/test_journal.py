"""The journal's transitions: one intent at a time, one current token, nothing forgotten, no secret in sight."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from tests.build import NOON, ago, journal, record
from worker.errors import JournalFullError, TransitionError
from worker.journal import (
    KEPT_ENDED_RECORDS,
    Journal,
    RecordState,
    VerifyWindow,
    abandon,
    close,
    end_record,
    mark_revoking,
    new_journal,
    open_intent,
    open_rollback,
    reopen_verify,
    stage,
)
from worker.models import DerivedToken, PathLocation, ServedDocument

SECRET = "dGhlIG9uZSBhbmQgb25seQ=="


def opened(of: Journal | None = None, number: int = 1) -> Journal:
    base = of or new_journal("mm", "main", PathLocation("trading", "limitless/mm"))
    return open_intent(
        base,
        rotation_id=f"r{number}",
        label=f"mm/r{number}",
        scopes=("trading",),
        reason="never_issued",
        now=NOON,
        expected_version=0,
    )


def derived(number: int = 1) -> DerivedToken:
    return DerivedToken(f"t{number}", SecretStr(SECRET), ("trading",), NOON)


def rotated(of: Journal | None = None, number: int = 1) -> Journal:
    staged = stage(opened(of, number), derived(number), now=NOON)
    return close(staged, promoted_version=number, promoted_at=NOON + timedelta(seconds=number), now=NOON)


def test_a_second_intent_is_refused_while_one_is_open() -> None:
    with pytest.raises(TransitionError, match="still open"):
        opened(opened())


def test_staging_opens_the_verify_window_and_closing_ends_it() -> None:
    staged = stage(opened(), derived(), now=NOON)
    closed = close(staged, promoted_version=1, promoted_at=NOON, now=NOON + timedelta(seconds=3))
    current = closed.current
    assert current is not None
    assert [(one.opened_at, one.closed_at) for one in current.windows] == [(NOON, NOON + timedelta(seconds=3))]


def test_a_repeated_verify_gets_a_window_of_its_own() -> None:
    staged = reopen_verify(stage(opened(), derived(), now=NOON), now=NOON + timedelta(minutes=1))
    assert staged.intent is not None
    assert [one.closed_at for one in staged.intent.windows] == [NOON + timedelta(minutes=1), None]


def test_closing_supersedes_the_predecessor_at_vaults_own_time() -> None:
    second = rotated(rotated(number=1), number=2)
    assert [(one.token_id, one.state, one.superseded_at) for one in second.ledger] == [
        ("t1", RecordState.SUPERSEDED, NOON + timedelta(seconds=2)),
        ("t2", RecordState.CURRENT, None),
    ]


def test_a_closed_journal_holds_no_secret() -> None:
    assert SECRET not in json.dumps(rotated().to_document())


def test_closing_what_was_never_staged_is_refused() -> None:
    with pytest.raises(TransitionError, match="before it was staged"):
        close(opened(), promoted_version=1, promoted_at=NOON, now=NOON)


def test_a_rollback_that_is_given_up_still_knows_its_own_calls_with_the_predecessor() -> None:
    one = rotated(rotated(number=1), number=2)
    predecessor = one.ledger[0]
    document = ServedDocument(
        token_id="t1",
        secret=SecretStr("b2xk"),
        scopes=("trading",),
        label=predecessor.label,
        account="main",
        api_url="https://api.limitless.exchange",
        derived_at=NOON,
        promoted_at=NOON,
        rotation_id=predecessor.rotation_id,
        sequence=3,
    )
    later = NOON + timedelta(hours=1)
    staged = open_rollback(one, predecessor, document, rotation_id="r3", now=later, expected_version=2)
    given_up = abandon(staged, reason="verify_refused", now=later + timedelta(seconds=30)).ledger[0]
    assert given_up.state is RecordState.SUPERSEDED
    assert given_up.windows[-1] == VerifyWindow(opened_at=later, closed_at=later + timedelta(seconds=30))


def test_an_abandoned_attempt_keeps_its_label_and_counts_as_a_failure() -> None:
    given_up = abandon(opened(), reason="derive_lost", now=NOON)
    assert (given_up.owns_label("mm/r1"), given_up.failures.count, given_up.intent) == (True, 1, None)


def test_a_success_forgets_the_failures() -> None:
    assert rotated(abandon(opened(), reason="derive_lost", now=NOON), number=2).failures.count == 0


def test_the_current_token_can_not_be_marked_for_revocation() -> None:
    with pytest.raises(TransitionError, match="is current"):
        mark_revoking(rotated(), token_id="t1", label="mm/r1", reason="x", now=NOON, last_used_by_others=None)


def test_nothing_is_marked_while_an_intent_is_open() -> None:
    with pytest.raises(TransitionError, match="while an intent is open"):
        mark_revoking(opened(rotated(), 2), token_id="t0", label="l", reason="x", now=NOON, last_used_by_others=None)


def test_a_token_is_ended_only_after_it_was_marked() -> None:
    with pytest.raises(TransitionError, match="was not marked"):
        end_record(rotated(rotated(), 2), token_id="t1", now=NOON, secret_destroyed=True)


def test_an_orphan_gets_a_record_of_its_own() -> None:
    lost = abandon(opened(), reason="derive_lost", now=NOON)
    marked = mark_revoking(lost, token_id="late", label="mm/r1", reason="orphan", now=NOON, last_used_by_others=None)
    assert [(one.token_id, one.state) for one in marked.ledger] == [
        (None, RecordState.ABANDONED),
        ("late", RecordState.REVOKING),
    ]


def test_marking_again_keeps_when_it_was_first_marked() -> None:
    first = mark_revoking(
        rotated(rotated(), 2), token_id="t1", label="mm/r1", reason="x", now=ago(hours=1), last_used_by_others=None
    )
    again = mark_revoking(first, token_id="t1", label="mm/r1", reason="x", now=NOON, last_used_by_others=None)
    found = again.record_of("t1")
    assert found is not None
    assert found.revoking_at == ago(hours=1)


def test_ended_records_are_compacted_to_their_labels_and_nothing_live_is() -> None:
    ended = [record(n, RecordState.REVOKED, secret_destroyed=True) for n in range(KEPT_ENDED_RECORDS + 10)]
    unfinished = record(900, RecordState.REVOKED, secret_destroyed=False)
    compacted = opened(journal(unfinished, *ended), 999)
    assert len(compacted.ledger) == KEPT_ENDED_RECORDS + 1
    assert all(compacted.owns_label(one.label) for one in (unfinished, *ended))


def test_compacting_keeps_the_record_that_was_used_last_so_that_a_dead_service_stays_known() -> None:
    used = record(0, RecordState.REVOKED, secret_destroyed=True, last_used_by_others=ago(days=60))
    before = record(1, RecordState.REVOKED, secret_destroyed=True, last_used_by_others=ago(days=61))
    ended = [record(n, RecordState.REVOKED, secret_destroyed=True) for n in range(2, KEPT_ENDED_RECORDS + 10)]
    compacted = opened(journal(used, before, *ended), 999)
    assert [one.label for one in compacted.ledger if one.last_used_by_others] == [used.label]


def test_an_intent_is_refused_when_the_journal_nears_vaults_entry_size() -> None:
    huge = journal(past_labels=tuple(f"mm/{n:0100}" for n in range(6000)))
    with pytest.raises(JournalFullError, match=r"mm \(account main\)"):
        opened(huge)


def test_the_secret_is_written_in_the_clear_only_for_vault() -> None:
    staged = stage(opened(), derived(), now=NOON)
    assert SECRET in json.dumps(staged.to_document())
    assert SECRET not in staged.model_dump_json() + repr(staged) + str(staged) + repr(staged.model_dump())


def test_a_document_survives_the_round_trip_through_vault() -> None:
    staged = stage(opened(rotated(), 2), derived(2), now=NOON)
    assert Journal.model_validate(staged.to_document()) == staged


def test_a_document_of_a_newer_worker_is_refused_rather_than_cut_down() -> None:
    with pytest.raises(ValidationError):
        Journal.model_validate({**rotated().to_document(), "something_new": 1})


@given(
    choices=st.lists(st.sampled_from(["rotate", "abandon", "lose", "revoke"]), max_size=30),
)
def test_whatever_happens_there_is_at_most_one_current_token_and_the_sequence_grows(choices: list[str]) -> None:
    one = new_journal("mm", "main", PathLocation("trading", "limitless/mm"))
    for number, choice in enumerate(choices, start=1):
        before = one.sequence
        match choice:
            case "rotate":
                one = rotated(one, number)
            case "abandon":
                one = abandon(stage(opened(one, number), derived(number), now=NOON), reason="x", now=NOON)
            case "lose":
                one = abandon(opened(one, number), reason="x", now=NOON)
            case _:
                for old in [r for r in one.ledger if r.state is RecordState.SUPERSEDED and r.token_id][:1]:
                    token_id = old.token_id or ""
                    one = mark_revoking(
                        one, token_id=token_id, label=old.label, reason="x", now=NOON, last_used_by_others=None
                    )
                    one = end_record(one, token_id=token_id, now=NOON, secret_destroyed=True)
        assert one.sequence >= before
        assert sum(r.state is RecordState.CURRENT for r in one.ledger) <= 1
        assert one.intent is None


def test_an_outage_of_days_does_not_fill_the_journal_with_verify_windows() -> None:
    staged = stage(opened(), derived(), now=NOON)
    for minute in range(7 * 24 * 60):
        staged = reopen_verify(staged, now=NOON + timedelta(minutes=minute))
    assert staged.intent is not None
    assert len(staged.intent.windows) <= 11


@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=1)), max_size=40))
def test_windows_that_are_joined_cover_every_call_they_are_joined_from(pauses: list[timedelta]) -> None:
    staged, now, calls = stage(opened(), derived(), now=NOON), NOON, [NOON]
    for pause in pauses:
        now += pause
        calls.append(now)
        staged = reopen_verify(staged, now=now)
    windows = staged.intent.windows if staged.intent else ()
    assert all(any(one.opened_at <= call <= (one.closed_at or now) for one in windows) for call in calls)


def test_tokens_that_others_issue_with_a_label_of_ours_do_not_fill_the_journal() -> None:
    flooded = rotated()
    for number in range(1_500):
        token_id = f"stray{number}"
        flooded = mark_revoking(
            flooded, token_id=token_id, label="mm/r1", reason="orphan", now=NOON, last_used_by_others=None
        )
        flooded = end_record(flooded, token_id=token_id, now=NOON, secret_destroyed=True)
    assert len(flooded.model_dump_json()) < 256 * 1024
