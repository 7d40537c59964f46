"""What befalls an order on its way: another order, a person who writes the path, a journal that fell behind."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest

from tests.fakes.vault import Call
from tests.harness import ACCOUNT, Harness
from tests.scenes import ORDER, behind, by_hand, reasons, rotated_twice, serve_by_hand
from worker.cli.acts import is_done
from worker.errors import (
    AuthenticationRefusedError,
    ExchangeRefusedError,
    ExchangeUnavailableError,
    VaultUnavailableError,
)
from worker.journal import RecordState, VersionedJournal
from worker.policy.steps import Reason, Result


def once(
    world: Harness, moment: str, method: str, act: Callable[[], object], *, port: str = "journals", at: int = 1
) -> None:
    """Let something happen once, at the next call of that kind, or at a later one."""
    calls = count(1)

    def hook(call: Call) -> None:
        if (call.port, call.method, call.moment) == (port, method, moment) and next(calls) == at:
            act()

    world.vault.on_call = hook


def interrupted(world: Harness) -> Harness:
    """Let a rotation stop once its secret is staged."""
    world.exchange.fail_next("list_as", ExchangeUnavailableError("503"))
    world.engine.rotate("mm", requested=True)
    world.exchange.recover()
    return world


def compromised(world: Harness) -> Harness:
    """Let an emergency be ordered that can not mint yet."""
    world.exchange.fail_next("derive", ExchangeRefusedError("403", status=403))
    world.engine.ordered_by(ORDER).emergency("mm")
    return world


def restore(world: Harness, before: VersionedJournal | None) -> None:
    """Put an older journal back, as from a backup."""
    now = world.vault.journals.read(world.location())
    assert before is not None
    assert now is not None
    world.vault.journals.write(world.location(), before.journal, cas=now.version)


def put(world: Harness, name: str, token_id: str) -> None:
    """Put a token that the exchange issued at a credential's path, as a person does."""
    secret = world.exchange.token(token_id).secret.get_secret_value()
    world.vault.put_foreign(world.location(name), {"token_id": token_id, "secret": secret})


# --- two at once


def test_a_rollback_that_another_process_overtakes_stops_and_says_so() -> None:
    world = rotated_twice()
    other = world.new_engine().ordered_by(ORDER)
    once(world, "after", "write", lambda: other.emergency("mm"))
    outcomes = world.engine.ordered_by(ORDER).rollback("mm")
    assert (outcomes[-1].result, outcomes[-1].reason) == (Result.HELD, Reason.SUPERSEDED_BY_OTHER)


def test_two_emergencies_at_once_make_one_new_token() -> None:
    world = rotated_twice()
    other = world.new_engine().ordered_by(ORDER)
    once(world, "before", "write", lambda: other.emergency("mm"))
    world.engine.ordered_by(ORDER).emergency("mm")
    assert (len(world.exchange.issued), world.live()) == (3, {world.served()})


def test_an_emergency_that_another_process_carried_out_is_done() -> None:
    world = rotated_twice()
    other = world.new_engine().ordered_by(ORDER)
    once(world, "before", "write", lambda: other.emergency("mm"))
    outcomes = world.engine.ordered_by(ORDER).emergency("mm")
    assert {one.result for one in outcomes} == {Result.DONE}


def test_an_ordinary_rotation_meanwhile_does_not_do_for_an_emergency() -> None:
    world = rotated_twice()
    old = world.live()
    once(world, "before", "write", lambda: world.new_engine().rotate("mm", requested=True))
    world.engine.ordered_by(ORDER).emergency("mm")
    assert not world.live() & old


def test_an_emergency_issues_nothing_for_a_credential_that_is_retired_meanwhile() -> None:
    world = rotated_twice()
    sealed = VaultUnavailableError("sealed")
    once(world, "after", "write", lambda: world.vault.fail_next(sealed, port="journals"), port="consumers")
    world.engine.rotate("mm", requested=True)
    other = world.new_engine().ordered_by(ORDER)
    once(world, "after", "write", lambda: other.retire("mm"))
    world.engine.ordered_by(ORDER).emergency("mm")
    assert (world.journal().retired_at is not None, world.live()) == (True, set())


@pytest.mark.parametrize("at", range(1, 8))
def test_an_order_to_revoke_everything_that_meets_a_sweep_at_any_write_ends_all_and_is_done(at: int) -> None:
    world = rotated_twice()
    old = world.live()

    def sweep() -> None:
        world.new_engine().revoke(ACCOUNT)
        world.new_engine().flag(ACCOUNT)

    once(world, "before", "write", sweep, at=at)
    outcomes = world.engine.ordered_by(ORDER).revoke_all("mm")
    assert (old & world.live(), is_done(outcomes)) == (set(), True)


@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize("answered", [True, False])
def test_an_order_to_revoke_everything_that_meets_a_rotation_is_never_done_while_something_is_left(
    at: int, *, answered: bool
) -> None:
    world = rotated_twice()
    old = world.live()

    def rotate() -> None:
        if not answered:
            world.exchange.lose_next("derive")
        world.new_engine().rotate("mm")

    once(world, "before", "write", rotate, at=at)
    outcomes = world.engine.ordered_by(ORDER).revoke_all("mm")
    assert not (is_done(outcomes) and old & world.live())


def test_an_order_to_revoke_everything_that_loses_every_race_is_not_said_to_be_done() -> None:
    world = rotated_twice()

    def hook(call: Call) -> None:
        if (call.port, call.method, call.moment) == ("journals", "write", "before") and marked(world):
            world.vault.on_call = None
            restore(world, world.vault.journals.read(world.location()))
            world.vault.on_call = hook

    world.vault.on_call = hook
    outcomes = world.engine.ordered_by(ORDER).revoke_all("mm")
    assert (is_done(outcomes), bool(world.live())) == (False, True)


def marked(world: Harness) -> bool:
    """Whether the order is durable: everything is marked."""
    return any(one.state is RecordState.REVOKING for one in world.journal().ledger)


def test_an_emergency_that_a_sweep_finishes_in_the_midst_is_done() -> None:
    world = rotated_twice()
    old = world.live()
    once(world, "after", "write", lambda: world.new_engine().rotate("mm"), port="consumers")
    outcomes = world.engine.ordered_by(ORDER).emergency("mm")
    assert (old & world.live(), is_done(outcomes)) == (set(), True)


# --- a person who writes the path


def test_what_a_person_writes_after_the_fence_is_not_overwritten() -> None:
    world = interrupted(rotated_twice())
    token = world.exchange.issue_by_person("new bot")
    once(world, "after", "write", lambda: serve_by_hand(world, token.token_id, token.secret), port="consumers")
    world.engine.ordered_by(ORDER).emergency("mm")
    assert world.served() == token.token_id


@pytest.mark.parametrize("order", ["retire", "revoke_all"])
def test_a_promote_that_stood_still_puts_no_marked_token_where_a_person_deleted_the_latest_version(order: str) -> None:
    world = interrupted(rotated_twice())

    def deleted_and_ordered() -> None:
        world.vault.kv.delete_latest(world.location())
        getattr(world.new_engine().ordered_by(ORDER), order)("mm")

    once(world, "before", "write", deleted_and_ordered, port="consumers")
    world.engine.rotate("mm")
    assert world.served() is None


def test_a_token_that_another_credential_is_served_too_is_not_adopted() -> None:
    world = Harness("mm", "hedge")
    token = world.exchange.issue_by_person("shared")
    put(world, "mm", token.token_id)
    put(world, "hedge", token.token_id)
    assert reasons(world.engine.ordered_by(ORDER).adopt("mm")) == [Reason.ALREADY_MANAGED]


def test_a_token_that_somebody_put_at_another_credentials_path_is_not_revoked_before_its_max_age() -> None:
    world = Harness("mm", "hedge")
    world.engine.rotate("mm")
    first = world.served() or ""
    put(world, "hedge", first)
    for day in range(1, 20):
        world.clock.advance(timedelta(days=1))
        world.engine.rotate("mm")
        world.use_served("mm")
        world.engine.revoke(ACCOUNT)
        assert (first in world.live()) == (day <= 14)
    assert Reason.SERVED_ELSEWHERE in world.outcomes.reasons()


# --- an emergency that is not over


def test_nothing_is_rolled_back_while_an_emergency_is_not_over() -> None:
    world = compromised(rotated_twice())
    before = world.path()
    outcomes = world.engine.ordered_by(ORDER).rollback("mm")
    assert (reasons(outcomes), world.path()) == ([Reason.COMPROMISED], before)


def test_a_reclaim_goes_on_with_an_emergency_that_the_restored_journal_takes_for_open_and_says_so() -> None:
    world = compromised(rotated_twice())
    before = world.vault.journals.read(world.location())
    world.clock.advance(timedelta(minutes=5))
    world.settle(sweeps=2)
    restore(world, before)
    world.settle(sweeps=2)
    outcomes = world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)
    assert "is still open" in outcomes[-1].sentence
    live = world.live()
    world.settle(sweeps=2)
    assert (live & world.live(), world.live()) == (set(), {world.served()})


def test_a_reclaim_of_what_another_hand_wrote_keeps_an_open_emergency() -> None:
    world = compromised(rotated_twice())
    old = world.live()
    token = world.exchange.issue_by_person("new bot")
    put(world, "mm", token.token_id)
    world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)
    world.clock.advance(timedelta(minutes=5))
    world.settle(sweeps=2)
    assert not world.live() & old


# --- journals that fell behind, and lists that lie


@pytest.mark.parametrize("listed", [True, False], ids=["is listed", "is in no list yet"])
def test_a_token_that_a_restored_journal_only_staged_has_its_grace_when_it(*, listed: bool) -> None:
    world = interrupted(rotated_twice())
    before = world.vault.journals.read(world.location())
    world.engine.rotate("mm")
    promoted = world.served() or ""
    world.clock.advance(timedelta(minutes=1))
    world.engine.rotate("mm", requested=True)
    restore(world, before)
    if not listed:
        world.exchange.hide(promoted)
    world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)
    world.settle(sweeps=3)
    assert promoted in world.live()


def test_a_token_that_was_served_but_never_closed_has_its_grace_when_another_hand_took_the_path() -> None:
    world = interrupted(rotated_twice())
    sealed = VaultUnavailableError("sealed")
    once(world, "after", "write", lambda: world.vault.fail_next(sealed, port="journals"), port="consumers")
    world.engine.rotate("mm")
    served = world.served() or ""
    put(world, "mm", world.exchange.issue_by_person("new bot").token_id)
    world.exchange.hide(served)
    world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)
    world.settle(sweeps=3)
    assert served in world.live()


def test_nothing_is_reclaimed_on_a_list_that_shrank() -> None:
    world = behind()
    for number in range(10):
        world.exchange.issue_by_person(f"other {number}")
    world.engine.revoke(ACCOUNT)
    for one in world.exchange.live:
        if one.token_id != world.served():
            world.exchange.hide(one.token_id)
    assert reasons(world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)) == [Reason.LIST_SHRANK]


def test_what_was_ordered_is_done_although_the_journal_is_behind_and_nothing_else_is() -> None:
    world = rotated_twice()
    world.exchange.fail_next("revoke", ExchangeUnavailableError("503"), count=9)
    world.engine.ordered_by(ORDER).revoke_all("mm")
    before = world.vault.journals.read(world.location())
    world.engine.rotate("mm")
    restore(world, before)
    world.exchange.recover()
    world.engine.revoke(ACCOUNT)
    assert world.live() == {world.served()}


# --- what our own calls look like


def test_the_proof_of_a_predecessor_that_is_not_served_again_is_not_taken_for_use() -> None:
    world = rotated_twice()
    first = world.exchange.issued[0]
    world.exchange.fail_next("list_as", AuthenticationRefusedError("401", status=401), count=99)
    began = world.clock.now()
    world.engine.ordered_by(ORDER).rollback("mm")
    record = world.journal().record_of(first.token_id)
    assert record is not None
    assert (record.state, record.windows[-1].opened_at >= began) == (RecordState.SUPERSEDED, True)


def test_adopting_a_second_time_changes_nothing() -> None:
    world = by_hand()
    world.engine.ordered_by(ORDER).adopt("mm")
    before = world.journal()
    assert reasons(world.engine.ordered_by(ORDER).adopt("mm")) == [Reason.ALREADY_MANAGED]
    assert world.journal() == before
