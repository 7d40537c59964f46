"""What waits at one flag sweep after the other is late; what was held back until a moment ago is not."""

from datetime import timedelta

from tests.harness import ACCOUNT, Harness
from tests.scenes import ORDER
from worker.engine.pausing import pauses
from worker.errors import ExchangeUnavailableError
from worker.policy.steps import Reason

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def due(*, by: timedelta = MINUTE) -> Harness:
    """Return a world whose credential is in use and was due that long ago."""
    world = Harness()
    world.engine.rotate("mm")
    world.clock.advance(7 * DAY + by)
    world.use_served()
    world.outcomes.seen.clear()
    return world


def flagged(world: Harness, *, minutes: int) -> bool:
    """Let flag sweeps alone run for so long; return whether something was late."""
    for _ in range(minutes // 5):
        world.engine.flag(ACCOUNT)
        world.clock.advance(5 * MINUTE)
    world.engine.flag(ACCOUNT)
    return Reason.LATE in world.outcomes.reasons()


def test_what_nobody_rotates_is_late_after_a_quarter_of_an_hour_and_told_once() -> None:
    world = due()
    assert not flagged(world, minutes=15)
    assert flagged(world, minutes=30)
    assert world.outcomes.reasons().count(Reason.LATE) == 1


def test_it_is_over_when_it_was_rotated() -> None:
    world = due()
    assert flagged(world, minutes=30)
    world.engine.rotate("mm")
    world.use_served()
    world.engine.flag(ACCOUNT)
    assert world.outcomes.reasons()[-1] is Reason.ENDED


def test_what_a_pause_held_back_until_a_moment_ago_is_not_late() -> None:
    world = due(by=timedelta())
    now = world.clock.now()
    world.engine.edit(pauses(world.settings, "mm", since=now, until=now + DAY, order=ORDER), ORDER)
    world.clock.advance(DAY + MINUTE)
    world.use_served()
    assert not flagged(world, minutes=10)


def test_an_exchange_that_was_away_for_long_makes_nothing_late() -> None:
    world = due()
    world.exchange.fail_next("list", ExchangeUnavailableError("503"), count=12)
    assert not flagged(world, minutes=55)
    assert not flagged(world, minutes=10)


def test_sweeps_in_which_nothing_waits_write_nothing() -> None:
    world = Harness()
    world.engine.rotate("mm")
    world.use_served()
    world.engine.flag(ACCOUNT)
    before = world.vault.accounts.read(ACCOUNT).version
    world.engine.flag(ACCOUNT)
    assert world.vault.accounts.read(ACCOUNT).version == before
