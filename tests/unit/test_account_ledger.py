"""The account ledger's transitions: a list that shrank is doubted, and the doubt is proved to end."""

from collections.abc import Collection
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Guards
from tests.build import NOON
from worker.account_ledger import AccountLedger, Dangling, changed, observe_list, set_dangling, trust

GUARDS = Guards()
MINUTE = timedelta(minutes=1)
EMPTY = AccountLedger(account="main")
TEN = frozenset(f"t{number}" for number in range(10))


def some(count: int) -> set[str]:
    """Return that many of the ten tokens."""
    return {f"t{number}" for number in range(count)}


def see(
    ledger: AccountLedger,
    listed: Collection[str],
    *,
    at: float = 0,
    ended: Collection[str] = (),
    currents: Collection[str] = (),
    guards: Guards = GUARDS,
    expected: Collection[str] = (),
) -> AccountLedger:
    """Return the ledger after that list was read so many minutes past noon."""
    now = NOON + at * MINUTE
    return observe_list(ledger, listed, ended=ended, currents=currents, guards=guards, now=now, expected=expected)


def doubted(ledger: AccountLedger) -> bool:
    return ledger.suspicion is not None


KNOWN = see(EMPTY, TEN)

# --- when a list is doubted -----------------------------------------------------------------------------------------

LISTS: list[tuple[str, set[str], dict[str, Collection[str]], bool]] = [
    ("is the same as before", some(10), {}, False),
    ("has grown", some(10) | {"new"}, {}, False),
    ("lacks exactly shrink_limit of its tokens", some(5), {}, False),
    ("lacks one token more than shrink_limit allows", some(4), {}, True),
    ("is empty", set(), {}, True),
    ("lacks most tokens, all of which we revoked", some(2), {"ended": TEN - some(2)}, False),
    ("is empty because we revoked everything", set(), {"ended": TEN}, False),
    ("lacks tokens beyond those we revoked", set(), {"ended": some(4)}, True),
    ("lacks as many as shrink_limit allows of those we did not revoke", set(TEN - some(7)), {"ended": some(4)}, False),
    (
        "lacks one more than shrink_limit allows of those we did not revoke",
        set(TEN - some(8)),
        {"ended": some(4)},
        True,
    ),
    ("lacks the only token that we did not revoke", set(), {"ended": some(9)}, True),
    ("lacks one current token", some(9), {"currents": {"t9", "t1"}}, False),
    ("lacks current tokens of two credentials at once", some(8), {"currents": {"t9", "t8"}}, True),
    ("lacks two current tokens, one of which we revoked", some(8), {"currents": {"t9", "t8"}, "ended": {"t8"}}, False),
    ("lacks a current token that it never had, and one that it had", some(9), {"currents": {"t9", "late"}}, False),
    ("replaced all its tokens by others", {"a", "b", "c"}, {}, True),
]


@pytest.mark.parametrize("case", LISTS, ids=[name for name, *_ in LISTS])
def test_whether_a_list_is_doubted_that(case: tuple[str, set[str], dict[str, Collection[str]], bool]) -> None:
    _, listed, more, suspicious = case
    assert doubted(see(KNOWN, listed, at=1, **more)) is suspicious  # type: ignore[arg-type] # collections by name


def test_the_first_list_ever_is_believed_however_short() -> None:
    assert not doubted(see(EMPTY, set(), currents={"t1", "t2"}))


def test_the_first_list_is_doubted_when_it_lacks_what_journals_say_is_listed() -> None:
    assert doubted(see(EMPTY, set(), currents={"t1"}, expected={"t1"}))


def test_a_first_list_that_was_doubted_is_believed_once_it_was_read_again_after_confirm_after() -> None:
    doubt = see(EMPTY, set(), currents={"t1"}, expected={"t1"})
    assert not doubted(see(doubt, set(), at=10, currents={"t1"}, expected={"t1"}))


def test_what_is_expected_does_not_matter_once_a_list_was_believed() -> None:
    assert not doubted(see(KNOWN, TEN, at=1, expected={"late"}))


def test_a_doubted_list_does_not_become_the_baseline() -> None:
    assert see(KNOWN, some(4), at=1).baseline == KNOWN.baseline


def test_the_doubt_says_how_many_tokens_are_missing_and_how_many_of_them_are_current() -> None:
    suspicion = see(KNOWN, some(4), at=1, currents={"t9", "t8"}).suspicion
    assert suspicion is not None
    assert all(words in suspicion.sentence for words in ("main", "lacks 6 of 10", "2 of them current"))


# --- how the doubt ends ---------------------------------------------------------------------------------------------


def test_the_doubt_ends_when_the_same_list_is_read_again_after_confirm_after() -> None:
    assert not doubted(see(see(KNOWN, some(2), at=1), some(2), at=6))


def test_it_does_not_end_a_moment_before_confirm_after() -> None:
    assert doubted(see(see(KNOWN, some(2), at=1), some(2), at=5.99))


def test_what_ended_the_doubt_is_the_new_baseline() -> None:
    baseline = see(see(KNOWN, some(2), at=1), some(2), at=6).baseline
    assert baseline is not None
    assert set(baseline.token_ids) == some(2)


def test_it_ends_although_lists_were_read_every_minute_in_between() -> None:
    ledger = KNOWN
    for minute in range(1, 7):
        ledger = see(ledger, some(2), at=minute)
    assert not doubted(ledger)


def test_it_ends_at_once_when_the_tokens_are_back() -> None:
    assert not doubted(see(see(KNOWN, some(2), at=1), TEN, at=2))


def test_it_ends_at_once_when_enough_of_the_tokens_are_back() -> None:
    assert not doubted(see(see(KNOWN, some(2), at=1), some(5), at=2))


def test_it_ends_although_new_tokens_appeared_between_the_two_reads() -> None:
    assert not doubted(see(see(KNOWN, some(2), at=1), some(2) | {"new"}, at=6))


def test_it_ends_although_tokens_that_we_revoked_left_between_the_two_reads() -> None:
    assert not doubted(see(see(KNOWN, some(2), at=1), some(1), at=6, ended={"t1"}))


def test_the_wait_begins_anew_when_further_tokens_are_missing() -> None:
    ledger = see(see(KNOWN, some(4), at=1), some(2), at=6)
    assert ledger.suspicion is not None
    assert ledger.suspicion.first_at == NOON + 6 * MINUTE


def test_lists_that_lack_other_tokens_each_time_are_never_believed() -> None:
    ledger = KNOWN
    for minute in range(1, 30):
        ledger = see(ledger, some(4) if minute % 2 else TEN - some(6), at=minute)
    assert doubted(ledger)


def test_a_person_who_trusts_the_list_ends_the_doubt_at_once() -> None:
    trusted = trust(see(KNOWN, some(2), at=1))
    assert not doubted(see(trusted, some(2), at=2))


def test_trust_does_not_extend_to_a_list_that_shrinks_further() -> None:
    trusted = trust(see(KNOWN, some(4), at=1))
    assert doubted(see(trusted, some(1), at=2))


def test_trust_in_a_list_that_nobody_doubts_changes_nothing() -> None:
    assert trust(KNOWN) is KNOWN


# --- current tokens that are missing --------------------------------------------------------------------------------


def test_a_current_token_that_a_list_lacks_is_counted_up_to_two_lists() -> None:
    ledger, counted = KNOWN, []
    for minute in range(1, 5):
        ledger = see(ledger, some(9), at=minute, currents={"t9"})
        counted.append([one.lists for one in ledger.missing])
    assert counted == [[1], [2], [2], [2]]


def test_a_current_token_that_is_listed_again_is_missing_no_more() -> None:
    once = see(KNOWN, some(9), at=1, currents={"t9"})
    assert see(once, TEN, at=2, currents={"t9"}).missing == ()


def test_a_missing_token_that_was_rotated_away_is_missing_no_more() -> None:
    once = see(KNOWN, some(9), at=1, currents={"t9"})
    assert see(once, some(9) | {"new"}, at=2, currents={"new"}).missing == ()


def test_a_current_token_is_counted_as_missing_while_the_list_is_doubted_too() -> None:
    ledger = see(see(KNOWN, set(), at=1, currents={"t9"}), set(), at=2, currents={"t9"})
    assert [one.lists for one in ledger.missing] == [2]


# --- proofs ---------------------------------------------------------------------------------------------------------


def proof(token_id: str, minute: int = 0) -> Dangling:
    return Dangling(credential="mm", token_id=token_id, proved_at=NOON + minute * MINUTE)


def test_a_proof_is_kept_while_its_token_is_current() -> None:
    proved = set_dangling(EMPTY, [proof("t1")], {"t1"})
    assert set_dangling(proved, [], {"t1", "t2"}).dangling_token("t1") == proof("t1")


def test_a_proof_goes_with_its_token() -> None:
    proved = set_dangling(EMPTY, [proof("t1")], {"t1"})
    assert set_dangling(proved, [], {"t2"}).dangling == ()


def test_a_second_proof_of_one_token_keeps_the_time_of_the_first() -> None:
    proved = set_dangling(EMPTY, [proof("t1")], {"t1"})
    assert set_dangling(proved, [proof("t1", 5)], {"t1"}) is proved


# --- what holds for every sequence of lists -------------------------------------------------------------------------

token_sets = st.sets(st.sampled_from(sorted(TEN)))
readings = st.lists(st.tuples(token_sets, st.integers(0, 400)), max_size=12)


def play(reads: list[tuple[set[str], int]], *, currents: Collection[str] = ()) -> tuple[AccountLedger, datetime]:
    """Return the ledger after those lists, each so many seconds after the last one, and the time then."""
    ledger, now = EMPTY, NOON
    for listed, seconds in reads:
        now += timedelta(seconds=seconds)
        ledger = observe_list(ledger, listed, ended=(), currents=currents, guards=GUARDS, now=now)
    return ledger, now


@given(reads=readings, last=token_sets)
def test_the_same_list_read_twice_more_is_always_believed_in_the_end(
    reads: list[tuple[set[str], int]], last: set[str]
) -> None:
    ledger, now = play(reads)
    for _ in range(2):
        now += GUARDS.confirm_after
        ledger = observe_list(ledger, last, ended=(), currents=(), guards=GUARDS, now=now)
    assert ledger.baseline is not None
    assert (ledger.suspicion, set(ledger.baseline.token_ids)) == (None, last)


@given(reads=readings, last=token_sets, currents=token_sets)
def test_reading_a_list_a_third_time_at_the_same_moment_changes_nothing(
    reads: list[tuple[set[str], int]], last: set[str], currents: set[str]
) -> None:
    before, now = play(reads, currents=currents)
    for _ in range(2):
        before = observe_list(before, last, ended=(), currents=currents, guards=GUARDS, now=now)
    assert observe_list(before, last, ended=(), currents=currents, guards=GUARDS, now=now) is before


@given(reads=readings, revoked=token_sets, currents=token_sets)
def test_a_list_is_never_doubted_for_tokens_that_we_revoked(
    reads: list[tuple[set[str], int]], revoked: set[str], currents: set[str]
) -> None:
    known, now = play([*reads, (set(TEN), 1), (set(TEN), 400)])
    after = observe_list(known, TEN - revoked, ended=revoked, currents=currents, guards=GUARDS, now=now)
    assert after.suspicion is None


@given(reads=readings)
def test_a_baseline_is_a_list_that_was_read(reads: list[tuple[set[str], int]]) -> None:
    ledger, _ = play(reads)
    assert ledger.baseline is None or set(ledger.baseline.token_ids) in [listed for listed, _ in reads]


@given(reads=readings, seed=st.randoms(use_true_random=False))
def test_the_order_of_a_list_does_not_matter(reads: list[tuple[set[str], int]], seed: Random) -> None:
    one, other, now = EMPTY, EMPTY, NOON
    for listed, seconds in reads:
        now += timedelta(seconds=seconds)
        shuffled = sorted(listed)
        seed.shuffle(shuffled)
        one = observe_list(one, sorted(listed), ended=(), currents=["t1", "t2"], guards=GUARDS, now=now)
        other = observe_list(other, shuffled, ended=(), currents=["t2", "t1"], guards=GUARDS, now=now)
    assert one == other


@given(reads=readings)
def test_the_sequence_counts_every_change_and_nothing_else(reads: list[tuple[set[str], int]]) -> None:
    ledger, changes, now = EMPTY, 0, NOON
    for listed, seconds in reads:
        now += timedelta(seconds=seconds)
        after = observe_list(ledger, listed, ended=(), currents=(), guards=GUARDS, now=now)
        changes, ledger = changes + (after != ledger), after
    assert ledger.sequence == changes


@given(reads=readings)
def test_a_ledger_survives_its_way_through_vault(reads: list[tuple[set[str], int]]) -> None:
    ledger, _ = play(reads, currents={"t1", "t2"})
    assert AccountLedger.model_validate(ledger.to_document()) == ledger


def test_a_change_to_what_is_there_already_is_none() -> None:
    assert changed(KNOWN, pauses=()) is KNOWN
