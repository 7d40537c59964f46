"""The model itself: the same seed is the same run, and every call is a switching point."""

from typing import Any

import pytest

from tests.model.driver import Run, run
from tests.model.report import account_of, trace_of
from tests.model.weather import KINDS
from tests.model.wire import Act, hooked


@pytest.mark.parametrize("seed", [3, 4])
def test_the_same_seed_is_the_same_run(seed: int) -> None:
    assert run(seed, traced=True, steps=15).trace == run(seed, traced=True, steps=15).trace


def test_a_trace_changes_nothing() -> None:
    assert run(5, steps=15).counts == run(5, steps=15, traced=True).counts


def test_no_disturbance_breaks_no_promise() -> None:
    for seed in range(5):
        assert run(seed, only=frozenset()).violations == ()


def test_every_call_is_a_switching_point_before_and_after() -> None:
    driven = Run(1, only=frozenset())
    slept: list[float] = []
    world = driven.world
    world.equip(driven.carrier)
    sleep = world.scheduler.sleep

    def counted(seconds: float) -> None:
        slept.append(seconds)
        sleep(seconds)

    world.scheduler.sleep = counted  # type: ignore[method-assign] # counts the switching points
    world.tracing = True
    world.start("rotate", "mm", world.processes[0], lambda: world.processes[0].engine.rotate("mm"))
    sleep(60.0)
    calls = [one for one in world.trace if one[2].endswith("...")]
    assert len(calls) > 10
    assert len(slept) == 2 * len(calls)


def test_a_method_that_a_port_is_given_later_goes_over_the_wire_too() -> None:
    class Port:
        def known(self, what: str) -> str:
            return what

        def new(self, *, location: str) -> str:
            return location

    class Wire:
        def __init__(self) -> None:
            self.carried: list[tuple[str, str, dict[str, Any]]] = []

        def carry(self, port: str, method: str, act: Act, arguments: dict[str, Any]) -> Any:
            self.carried.append((port, method, arguments))
            return act()

    wire = Wire()
    port = hooked(Port(), "vault", wire)
    assert (port.known("x"), port.new(location="y")) == ("x", "y")
    assert wire.carried == [("vault", "known", {"what": "x"}), ("vault", "new", {"location": "y"})]


@pytest.mark.parametrize("kind", KINDS)
def test_every_disturbance_takes_place(kind: str) -> None:
    quiet = [run(seed, only=frozenset(), steps=10, traced=True).trace for seed in range(3)]
    struck = [run(seed, only=frozenset({kind}), steps=10, traced=True).trace for seed in range(3)]
    assert struck != quiet


def test_a_run_says_what_was_drawn() -> None:
    assert set(Run(1, only=frozenset({"late"})).weather.often) == {"late"}


def test_an_account_counts_what_was_run() -> None:
    rans = [run(seed, only=frozenset(), steps=5) for seed in range(2)]
    assert account_of(rans, 3.0).startswith("2 runs in 3 s: ")
    assert trace_of(rans[0]).startswith("seed 0; disturbances: none")
