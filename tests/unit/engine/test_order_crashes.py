"""An order may die, or meet a sweep, at any moment and over anything that was left open.

Sweeps end it, and who reads Vault is never rejected but by an order that means to.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial

import pytest

from tests.harness import ACCOUNT, Harness, died
from tests.scenes import ORDER, rotated_twice
from tests.stepping import Stepper
from worker.engine import Engine
from worker.errors import ExchangeUnavailableError
from worker.journal import Intent, RecordState
from worker.models import PathContent

MOST_MOMENTS = 90


def staged() -> Harness:
    """Return a world with a third token whose secret is in the journal and not served."""
    world = rotated_twice()
    world.exchange.fail_next("list_as", ExchangeUnavailableError("503"))
    world.engine.rotate("mm", requested=True)
    world.exchange.recover()
    assert intent_of(world).token is not None
    return world


def in_flight() -> Harness:
    """Return a world with an intent whose token was derived and whose answer never came."""
    world = rotated_twice()
    world.exchange.lose_next("derive")
    world.engine.rotate("mm", requested=True)
    assert intent_of(world).token is None
    return world


def not_closed() -> Harness:
    """Return a world whose third token is served already although its rotation is still open in the journal."""
    world = rotated_twice()
    died(world, lambda world: world.engine.rotate("mm", requested=True), _after_promote())
    return world


@cache
def _after_promote() -> int:
    for moment in range(MOST_MOMENTS):
        world = rotated_twice()
        died(world, lambda world: world.engine.rotate("mm", requested=True), moment)
        intent = world.journal().intent
        if intent and intent.token and world.served() == intent.token.token_id:
            return moment
    raise AssertionError("no moment lies between promote and close")


def rolling_back() -> Harness:
    """Return a world with an open rollback: the predecessor is staged, the successor still served."""
    world = rotated_twice()
    world.exchange.fail_next("list_as", ExchangeUnavailableError("503"))
    world.engine.ordered_by(ORDER).rollback("mm")
    world.exchange.recover()
    assert intent_of(world).kind == "rollback"
    return world


def first_token_staged() -> Harness:
    """Return a world whose path is empty still, while its first token is staged."""
    world = Harness()
    world.exchange.fail_next("list_as", ExchangeUnavailableError("503"))
    world.engine.rotate("mm")
    world.exchange.recover()
    assert world.path().content is PathContent.EMPTY
    return world


def intent_of(world: Harness) -> Intent:
    intent = world.journal().intent
    assert intent is not None
    return intent


SCENES: dict[str, Callable[[], Harness]] = {
    "nothing": rotated_twice,
    "a staged token": staged,
    "a derive in flight": in_flight,
    "a promote that was not closed": not_closed,
    "an open rollback": rolling_back,
    "a staged first token": first_token_staged,
}


@dataclass(frozen=True)
class Act:
    """One order: how it is given."""

    give: Callable[[Harness], object]
    rejects: bool = False
    """Whether services that read Vault are rejected on purpose."""


ACTS: dict[str, Act] = {
    "an emergency": Act(lambda world: world.engine.ordered_by(ORDER).emergency("mm")),
    "revoking all": Act(lambda world: world.engine.ordered_by(ORDER).revoke_all("mm"), rejects=True),
    "retiring": Act(lambda world: world.engine.ordered_by(ORDER).retire("mm"), rejects=True),
    "a rollback": Act(lambda world: world.engine.ordered_by(ORDER).rollback("mm")),
}


def sweep(world: Harness) -> None:
    world.engine.rotate("mm")
    world.engine.revoke(ACCOUNT)


def swept(world: Harness, engine: Engine) -> None:
    world.clock.advance(timedelta(minutes=3))
    engine.rotate("mm")
    engine.revoke(ACCOUNT)


def rejected(world: Harness) -> bool:
    """Whether a service that reads Vault now is answered 401."""
    served = world.served()
    return served is not None and served not in world.live()


def is_durable(world: Harness) -> bool:
    """Whether an order to end every token is in the journal."""
    journal = world.journal()
    marked = any(one.revoking_reason in {"compromised", "ordered", "retired"} for one in journal.ledger)
    return marked or journal.emergency_at is not None or journal.retired_at is not None


def settle(world: Harness, *, may_reject: bool) -> None:
    for _ in range(5):
        sweep(world)
        assert may_reject or not rejected(world), "rejected while recovering"
        world.use_served()
        world.clock.advance(timedelta(minutes=12))
    world.clock.advance(timedelta(days=4))
    world.use_served()
    world.clock.advance(timedelta(minutes=1))
    for _ in range(3):  # one token of an account in each: the cap
        sweep(world)


def check(world: Harness, old: set[str], *, ordered: bool) -> None:
    """Assert that all of it has come right; `ordered`: every token there was is to be gone."""
    journal, served = world.journal(), world.served()
    assert journal.intent is None
    assert journal.emergency_at is None
    assert not rejected(world)
    assert world.live() == ({served} if served else set())
    assert not [one for one in journal.ledger if one.state is RecordState.REVOKING]
    assert not (ordered and world.live() & old)
    if journal.retired_at:
        stored = str([one.data for one in world.vault.versions(world.location())])
        assert not [one for one in world.exchange.issued if one.secret.get_secret_value() in stored]


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("act", ACTS)
def test_wherever_an_order_dies_it_comes_right_over(act: str, scene: str) -> None:
    order = ACTS[act]
    for moment in range(MOST_MOMENTS):
        world = SCENES[scene]()
        old = world.live()
        lasted = died(world, order.give, moment)
        ordered = is_durable(world)
        try:
            assert order.rejects or not rejected(world), "rejected right away"
            settle(world, may_reject=order.rejects and ordered)
            check(world, old, ordered=ordered)
        except AssertionError as error:
            raise AssertionError(f"died at moment {moment}: {error}") from error
        if not lasted:
            return
    pytest.fail("the order never came to an end")


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("act", ACTS)
def test_a_sweep_that_was_held_up_meanwhile_spoils_nothing_of_an_order_over(act: str, scene: str) -> None:
    order = ACTS[act]
    for moment in range(0, MOST_MOMENTS, 2):
        world = SCENES[scene]()
        old = world.live()
        other = world.new_engine()
        lasted = interleaved(world, partial(other.rotate, "mm", requested=True), partial(order.give, world), moment)
        ordered = is_durable(world)
        try:
            assert ordered or act == "a rollback" or not world.live() & old, "the order was lost"
            assert order.rejects or not rejected(world), "rejected right away"
            settle(world, may_reject=order.rejects)
            check(world, old, ordered=ordered)
        except AssertionError as error:
            raise AssertionError(f"the sweep stood at call {moment}: {error}") from error
        if not lasted:
            return
    pytest.fail("the sweep never came to an end")


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("act", ACTS)
def test_an_order_that_was_held_up_while_others_swept_spoils_nothing_over(act: str, scene: str) -> None:
    order = ACTS[act]
    for moment in range(0, MOST_MOMENTS, 2):
        world = SCENES[scene]()
        old = world.live()
        lasted = interleaved(world, partial(order.give, world), partial(swept, world, world.new_engine()), moment)
        ordered = is_durable(world)
        try:
            assert ordered or act == "a rollback" or not world.live() & old, "the order was lost"
            assert order.rejects or not rejected(world), "rejected right away"
            settle(world, may_reject=order.rejects)
            check(world, old, ordered=ordered)
        except AssertionError as error:
            raise AssertionError(f"the order stood at call {moment}: {error}") from error
        if not lasted:
            return
    pytest.fail("the order never came to an end")


def interleaved(world: Harness, first: Callable[[], object], second: Callable[[], object], moment: int) -> bool:
    """Stop the first run at that call, let the second one come to its end, then let the first go on.

    Return whether the first lasted so long.
    """
    run = Stepper(world).start(first)
    for _ in range(moment):
        run.step()
    lasted = not run.finished
    second()
    run.finish()
    world.survive()
    if run.error is not None:
        raise run.error
    return lasted
