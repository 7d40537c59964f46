"""A process that is told to end finishes the step in hand and begins no other; the next run goes on from there."""

from datetime import timedelta

import pytest

from tests.harness import ACCOUNT, Harness
from worker.journal import RecordState
from worker.policy.steps import Action, Reason, Result


@pytest.fixture
def world() -> Harness:
    return Harness("mm")


def stop_after(world: Harness, moment: str) -> None:
    """Let the process be told to end at that moment of a call to the exchange."""

    def hook(what: str) -> None:
        world.stopping = world.stopping or what == moment

    world.hooked.hook = hook


def restart(world: Harness) -> None:
    world.stopping = False
    world.hooked.hook = lambda _moment: None


def supersede(world: Harness) -> None:
    """Rotate twice, services following, and let the first token's grace pass."""
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(world.policy.nominal_period + timedelta(minutes=1))
    world.engine.rotate("mm")
    world.clock.advance(timedelta(hours=1))
    world.use_served()
    world.clock.advance(world.policy.max_overlap)


def test_a_process_that_is_to_end_begins_no_rotation(world: Harness) -> None:
    world.stopping = True
    world.engine.rotate("mm")
    assert (world.live(), world.served()) == (set(), None)


def test_a_derive_in_hand_is_staged_before_the_end(world: Harness) -> None:
    stop_after(world, "before derive_token")
    world.engine.rotate("mm")
    intent = world.journal().intent
    assert intent is not None
    assert intent.token is not None
    assert world.live() == {intent.token.token_id}


def test_nothing_is_begun_after_the_step_in_hand(world: Harness) -> None:
    stop_after(world, "after derive_token")
    outcomes = world.engine.rotate("mm")
    assert [(one.action, one.result, one.reason) for one in outcomes] == [
        (Action.MINT, Result.DONE, Reason.NEVER_ISSUED),
        (Action.VERIFY, Result.HELD, Reason.STOPPING),
    ]


@pytest.mark.parametrize("moment", ["before derive_token", "after derive_token", "before list_tokens_as"])
def test_the_next_run_goes_on_with_the_same_token(world: Harness, moment: str) -> None:
    stop_after(world, moment)
    world.engine.rotate("mm")
    restart(world)
    world.new_engine().rotate("mm")
    assert world.live() == {world.served()}


def test_a_revocation_in_hand_is_finished_before_the_end(world: Harness) -> None:
    supersede(world)
    stop_after(world, "before revoke_token")
    world.engine.revoke(ACCOUNT)
    assert [state for _, state in world.states()] == [RecordState.REVOKED, RecordState.CURRENT]


def test_a_process_that_is_to_end_begins_no_revocation(world: Harness) -> None:
    supersede(world)
    world.stopping = True
    world.engine.revoke(ACCOUNT)
    assert [state for _, state in world.states()] == [RecordState.SUPERSEDED, RecordState.CURRENT]


def test_a_process_that_is_to_end_begins_no_flag(world: Harness) -> None:
    world.engine.rotate("mm")
    world.clock.advance(world.policy.unused_after + timedelta(days=1))
    world.stopping = True
    world.engine.flag(ACCOUNT)
    assert world.vault.accounts.read(ACCOUNT).ledger.flags == ()
