"""A worker that stood still decides nothing on what it read before."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.harness import ACCOUNT, Harness
from tests.scenes import ORDER, due_again
from worker.engine.pausing import pauses
from worker.policy.steps import Reason

DAY = timedelta(days=1)


def standing_still(world: Harness, before: str, act: Callable[[], object]) -> None:
    """Let the worker stand still before that call while something happens, then go on."""

    def hook(moment: str) -> None:
        if moment == f"before {before}":
            world.hooked.hook = lambda _moment: None
            act()

    world.hooked.hook = hook
    world.engine.rotate("mm")


def test_a_list_is_not_judged_by_what_was_known_before_the_worker_stood_still() -> None:
    world = due_again()
    world.engine.revoke(ACCOUNT)

    def the_list_grows_and_shrinks() -> None:
        world.clock.advance(DAY)
        made = [world.exchange.issue_by_person(f"other {number}") for number in range(9)]
        world.engine.revoke(ACCOUNT)
        for one in made:
            world.exchange.hide(one.token_id)

    standing_still(world, "list_tokens", the_list_grows_and_shrinks)
    assert len(world.exchange.calls("derive")) == 1


def test_a_pause_that_was_ordered_while_the_worker_stood_still_is_honoured() -> None:
    world = due_again()

    def somebody_pauses() -> None:
        world.clock.advance(timedelta(minutes=2))
        now = world.clock.now()
        world.engine.edit(pauses(world.settings, "mm", since=now, until=None, order=ORDER), ORDER)

    standing_still(world, "list_tokens", somebody_pauses)
    assert (len(world.exchange.calls("derive")), world.journal().intent) == (1, None)


@pytest.mark.parametrize("pass_time", ["advance", "step"])
def test_a_worker_that_stood_still_says_for_how_long_and_the_next_sweep_rotates(pass_time: str) -> None:
    world = due_again()
    standing_still(world, "list_tokens", lambda: getattr(world.clock, pass_time)(timedelta(minutes=2)))
    (held,) = world.outcomes.seen
    assert (held.reason, "2 min have passed" in held.sentence) == (Reason.SUPERSEDED_BY_OTHER, True)
    world.engine.rotate("mm")
    assert len(world.exchange.issued) == 2


def test_what_a_person_asks_for_is_planned_anew_and_done() -> None:
    world = due_again()

    def hook(moment: str) -> None:
        if moment == "before list_tokens":
            world.hooked.hook = lambda _moment: None
            world.clock.advance(timedelta(minutes=2))

    world.hooked.hook = hook
    world.engine.rotate("mm", requested=True)
    assert len(world.exchange.issued) == 2


def test_half_a_minute_is_no_reason_to_begin_anew() -> None:
    world = due_again()
    standing_still(world, "list_tokens", lambda: world.clock.advance(timedelta(seconds=30)))
    assert len(world.exchange.issued) == 2
