"""A worker that judged a token refused, while another one has put it in front of the services."""

from datetime import timedelta

import pytest

from tests.harness import Harness
from tests.stepping import SteppedRun, Stepper
from worker.errors import AuthenticationRefusedError
from worker.journal import RecordState
from worker.policy.steps import Action, Result


def step_to(world: Harness, run: SteppedRun, method: str) -> None:
    """Let the run go on until it stands right before that call to the consumers' path."""
    while not run.finished:
        run.step()
        call = world.vault.calls[-1]
        if (call.port, call.method) == ("consumers", method):
            return
    pytest.fail(f"the run ended without a {method}")


@pytest.fixture
def promoted_meanwhile() -> tuple[Harness, SteppedRun]:
    """A world in which one worker is told 401 and is about to fence when another one's promote lands."""
    world = Harness()
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(timedelta(days=7))
    stepper = Stepper(world)
    promoting = stepper.start(lambda: world.new_engine().rotate("mm"))
    step_to(world, promoting, "write")
    world.exchange.fail_next("list_as", AuthenticationRefusedError("401", status=401), count=99)
    world.outcomes.seen.clear()
    refusing = stepper.start(lambda: world.new_engine().rotate("mm"))
    step_to(world, refusing, "rewrite")
    promoting.finish()
    return world, refusing


def test_a_refusal_that_finds_its_token_served_closes_the_rotation_and_ends_there(
    promoted_meanwhile: tuple[Harness, SteppedRun],
) -> None:
    world, refusing = promoted_meanwhile
    refusing.finish()
    assert refusing.error is None
    assert world.states()[-1] == (world.served(), RecordState.CURRENT)
    assert world.served() == world.exchange.issued[-1].token_id


def test_such_a_run_says_that_it_closed_and_nothing_of_a_promote(
    promoted_meanwhile: tuple[Harness, SteppedRun],
) -> None:
    world, refusing = promoted_meanwhile
    before = len(world.outcomes.seen)
    refusing.finish()
    told = [(one.action, one.result) for one in world.outcomes.seen[before:] if one.action is not None]
    assert told == [(Action.CLOSE, Result.DONE)]
