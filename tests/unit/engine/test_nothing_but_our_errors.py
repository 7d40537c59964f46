"""Whatever meets whatever: what an engine or an order raises, if anything, is an error of ours, and no bug's."""

import os
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import hypothesis.strategies as st
from hypothesis import HealthCheck, example, given, settings

from tests.fakes.vault import Call
from tests.harness import ACCOUNT, Harness
from tests.scenes import ORDER, behind, by_hand, drifted, rotated_twice
from tests.stepping import SteppedRun, Stepper
from worker.engine import Engine
from worker.errors import AuthenticationRefusedError, ExchangeUnavailableError, RotatorError, VaultUnavailableError


def due() -> Harness:
    """Return a world whose credential is due for its second rotation."""
    world = Harness()
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(timedelta(days=7))
    return world


def over() -> Harness:
    """Return a world with a superseded token that is to be revoked."""
    world = rotated_twice()
    world.clock.advance(timedelta(hours=30))
    world.use_served()
    world.clock.advance(timedelta(minutes=20))
    return world


SCENES: dict[str, Callable[[], Harness]] = {
    "new": Harness,
    "due": due,
    "settled": rotated_twice,
    "over": over,
    "by hand": by_hand,
    "behind": behind,
    "drifted": drifted,
}
WORKS: dict[str, Callable[[Engine], object]] = {
    "rotate": lambda engine: engine.rotate("mm"),
    "request": lambda engine: engine.rotate("mm", requested=True),
    "revoke": lambda engine: engine.revoke(ACCOUNT),
    "flag": lambda engine: engine.flag(ACCOUNT),
    "resume": lambda engine: engine.resume("mm"),
    "adopt": lambda engine: engine.ordered_by(ORDER).adopt("mm"),
    "reclaim": lambda engine: engine.ordered_by(ORDER).adopt("mm", reclaim=True),
    "emergency": lambda engine: engine.ordered_by(ORDER).emergency("mm"),
    "rollback": lambda engine: engine.ordered_by(ORDER).rollback("mm"),
    "revoke all": lambda engine: engine.ordered_by(ORDER).revoke_all("mm"),
    "retire": lambda engine: engine.ordered_by(ORDER).retire("mm"),
}
CALLS = ("consumers.write", "consumers.rewrite", "consumers.read", "journals.write", "journals.read", "derive_token",
         "revoke_token", "list_tokens_as", "list_tokens")  # fmt: skip
"""Before which call a run is stopped."""


def _puts_back_the_version_before(world: Harness) -> None:
    live = [one for one in world.vault.versions(world.location()) if one.live]
    if len(live) > 1:
        world.vault.put_foreign(world.location(), live[-2].data)


def _deletes_the_path(world: Harness) -> None:
    if world.vault.versions(world.location()):
        world.vault.delete_foreign(world.location())


def _puts_a_token_of_their_own(world: Harness) -> None:
    token = world.exchange.issue_by_person("new bot")
    data = {"token_id": token.token_id, "secret": token.secret.get_secret_value()}
    world.vault.put_foreign(world.location(), data)


EVENTS: dict[str, Callable[[Harness], object]] = {
    "a person puts the version before back": _puts_back_the_version_before,
    "a person deletes what is there": _deletes_the_path,
    "a person puts a token of their own there": _puts_a_token_of_their_own,
    "a person writes something else there": lambda world: world.vault.put_foreign(world.location()),
    "the exchange refuses what is signed": lambda world: world.exchange.fail_next(
        "list_as", AuthenticationRefusedError("401", status=401), count=99
    ),
    "the exchange is well again": lambda world: world.exchange.recover(),
    "a derive's answer is lost": lambda world: world.exchange.lose_next("derive"),
    "a revocation's answer is lost": lambda world: world.exchange.lose_next(
        "revoke", ExchangeUnavailableError("connection reset")
    ),
    "a write lands and its answer is lost": lambda world: world.vault.lose_next_answer(readback=False),
    "a write's answer is lost": lambda world: world.vault.lose_next_answer(landed=False),
    "vault is sealed for a call": lambda world: world.vault.fail_next(VaultUnavailableError("sealed")),
    "three minutes pass": lambda world: world.clock.advance(timedelta(minutes=3)),
    "a day passes": lambda world: world.clock.advance(timedelta(days=1)),
}

moves = st.one_of(
    st.tuples(st.integers(0, 1), st.sampled_from(CALLS)),
    st.tuples(st.integers(0, 1), st.sampled_from(CALLS)),
    st.tuples(st.integers(0, 1), st.integers(1, 5)),
    st.sampled_from(sorted(EVENTS)),
)


@settings(
    max_examples=int(os.environ.get("MODEL_EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    scene=st.sampled_from(sorted(SCENES)),
    works=st.tuples(st.sampled_from(sorted(WORKS)), st.sampled_from(sorted(WORKS))),
    story=st.lists(moves, max_size=12),
)
@example(  # a refusal that finds its token promoted by another worker
    scene="due",
    works=("rotate", "rotate"),
    story=[
        (0, "consumers.write"),
        "the exchange refuses what is signed",
        (1, "consumers.rewrite"),
        (0, "journals.write"),
    ],
)
def test_no_order_of_events_lets_anything_but_our_errors_out(
    scene: str, works: tuple[str, str], story: list[tuple[int, str | int] | str]
) -> None:
    world = SCENES[scene]()
    stepper, passed = Stepper(world), _Passed(world)
    runs = [stepper.start(partial(WORKS[one], world.new_engine())) for one in works]
    for move in story:
        if isinstance(move, str):
            EVENTS[move](world)
        else:
            number, how_far = move
            _go(passed, runs[number], how_far)
    for run in runs:
        run.finish()
    for run in runs:
        assert run.error is None or isinstance(run.error, RotatorError)


class _Passed:
    """Which call the run that was stepped last stands at."""

    def __init__(self, world: Harness) -> None:
        self.last = ""
        at_vault, at_exchange = world.vault.on_call, world.hooked.hook
        assert at_vault is not None

        def note_vault(call: Call) -> None:
            self.last = f"{call.moment} {call.port}.{call.method}"
            at_vault(call)

        def note_exchange(moment: str) -> None:
            self.last = moment
            at_exchange(moment)

        world.vault.on_call, world.hooked.hook = note_vault, note_exchange


def _go(passed: _Passed, run: SteppedRun, how_far: str | int) -> None:
    """Let the run make that many steps, or go on until it stands before that call (or has ended)."""
    for _ in range(how_far if isinstance(how_far, int) else 200):
        run.step()
        if run.finished or passed.last == f"before {how_far}":
            return
