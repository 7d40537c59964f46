from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.soak.blows import Kind
from sandbox.soak.measure import Promotion, Rotation, Spread, Struck, duplicates, recoveries, rotations, spread
from tests.fakes.clock import START

PERIOD = timedelta(seconds=30)
seconds = st.floats(0, 1000).map(lambda one: timedelta(seconds=round(one, 3)))


def at(offset: float) -> timedelta:
    return timedelta(seconds=offset)


def promotion(name: str, offset: float, rotation_id: str = "") -> Promotion:
    return Promotion(name, START + at(offset), rotation_id or f"{name}-{offset}")


def rotation(due: float, done: float) -> Rotation:
    return Rotation("mm", "id", START + at(due), START + at(done))


def blow(begun: float, over: float, kind: Kind = Kind.WORKER_KILLED) -> Struck:
    return Struck(kind, START + at(begun), START + at(over))


def test_the_first_token_of_a_credential_is_no_rotation() -> None:
    assert rotations([promotion("mm", 0), promotion("taker", 3)], PERIOD) == ()


def test_a_rotation_is_due_a_period_after_the_promotion_before_it() -> None:
    found = rotations([promotion("mm", 0), promotion("mm", 34, "second")], PERIOD)
    assert found == (Rotation("mm", "second", START + PERIOD, START + at(34)),)


def test_a_promotion_that_was_seen_twice_counts_once() -> None:
    assert len(rotations([promotion("mm", 0), promotion("mm", 34), promotion("mm", 34)], PERIOD)) == 1


def test_one_rotation_for_each_due_date_is_no_duplicate() -> None:
    assert duplicates(rotations([promotion("mm", 0), promotion("mm", 30), promotion("mm", 61)], PERIOD)) == ()


def test_a_rotation_before_its_due_date_is_a_duplicate() -> None:
    found = duplicates(rotations([promotion("mm", 0), promotion("mm", 31), promotion("mm", 31.2, "twice")], PERIOD))
    assert [one.rotation_id for one in found] == ["twice"]


@given(st.lists(seconds, min_size=1, max_size=8))
def test_rotations_that_keep_the_period_are_never_duplicates(pauses: list[timedelta]) -> None:
    moment, made = START, [Promotion("mm", START, "0")]
    for number, pause in enumerate(pauses, 1):
        moment += PERIOD + pause
        made.append(Promotion("mm", moment, str(number)))
    assert duplicates(rotations(made, PERIOD)) == ()


@pytest.mark.parametrize(
    "due, done, expected",
    [
        (10, 15, 5),  # was waiting when the blow was over
        (3, 15, 5),  # waited already when it fell
        (11, 15, None),  # became due later
        (3, 9, None),  # was done in time
    ],
)
def test_recovery_runs_from_the_end_of_a_blow_to_the_rotation_that_waited(
    due: float, done: float, expected: float | None
) -> None:
    found = [late.total_seconds() for late in recoveries(blow(5, 10), [rotation(due, done)])]
    assert found == ([] if expected is None else [expected])


def test_the_shortest_recovery_comes_first() -> None:
    found = recoveries(blow(5, 10), [rotation(6, 19), rotation(7, 12)])
    assert found == (at(2), at(9))


@given(seconds, st.lists(st.tuples(seconds, seconds), max_size=6))
def test_a_recovery_is_never_longer_than_the_rotation_was_late(
    over: timedelta, done: list[tuple[timedelta, timedelta]]
) -> None:
    each = [Rotation("mm", str(number), START + due, START + due + late) for number, (due, late) in enumerate(done)]
    longest = max((one.late for one in each), default=timedelta())
    found = recoveries(Struck(Kind.VAULT_SEALED, START, START + over), each)
    assert all(timedelta() < late <= longest for late in found)


def test_nothing_has_no_spread() -> None:
    assert spread([]) == Spread(0)


def test_percentiles_are_values_that_were_measured() -> None:
    assert spread([at(one) for one in range(1, 201)]) == Spread(200, 100.0, 198.0, 200.0)


@given(st.lists(seconds, min_size=1, max_size=50))
def test_percentiles_are_in_order(values: list[timedelta]) -> None:
    found = spread(values)
    assert found.p50 is not None
    assert found.p99 is not None
    assert found.longest is not None
    assert found.p50 <= found.p99 <= found.longest
