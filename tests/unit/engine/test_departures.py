"""What was ever at a consumers' path keeps its grace from the moment it left it, whoever put it there."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.fakes.vault import Call
from tests.harness import ACCOUNT, Harness
from tests.scenes import ORDER, due_again
from worker.errors import AuthenticationRefusedError, ExchangeUnavailableError, VaultUnavailableError
from worker.journal import RecordState, abandon
from worker.policy.steps import Reason


def roll_back_by_hand(world: Harness, version: int) -> None:
    """Do what `vault kv rollback -version=N` does: write that version's data once more."""
    data = next(one.data for one in world.vault.versions(world.location()) if one.version == version)
    assert data is not None
    world.vault.put_foreign(world.location(), data)


def promote_without_closing(world: Harness) -> str:
    """Let a rotation be cut off from Vault once its token is served; return the token's id."""

    def hook(call: Call) -> None:
        if (call.port, call.method, call.moment) == ("consumers", "write", "after"):
            world.vault.on_call = None
            world.vault.fail_next(VaultUnavailableError("sealed"), port="journals", method="write")

    world.vault.on_call = hook
    world.engine.rotate("mm")
    assert world.served() == world.exchange.issued[-1].token_id
    return world.served() or ""


def swept(world: Harness) -> None:
    world.engine.rotate("mm")
    world.engine.revoke(ACCOUNT)


def test_an_id_with_another_secret_at_its_own_path_keeps_no_token_alive() -> None:
    world = due_again()
    old = world.served() or ""
    world.engine.rotate("mm")
    good = world.vault.kv.read(world.location())
    assert good is not None
    for _ in range(5):
        world.clock.advance(timedelta(hours=12))
        world.use_served()
        world.vault.put_foreign(world.location(), {"token_id": old, "secret": "anVuaw=="})
        world.vault.put_foreign(world.location(), dict(good.data or {}))
        swept(world)
    assert old not in world.live()


def test_a_token_that_a_person_put_back_and_then_deleted_keeps_its_grace() -> None:
    world = due_again()
    old = world.served() or ""
    world.engine.rotate("mm")
    world.clock.advance(timedelta(hours=30))
    world.use_served()
    good = world.vault.kv.read(world.location())
    assert good is not None
    roll_back_by_hand(world, 1)
    world.clock.advance(timedelta(hours=1))
    world.vault.kv.delete_latest(world.location())
    world.vault.put_foreign(world.location(), dict(good.data or {}))
    world.clock.advance(timedelta(hours=2))
    world.use_served()
    swept(world)
    assert old in world.live()


def days_until_gone(world: Harness, token_id: str) -> float:
    """Sweep and use what is served until that token is revoked; return how many days that took."""
    for hour in range(24 * 21):
        swept(world)
        if token_id not in world.live():
            return hour / 24
        world.use_served()
        world.clock.advance(timedelta(hours=1))
    pytest.fail("it was never revoked")


@pytest.fixture
def rolled_back() -> tuple[Harness, str]:
    """A world in which a token was served, not closed, and the version before it put back by a person."""
    world = due_again()
    token_id = promote_without_closing(world)
    world.clock.advance(timedelta(minutes=10))
    roll_back_by_hand(world, 1)
    world.clock.advance(timedelta(minutes=3))
    return world, token_id


# --- an attempt that was served, and whose path a person then changed ------------------------------------------------


def test_a_token_that_was_served_but_not_closed_is_no_orphan_when_a_person_rolls_the_path_back(
    rolled_back: tuple[Harness, str],
) -> None:
    world, token_id = rolled_back
    for _ in range(22):
        swept(world)
        assert token_id in world.live()
        world.clock.advance(timedelta(hours=1))


def test_such_a_token_goes_when_its_grace_is_over_and_services_have_moved_on(rolled_back: tuple[Harness, str]) -> None:
    world, token_id = rolled_back
    assert 1 <= days_until_gone(world, token_id) <= 3


def test_such_a_token_is_in_the_ledger_as_served_and_superseded_at_vaults_own_times(
    rolled_back: tuple[Harness, str],
) -> None:
    world, token_id = rolled_back
    swept(world)
    record, versions = world.journal().record_of(token_id), world.vault.versions(world.location())
    assert record is not None
    assert (record.state, record.promoted_version) == (RecordState.SUPERSEDED, 2)
    assert (record.promoted_at, record.superseded_at) == (versions[1].created_time, versions[2].created_time)


def test_the_attempt_counts_as_a_failure_all_the_same(rolled_back: tuple[Harness, str]) -> None:
    world, _ = rolled_back
    world.engine.rotate("mm")
    assert (world.journal().intent, world.journal().failures.count) == (None, 1)


def test_a_token_that_one_worker_refuses_and_another_served_has_its_grace_after_a_rollback_by_hand() -> None:
    world = due_again()
    promote_without_closing(world)
    world.exchange.fail_next("list_as", AuthenticationRefusedError("401", status=401), count=99)

    def meanwhile(call: Call) -> None:
        if (call.port, call.method, call.moment) == ("journals", "read", "after"):
            world.vault.on_call = None
            roll_back_by_hand(world, 1)

    world.vault.on_call = meanwhile
    swept(world)
    assert world.exchange.issued[-1].token_id in world.live()


def test_nothing_is_given_up_when_it_cannot_be_read_whether_the_token_was_served(
    rolled_back: tuple[Harness, str],
) -> None:
    world, _ = rolled_back
    world.vault.fail_next(VaultUnavailableError("sealed"), method="departure")
    world.engine.rotate("mm")
    assert world.journal().intent is not None


# --- a drift that ends ----------------------------------------------------------------------------------------------


@pytest.fixture
def put_right() -> tuple[Harness, str]:
    """A world whose old token a person served again for a week, beyond its max_age, until that was put right."""
    world = due_again()
    old = world.served() or ""
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(timedelta(hours=1))
    roll_back_by_hand(world, 1)
    for _ in range(8):
        swept(world)
        world.use_served()
        world.clock.advance(timedelta(days=1))
    assert world.served() == old
    roll_back_by_hand(world, 2)
    world.clock.advance(timedelta(minutes=1))
    return world, old


def test_grace_starts_anew_when_a_drift_ends(put_right: tuple[Harness, str]) -> None:
    world, old = put_right
    for _ in range(23):
        swept(world)
        assert old in world.live()
        world.clock.advance(timedelta(hours=1))


def test_after_that_grace_the_old_token_goes_by_age(put_right: tuple[Harness, str]) -> None:
    world, old = put_right
    assert 0.9 <= days_until_gone(world, old) <= 1.1


def test_what_the_versions_say_is_read_once_and_kept_in_the_journal(put_right: tuple[Harness, str]) -> None:
    world, _ = put_right
    world.vault.calls.clear()
    for _ in range(10):
        world.engine.revoke(ACCOUNT)
    assert sum(call.method == "departure" for call in world.vault.calls) == 1
    assert world.outcomes.reasons()[-1] is Reason.IN_GRACE


def test_a_token_is_not_revoked_when_the_versions_cannot_be_read(put_right: tuple[Harness, str]) -> None:
    world, old = put_right
    world.clock.advance(timedelta(days=2))
    world.vault.fail_next(VaultUnavailableError("sealed"), method="departure")
    world.engine.revoke(ACCOUNT)
    assert old in world.live()


def test_an_order_to_end_every_token_waits_for_no_such_grace(put_right: tuple[Harness, str]) -> None:
    world, old = put_right
    world.engine.ordered_by(ORDER).emergency("mm")
    assert world.live() == {world.served()}
    assert old not in world.live()


# --- an orphan that was served --------------------------------------------------------------------------------------


def test_an_orphan_in_the_ledger_that_a_version_held_a_moment_ago_is_held_in_its_grace() -> None:
    world = due_again()
    token_id = promote_without_closing(world)
    roll_back_by_hand(world, 1)
    world.vault.fail_next(VaultUnavailableError("sealed"), method="departure")
    swept(world)
    _give_up_as_an_older_worker_did(world)
    world.clock.advance(timedelta(minutes=1))
    world.engine.revoke(ACCOUNT)
    assert token_id in world.live()
    assert 1 <= days_until_gone(world, token_id) <= 4


def _give_up_as_an_older_worker_did(world: Harness) -> None:
    found = world.vault.journals.read(world.location())
    assert found is not None
    given_up = abandon(found.journal, reason="fenced", now=world.clock.now())
    world.vault.journals.write(world.location(), given_up, cas=found.version)


# --- between the mark and the DELETE --------------------------------------------------------------------------------


@pytest.fixture
def ready() -> Harness:
    """A world whose first token is superseded, past its grace, quiet, and whose successor is in use."""
    world = due_again()
    world.engine.rotate("mm")
    world.clock.advance(timedelta(hours=25))
    world.use_served()
    world.clock.advance(timedelta(minutes=1))
    return world


def after_the_mark(world: Harness, act: Callable[[], object]) -> None:
    def hook(call: Call) -> None:
        if (call.port, call.method, call.moment) == ("journals", "write", "after"):
            world.vault.on_call = None
            act()

    world.vault.on_call = hook


def test_a_token_that_a_person_serves_again_right_after_its_mark_is_not_revoked(ready: Harness) -> None:
    old = ready.exchange.issued[0].token_id
    after_the_mark(ready, lambda: roll_back_by_hand(ready, 1))
    outcomes = ready.engine.revoke(ACCOUNT)
    assert (ready.served(), old in ready.live()) == (old, True)
    assert outcomes[-1].reason is Reason.STILL_USED


def test_such_a_token_keeps_a_whole_grace_when_that_is_put_right_and_goes_then(ready: Harness) -> None:
    old = ready.exchange.issued[0].token_id
    after_the_mark(ready, lambda: roll_back_by_hand(ready, 1))
    ready.engine.revoke(ACCOUNT)
    ready.clock.advance(timedelta(hours=5))
    swept(ready)
    roll_back_by_hand(ready, 2)
    assert 0.9 <= days_until_gone(ready, old) <= 1.1


def test_a_marked_token_is_not_revoked_when_the_path_cannot_be_read_again(ready: Harness) -> None:
    old = ready.exchange.issued[0].token_id
    after_the_mark(ready, lambda: ready.vault.fail_next(VaultUnavailableError("sealed"), port="consumers"))
    ready.engine.revoke(ACCOUNT)
    assert (old in ready.live(), ready.states()[0][1]) == (True, RecordState.REVOKING)


def test_a_token_that_is_held_back_uses_up_nobodys_turn() -> None:
    world = Harness("mm", "taker")
    for name in ("mm", "taker"):
        world.engine.rotate(name)
        world.use_served(name)
    world.clock.advance(timedelta(days=7))
    for name in ("mm", "taker"):
        world.engine.rotate(name)
    world.clock.advance(timedelta(hours=25))
    roll_back_by_hand(world, 1)
    world.clock.advance(timedelta(minutes=5))
    roll_back_by_hand(world, 2)
    for name in ("mm", "taker"):
        world.use_served(name)
    world.clock.advance(timedelta(minutes=30))
    for _ in range(3):
        world.engine.revoke(ACCOUNT)
    assert [state for _, state in world.states("taker")] == [RecordState.REVOKED, RecordState.CURRENT]
    assert [state for _, state in world.states("mm")] == [RecordState.SUPERSEDED, RecordState.CURRENT]


def test_a_failed_delete_is_repeated_although_its_token_left_the_path_long_ago(ready: Harness) -> None:
    ready.exchange.fail_next("revoke", ExchangeUnavailableError("503"))
    ready.engine.revoke(ACCOUNT)
    ready.engine.revoke(ACCOUNT)
    assert ready.states()[0][1] is RecordState.REVOKED
