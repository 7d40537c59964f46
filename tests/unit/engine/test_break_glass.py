"""A person's order ends what the journal knows to be ours, whatever is at the path; an emergency outlives the rest."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.forging import LARGEST, UNKNOWN_ID, forge
from tests.harness import ACCOUNT, Harness
from tests.scenes import ORDER, behind, drifted, reasons, rotated_twice, serve_by_hand
from worker.errors import AmbiguousDeriveError, ExchangeRefusedError, ExchangeUnavailableError
from worker.journal import RecordState
from worker.models import Severity
from worker.policy.steps import Reason

SANE: dict[str, Any] = {"sequence": 200, "rotation_id": UNKNOWN_ID, "label": f"mm/{UNKNOWN_ID}"}


def forged_far(world: Harness) -> None:
    forge(world, **{**SANE, "sequence": LARGEST, "token_id": "nil"})


def forged_near(world: Harness) -> None:
    forge(world, **SANE, token_id="nil")


def written_by_a_person(world: Harness) -> None:
    token = world.exchange.issue_by_person("new bot")
    serve_by_hand(world, token.token_id, token.secret)


def deleted(world: Harness) -> None:
    world.vault.delete_foreign(world.location())


def written_and_deleted(world: Harness) -> None:
    written_by_a_person(world)
    deleted(world)


def staged_id_with_another_secret(world: Harness) -> None:
    intent = world.journal().intent
    if intent is not None and intent.token is not None:
        forge(world, token_id=intent.token.token_id, secret="bm9uZQ==")


AFTERWARDS: list[Callable[[Harness], None]] = [forged_far, forged_near, written_by_a_person]
BROKEN: list[Callable[[Harness], None]] = [*AFTERWARDS, deleted, written_and_deleted, staged_id_with_another_secret]


@pytest.mark.parametrize("change", AFTERWARDS)
def test_what_was_ordered_before_the_path_was_changed_is_revoked_all_the_same(
    change: Callable[[Harness], None],
) -> None:
    world = rotated_twice()
    ours = world.live()
    world.exchange.fail_next("revoke", ExchangeUnavailableError("503"), count=2)
    world.engine.ordered_by(ORDER).revoke_all("mm")
    assert ours <= world.live()
    change(world)
    world.engine.revoke(ACCOUNT)
    assert not ours & world.live()


def compromised_but_not_replaced(world: Harness) -> None:
    """Order an emergency that cannot mint now: the compromised tokens are still alive."""
    world.exchange.fail_next("derive", ExchangeRefusedError("403", status=403))
    world.engine.ordered_by(ORDER).emergency("mm")
    assert world.journal().emergency_at is not None


def with_an_emergency() -> Harness:
    world = rotated_twice()
    compromised_but_not_replaced(world)
    return world


def test_a_reclaim_over_a_forged_path_does_not_end_an_emergency_whose_tokens_are_alive() -> None:
    world = with_an_emergency()
    old = world.live()
    forge(world, **SANE)
    world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)
    world.clock.advance(timedelta(minutes=5))
    world.settle(sweeps=3)
    assert not old & world.live()
    assert world.live() == {world.served()}


def test_a_reclaim_over_what_a_person_wrote_does_not_end_an_emergency() -> None:
    world = with_an_emergency()
    old = world.live()
    written_by_a_person(world)
    outcomes = world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)
    assert "is still open" in outcomes[-1].sentence
    world.clock.advance(timedelta(minutes=5))
    world.settle(sweeps=3)
    assert not old & world.live()


def test_a_reclaim_ends_no_emergency_whose_derive_was_asked_for_and_not_answered() -> None:
    world = rotated_twice()
    old = world.live()
    world.exchange.fail_next("derive", AmbiguousDeriveError("no answer came"))
    world.engine.ordered_by(ORDER).emergency("mm")
    assert world.journal().intent is not None
    written_by_a_person(world)
    world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)
    world.clock.advance(timedelta(minutes=5))
    world.settle(sweeps=3)
    assert not old & world.live()


@pytest.mark.parametrize("change", BROKEN)
@pytest.mark.parametrize("failing", ["list_as", "derive"])
def test_what_was_ordered_ends_although_a_rotation_was_cut_off_and_the_path_changed_since(
    change: Callable[[Harness], None], failing: str
) -> None:
    world = rotated_twice()
    ordered = world.live()
    world.exchange.fail_next("revoke", ExchangeUnavailableError("503"), count=3)
    world.engine.ordered_by(ORDER).emergency("mm")
    lost = AmbiguousDeriveError("no answer came") if failing == "derive" else ExchangeUnavailableError("503")
    world.exchange.fail_next(failing, lost)
    world.engine.rotate("mm", requested=True)
    assert world.journal().intent is not None
    assert ordered <= world.live()
    change(world)
    for _ in range(3):
        world.clock.advance(timedelta(minutes=5))
        world.engine.rotate("mm")
        world.engine.revoke(ACCOUNT)
    assert not ordered & world.live()


def test_an_emergency_of_a_restored_journal_is_finished_once_more() -> None:
    world = with_an_emergency()
    old, journal = world.live(), world.journal()
    world.clock.advance(timedelta(minutes=5))
    world.settle(sweeps=2)
    now = world.vault.journals.read(world.location())
    assert now is not None
    world.vault.journals.write(world.location(), journal, cas=now.version)
    world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)
    world.clock.advance(timedelta(minutes=5))
    world.settle(sweeps=3)
    assert not old & world.live()
    assert world.live() == {world.served()}
    assert world.journal().emergency_at is None


@pytest.mark.parametrize("change", AFTERWARDS)
def test_revoking_all_fulfils_an_open_emergency_over_a_path_that_is_not_ours(
    change: Callable[[Harness], None],
) -> None:
    world = with_an_emergency()
    old = world.live()
    change(world)
    world.engine.ordered_by(ORDER).revoke_all("mm")
    assert (old & world.live(), world.journal().emergency_at) == (set(), None)


# --- a journal that was restored


def test_an_emergency_of_a_journal_that_is_behind_replaces_the_served_token_too() -> None:
    world = behind()
    old = world.live()
    outcomes = world.engine.ordered_by(ORDER).emergency("mm")
    assert not old & world.live(), reasons(outcomes)
    assert world.live() == {world.served()}


def test_an_emergency_of_a_journal_that_is_behind_is_finished_by_sweeps() -> None:
    world = behind()
    old = world.live()
    world.exchange.fail_next("derive", ExchangeRefusedError("403", status=403))
    world.engine.ordered_by(ORDER).emergency("mm")
    world.clock.advance(timedelta(minutes=5))
    world.settle(sweeps=3)
    assert not old & world.live()
    assert world.live() == {world.served()}


def test_an_emergency_of_a_journal_that_is_behind_writes_a_sequence_above_both() -> None:
    world = behind()
    before = world.path().document
    assert before is not None
    world.engine.ordered_by(ORDER).emergency("mm")
    after = world.path().document
    assert after is not None
    assert before.sequence < after.sequence <= world.journal().sequence


def test_an_emergency_of_a_journal_that_is_behind_revokes_no_token_that_the_exchange_does_not_call_ours() -> None:
    world = behind()
    mobile = world.exchange.issue_by_person("mobile app")
    forge(world, **SANE, token_id=mobile.token_id, secret=mobile.secret.get_secret_value())
    before = world.path()
    outcomes = world.engine.ordered_by(ORDER).emergency("mm")
    assert (reasons(outcomes), world.path()) == ([Reason.JOURNAL_BEHIND], before)
    assert mobile.token_id in world.live()
    assert "rotator revoke mm --all" in outcomes[-1].sentence


def test_an_emergency_goes_on_over_a_forged_path_whose_token_nobody_can_use() -> None:
    world = rotated_twice()
    old = world.live()
    forged_near(world)
    outcomes = world.engine.ordered_by(ORDER).emergency("mm")
    assert not old & world.live(), reasons(outcomes)
    assert world.live() == {world.served()}


def test_it_writes_a_sequence_above_the_forged_one() -> None:
    world = rotated_twice()
    forged_near(world)
    world.engine.ordered_by(ORDER).emergency("mm")
    after = world.path().document
    assert after is not None
    assert SANE["sequence"] < after.sequence <= world.journal().sequence


def test_an_emergency_over_a_forged_path_that_was_cut_off_goes_on_when_it_is_ordered_again() -> None:
    world = rotated_twice()
    old = world.live()
    forged_near(world)
    world.exchange.fail_next("derive", ExchangeRefusedError("403", status=403))
    outcomes = world.engine.ordered_by(ORDER).emergency("mm")
    assert "order it again" in outcomes[-1].sentence
    world.engine.ordered_by(ORDER).emergency("mm")
    assert not old & world.live()
    assert world.live() == {world.served()}


def test_an_emergency_over_a_forged_path_gives_up_a_rotation_that_was_cut_off() -> None:
    world = staged()
    old = world.live()
    forged_near(world)
    world.engine.ordered_by(ORDER).emergency("mm")
    assert not old & world.live()
    assert world.live() == {world.served()}


def test_an_emergency_over_a_forged_path_waits_where_the_list_is_not_believed() -> None:
    world = rotated_twice()
    world.engine.revoke(ACCOUNT)
    forged_near(world)
    for token_id in world.live():
        world.exchange.hide(token_id)
    outcomes = world.engine.ordered_by(ORDER).emergency("mm")
    assert reasons(outcomes) == [Reason.JOURNAL_BEHIND]


def test_an_emergency_leaves_another_accounts_token_at_the_path_alone() -> None:
    world = rotated_twice()
    forge(world, **SANE, token_id="nil", account="other")
    before = world.path()
    outcomes = world.engine.ordered_by(ORDER).emergency("mm")
    assert (reasons(outcomes), world.path()) == ([Reason.JOURNAL_BEHIND], before)


def test_an_emergency_of_a_journal_that_is_behind_waits_for_a_list_that_tells_whose_the_served_token_is() -> None:
    world = behind()
    before = world.path()
    world.exchange.fail_next("list", ExchangeUnavailableError("503"), count=3)
    outcomes = world.engine.ordered_by(ORDER).emergency("mm")
    assert (reasons(outcomes), world.path()) == ([Reason.JOURNAL_BEHIND], before)
    assert "rotator revoke mm --all" in outcomes[-1].sentence


def test_a_token_that_another_credential_knows_is_not_taken_for_ours_by_an_emergency() -> None:
    world = Harness("mm", "hedge")
    for name in ("mm", "hedge"):
        world.engine.rotate(name)
        world.use_served(name)
    hedge = world.served("hedge")
    forge(world, "hedge", at="mm", **SANE)
    world.engine.ordered_by(ORDER).emergency("mm")
    assert hedge in world.live()


def test_an_emergency_of_a_journal_that_is_behind_names_the_tokens_that_the_journal_lost() -> None:
    world = behind()
    lost = world.exchange.issue_by_person(f"mm/{UNKNOWN_ID}")
    other = world.exchange.issue_by_person("mm/by hand")
    outcomes = world.engine.ordered_by(ORDER).emergency("mm")
    told = [one for one in outcomes if one.reason is Reason.LOOKS_OURS]
    assert [(one.severity, f"mm/{UNKNOWN_ID}" in one.sentence) for one in told] == [(Severity.ERROR, True)]
    assert {lost.token_id, other.token_id} <= world.live()


def test_a_retired_credential_whose_path_was_forged_may_leave_the_configuration() -> None:
    world = rotated_twice()
    world.engine.ordered_by(ORDER).retire("mm")
    world.vault.put_foreign(world.location(), {"token_id": "nil", "secret": "bm9uZQ=="})
    world.engine.revoke(ACCOUNT)
    assert world.vault.accounts.read(ACCOUNT).ledger.known == ()


@pytest.mark.parametrize("made", [behind, drifted])
def test_a_persons_orders_leave_a_path_that_is_not_ours_as_it_is(made: Callable[[], Harness]) -> None:
    world = made()
    before = world.path()
    known = {one.token_id for one in world.journal().ledger}
    world.engine.ordered_by(ORDER).revoke_all("mm")
    world.engine.ordered_by(ORDER).retire("mm")
    assert (world.path(), known & world.live()) == (before, set())


# --- an open rotation


def staged() -> Harness:
    world = rotated_twice()
    world.exchange.fail_next("list_as", ExchangeUnavailableError("503"), count=9)
    world.engine.rotate("mm", requested=True)
    world.exchange.recover()
    return world


@pytest.mark.parametrize("order", ["revoke_all", "retire"])
def test_an_order_ends_a_staged_token_too_although_somebody_deleted_the_latest_version(order: str) -> None:
    world = staged()
    world.vault.delete_foreign(world.location())
    getattr(world.engine.ordered_by(ORDER), order)("mm")
    assert world.live() == set()


@pytest.mark.parametrize("change", AFTERWARDS)
def test_an_order_ends_a_staged_token_too_over_a_path_that_is_not_ours(change: Callable[[Harness], None]) -> None:
    world = staged()
    ours = world.live()
    change(world)
    world.engine.ordered_by(ORDER).revoke_all("mm")
    assert not ours & world.live()
    assert RecordState.CURRENT not in [state for _, state in world.states()]
