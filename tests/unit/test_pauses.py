"""Pauses and freezes in the account ledger: what an order leaves there, for every ledger and time."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.build import NOON, ago
from worker.account_ledger import AccountLedger, OrderedFreeze, Pause
from worker.account_orders import freeze, lift_pauses, pause, unfreeze

NAMES = st.sampled_from([None, "mm", "hedge"])
ENDS = st.none() | st.integers(-3, 3).map(lambda hours: NOON + timedelta(hours=hours))


def paused(credential: str | None = "mm", *, until: object = None, by: str = "ann") -> Pause:
    return Pause.model_validate(
        {"credential": credential, "since": ago(hours=5), "until": until, "by": by, "reason": "migration"}
    )


def frozen(hours: int) -> OrderedFreeze:
    return OrderedFreeze(since=ago(hours=5), until=NOON + timedelta(hours=hours), by="ann", reason="election")


PAUSES = st.builds(paused, NAMES, until=ENDS)
LEDGERS = st.builds(
    lambda pauses, freezes: AccountLedger(account="main", pauses=tuple(pauses), freezes=tuple(freezes)),
    st.lists(PAUSES, max_size=4),
    st.lists(st.integers(-3, 3).map(frozen), max_size=2),
)


@given(LEDGERS, PAUSES)
def test_a_pause_is_there_once_and_in_place_of_the_one_before(ledger: AccountLedger, ordered: Pause) -> None:
    after = pause(ledger, ordered, NOON)
    assert [one for one in after.pauses if one.credential == ordered.credential] == [ordered]


@given(LEDGERS, PAUSES)
def test_a_pause_given_twice_changes_nothing(ledger: AccountLedger, ordered: Pause) -> None:
    once = pause(ledger, ordered, NOON)
    assert pause(once, ordered, NOON).pauses[-1:] == once.pauses[-1:]


@given(LEDGERS, PAUSES)
def test_a_pause_leaves_those_of_others_that_are_in_force(ledger: AccountLedger, ordered: Pause) -> None:
    after = pause(ledger, ordered, NOON)
    others = {one for one in ledger.pauses if one.credential != ordered.credential}
    assert {one for one in others if one.until is None or one.until > NOON} <= set(after.pauses)


@given(LEDGERS, PAUSES)
def test_what_has_expired_goes_with_the_next_order(ledger: AccountLedger, ordered: Pause) -> None:
    after = pause(ledger, ordered, NOON)
    assert [one for one in after.pauses if one != ordered and one.until is not None and one.until <= NOON] == []


@given(LEDGERS, PAUSES)
def test_a_freeze_is_remembered_for_as_long_again_as_it_lasted(ledger: AccountLedger, ordered: Pause) -> None:
    after = pause(ledger, ordered, NOON)
    assert after.freezes == tuple(one for one in ledger.freezes if one.until + (one.until - one.since) > NOON)


@given(LEDGERS)
def test_lifting_a_credentials_pause_leaves_the_others(ledger: AccountLedger) -> None:
    after = lift_pauses(ledger, "mm", NOON)
    assert after.pauses == tuple(
        one for one in ledger.pauses if one.credential != "mm" and (one.until is None or one.until > NOON)
    )


@given(LEDGERS)
def test_lifting_an_accounts_pauses_leaves_none(ledger: AccountLedger) -> None:
    assert lift_pauses(ledger, None, NOON).pauses == ()


@given(LEDGERS)
def test_a_freeze_is_the_only_ordered_one_and_unfreezing_ends_it(ledger: AccountLedger) -> None:
    after = freeze(ledger, frozen(2), NOON)
    in_force = [one for one in after.freezes if one.is_in_force_after(NOON)]
    lifted = [one for one in unfreeze(after, NOON).freezes if one.is_in_force_after(NOON)]
    assert (in_force, lifted) == ([frozen(2)], [])


def test_a_freeze_that_takes_the_place_of_another_began_when_that_one_did() -> None:
    first = OrderedFreeze(since=ago(days=2), until=NOON + timedelta(hours=1), by="ann", reason="election")
    longer = OrderedFreeze(since=NOON, until=NOON + timedelta(days=2), by="bob", reason="recount")
    (one,) = freeze(AccountLedger(account="main", freezes=(first,)), longer, NOON).freezes
    assert (one.since, one.until, one.by) == (ago(days=2), longer.until, "bob")


def test_a_freeze_that_is_over_is_remembered_beside_the_next_one() -> None:
    first = OrderedFreeze(since=ago(days=2), until=ago(hours=1), by="ann", reason="election")
    after = freeze(AccountLedger(account="main", freezes=(first,)), frozen(2), NOON)
    assert after.freezes == (first, frozen(2))


def test_a_freeze_that_had_not_begun_is_not_remembered_once_it_is_lifted() -> None:
    ahead = OrderedFreeze(since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=2), by="ann", reason="later")
    assert unfreeze(AccountLedger(account="main", freezes=(ahead,)), NOON).freezes == ()


@given(LEDGERS)
def test_an_order_that_changes_nothing_counts_no_write(ledger: AccountLedger) -> None:
    after = unfreeze(ledger, NOON)
    assert unfreeze(after, NOON) is after
