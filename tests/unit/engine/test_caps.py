"""One sweep revokes no more than the account's cap, and neither orphans nor superseded tokens wait for ever."""

from datetime import timedelta

import pytest

from config.schema import Account, Guards
from tests.harness import ACCOUNT, Harness

MINUTE = timedelta(minutes=1)


def ready(most: int) -> Harness:
    """Return a world in which mm's first token may go, and that many tokens of the account in one sweep."""
    world = Harness("mm")
    guards = Guards(max_revocations=most)
    world.settings = world.settings.model_copy(update={"accounts": (Account(name=ACCOUNT, guards=guards),)})
    world.engine = world.new_engine()
    world.engine.rotate("mm")
    world.clock.advance(timedelta(days=7))
    world.engine.rotate("mm")
    world.clock.advance(timedelta(hours=25))
    world.use_served()
    world.clock.advance(MINUTE)
    return world


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_superseded_token_goes_although_somebody_makes_ever_more_orphans(most: int) -> None:
    world = ready(most)
    old, label = world.exchange.issued[0], world.journal().ledger[0].label
    for _ in range(4):
        for _ in range(most + 1):
            world.exchange.issue_by_person(label)
        world.engine.revoke(ACCOUNT)
        world.clock.advance(MINUTE)
    assert old.token_id not in world.live()


@pytest.mark.parametrize("most", [1, 2, 3])
def test_an_orphan_goes_in_the_first_sweep(most: int) -> None:
    world = ready(most)
    orphan = world.exchange.issue_by_person(world.journal().ledger[0].label)
    world.engine.revoke(ACCOUNT)
    assert orphan.token_id not in world.live()


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_sweep_revokes_more_than_the_cap(most: int) -> None:
    world = ready(most)
    for _ in range(5):
        world.exchange.issue_by_person(world.journal().ledger[0].label)
    before = len(world.live())
    world.engine.revoke(ACCOUNT)
    assert before - len(world.live()) == most
