"""Flags on fakes: what becomes of a verdict when Vault fails."""

from datetime import timedelta

import pytest

from tests.harness import Harness
from worker.errors import VaultUnavailableError
from worker.policy.steps import Action, Reason, Result


@pytest.fixture
def unused() -> Harness:
    """A world whose only token was never used, long enough for that to be a verdict."""
    world = Harness()
    world.engine.rotate("mm")
    world.clock.advance(timedelta(days=3))
    world.outcomes.seen.clear()
    return world


def told(world: Harness) -> list[Reason]:
    return [
        outcome.reason
        for outcome in world.outcomes.seen
        if outcome.action is Action.FLAG and outcome.result is Result.DONE
    ]


def test_a_verdict_that_vault_certainly_did_not_take_is_told_later(unused: Harness) -> None:
    unused.vault.fail_next(VaultUnavailableError("sealed"), port="accounts", method="write")
    unused.engine.flag("main")
    before = told(unused)
    unused.engine.flag("main")
    assert (before, told(unused)) == ([], [Reason.UNUSED])


def test_a_verdict_is_told_although_nobody_knows_whether_vault_took_it(unused: Harness) -> None:
    unused.vault.lose_next_answer(landed=True, readback=False, port="accounts")
    unused.engine.flag("main")
    unused.vault.recover()
    unused.engine.flag("main")
    assert told(unused) == [Reason.UNUSED]
