"""The process may die at any moment: before or after any call to any server. What follows must always come right.

Every moment of a rotation and of a revocation is tried, one by one, on fakes that the contract suite holds to the
real servers.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.harness import Harness, died
from worker.journal import RecordState

MOST_MOMENTS = 80


def first_rotation() -> Harness:
    return Harness()


def due_rotation() -> Harness:
    world = Harness()
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(timedelta(days=7))
    return world


def ready_revocation() -> Harness:
    world = due_rotation()
    world.engine.rotate("mm")
    world.clock.advance(timedelta(hours=25))
    world.use_served()
    world.clock.advance(timedelta(minutes=1))
    return world


def lost_derive() -> Harness:
    world = due_rotation()
    world.exchange.lose_next("derive")
    world.engine.rotate("mm")
    world.clock.advance(timedelta(minutes=3))
    return world


def refused_token() -> Harness:
    world = due_rotation()
    world.exchange.after_next("derive", lambda: world.exchange.break_token(world.exchange.issued[-1].token_id))
    return world


def sweep(world: Harness) -> None:
    world.engine.rotate("mm")
    world.engine.revoke("main")


SCENES: dict[str, Callable[[], Harness]] = {
    "a first rotation": first_rotation,
    "a due rotation": due_rotation,
    "a revocation": ready_revocation,
    "an abandonment": lost_derive,
    "a refused token": refused_token,
}


def rejected_by_services(world: Harness) -> bool:
    """Whether a service that reads Vault now is answered 401."""
    served = world.served()
    return served is not None and served not in world.live()


@pytest.mark.parametrize("scene", SCENES)
def test_whenever_the_process_dies_services_are_never_rejected_and_all_tokens_are_accounted_for(scene: str) -> None:
    for moment in range(MOST_MOMENTS):
        world = SCENES[scene]()
        lasted = died(world, sweep, moment)
        assert not rejected_by_services(world), f"rejected right after dying at moment {moment}"
        for _ in range(10):
            sweep(world)
            assert not rejected_by_services(world), f"rejected while recovering from moment {moment}"
            world.use_served()
            world.clock.advance(timedelta(minutes=12))
        world.clock.advance(timedelta(days=4))
        world.use_served()
        world.clock.advance(timedelta(minutes=1))
        sweep(world)
        journal = world.journal()
        assert journal.intent is None, f"an intent is left open after dying at moment {moment}"
        assert world.live() == {world.served()}, f"a token is left alive after dying at moment {moment}"
        assert journal.current is not None
        assert journal.current.token_id == world.served()
        assert not [one for one in journal.ledger if one.state is RecordState.REVOKING]
        if not lasted:
            return
    pytest.fail(f"the scene has more than {MOST_MOMENTS} moments: raise the number")


@pytest.mark.parametrize("scene", SCENES)
def test_a_second_death_while_recovering_changes_nothing_about_that(scene: str) -> None:
    for first in range(0, MOST_MOMENTS, 3):
        for second in range(0, MOST_MOMENTS, 5):
            world = SCENES[scene]()
            if not died(world, sweep, first):
                return
            world.clock.advance(timedelta(minutes=3))
            died(world, sweep, second)
            assert not rejected_by_services(world)
            for _ in range(8):
                sweep(world)
                world.use_served()
                world.clock.advance(timedelta(minutes=12))
            assert not rejected_by_services(world)
            assert world.journal().intent is None
