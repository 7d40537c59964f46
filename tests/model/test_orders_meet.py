"""One process stops at any call, another one (or a person) acts, and the first goes on: what must come right."""

import os
from collections.abc import Callable
from datetime import timedelta

import hypothesis.strategies as st
from hypothesis import given, settings

from tests.harness import ACCOUNT, Harness
from tests.scenes import ORDER, behind, by_hand, drifted, rotated_twice, serve_by_hand
from tests.stepping import Stepper
from worker.errors import ExchangeUnavailableError, VaultUnavailableError
from worker.journal import Journal, RecordState
from worker.policy.steps import Action, Result

BY_HAND = "put there meanwhile"
OURS = {RecordState.CURRENT, RecordState.SUPERSEDED}
Act = Callable[[Harness], object]


def _write_the_path(world: Harness) -> None:
    token = world.exchange.issue_by_person(BY_HAND)
    serve_by_hand(world, token.token_id, token.secret)


ORDERS: dict[str, Act] = {
    "adopt": lambda world: world.new_engine().ordered_by(ORDER).adopt("mm"),
    "reclaim": lambda world: world.new_engine().ordered_by(ORDER).adopt("mm", reclaim=True),
    "emergency": lambda world: world.new_engine().ordered_by(ORDER).emergency("mm"),
    "revoke all": lambda world: world.new_engine().ordered_by(ORDER).revoke_all("mm"),
    "rollback": lambda world: world.new_engine().ordered_by(ORDER).rollback("mm"),
    "retire": lambda world: world.new_engine().ordered_by(ORDER).retire("mm"),
    "rotation": lambda world: world.new_engine().rotate("mm", requested=True),
    "sweep": lambda world: (world.new_engine().rotate("mm"), world.new_engine().revoke(ACCOUNT)),
}
OTHERS: dict[str, Act] = {**ORDERS, "a person": _write_the_path}
ENDING = {"emergency", "revoke all", "retire"}


def staged() -> Harness:
    """Return a world in which a rotation was interrupted once its secret was staged."""
    world = rotated_twice()
    world.exchange.fail_next("list_as", ExchangeUnavailableError("503"))
    world.engine.rotate("mm", requested=True)
    world.exchange.recover()
    return world


def promoted() -> Harness:
    """Return a world in which a rotation was interrupted once its token was served."""
    world = rotated_twice()
    sealed = VaultUnavailableError("sealed")
    world.exchange.before_next("list_as", lambda: world.vault.fail_next(sealed, port="journals", method="write"))
    world.engine.rotate("mm", requested=True)
    assert world.served() == world.exchange.issued[-1].token_id
    return world


SCENES: dict[str, Callable[[], Harness]] = {
    "settled": rotated_twice,
    "staged": staged,
    "promoted": promoted,
    "by hand": by_hand,
    "behind": behind,
    "drifted": drifted,
}


@settings(max_examples=int(os.environ.get("MODEL_EXAMPLES", "100")), deadline=None)
@given(
    scene=st.sampled_from(sorted(SCENES)),
    first=st.sampled_from(sorted(ORDERS)),
    other=st.sampled_from(sorted(OTHERS)),
    moment=st.integers(0, 70),
)
def test_whatever_meets_comes_right(scene: str, first: str, other: str, moment: int) -> None:
    world = SCENES[scene]()
    world.outcomes.seen.clear()
    foreign = {one.token_id for one in world.exchange.live if not _is_ours(one.label)}
    before = world.live()
    run = Stepper(world).start(lambda: ORDERS[first](world))
    for _ in range(moment):
        run.step()
    OTHERS[other](world)
    run.finish()
    world.survive()
    assert run.error is None
    _nobody_was_cut_off(world, {first, other}, before, foreign)
    _a_persons_document_is_untouched(world, other)
    world.clock.advance(timedelta(minutes=3))
    world.settle(sweeps=3)
    journal = world.vault.peek(world.location())
    if journal is not None:
        _has_come_right(world, journal, scene)


def _is_ours(label: str | None) -> bool:
    return label is not None and label.startswith("mm/")


def _nobody_was_cut_off(world: Harness, acts: set[str], before: set[str], foreign: set[str]) -> None:
    journal = world.vault.peek(world.location())
    owned = {one.token_id for one in journal.ledger} if journal else set()
    assert foreign - owned <= world.live(), "a foreign token was touched"
    if not acts & ENDING:
        abandoned = {one.token_id for one in (journal.ledger if journal else ()) if one.abandoned_at is not None}
        assert before - abandoned <= world.live(), "a token was revoked that nobody ordered to be"


def _a_persons_document_is_untouched(world: Harness, other: str) -> None:
    written = [one.token_id for one in world.exchange.issued if one.label == BY_HAND]
    if other != "a person":
        return
    versions = [one.data.get("token_id") if one.data else None for one in world.vault.versions(world.location())]
    assert versions[-1] == written[0] or world.journal().record_of(written[0]) is not None


def _has_come_right(world: Harness, journal: Journal, scene: str) -> None:
    states = {one.token_id: one.state for one in journal.ledger}
    if world.served() is not None and world.served() not in states:
        return  # another hand wrote the path: everything is left as it is
    assert journal.intent is None
    assert journal.emergency_at is None
    assert RecordState.REVOKING not in states.values()
    assert list(states.values()).count(RecordState.CURRENT) <= 1
    alive = {one.token_id for one in world.exchange.live if _is_ours(one.label)}
    if scene != "behind":  # what a lost part of a journal knew is left to people
        assert {states.get(one) for one in alive} <= OURS, "an orphan is alive"
    ordered = any(one.action is Action.RETIRE and one.result is Result.DONE for one in world.outcomes.seen)
    assert ordered <= (journal.retired_at is not None)
    if journal.retired_at is not None:
        assert not alive & set(states)
    elif journal.current is not None and world.served() == journal.current.token_id:
        assert world.served() in world.live(), "services are served a dead token"
