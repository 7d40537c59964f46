"""The matrix: every call with everything that can happen to it, and the ways to choose from it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.chaos.cells import (
    ORDER_VARIANTS,
    QUICK_WRITES,
    VARIANTS,
    Fault,
    RemoteCall,
    Scenario,
    Team,
    build_matrix,
    check_names,
    quick_subset,
    select,
    spread_out,
    worth_striking,
)
from sandbox.chaos.naming import calls_of
from sandbox.chaos.proxy import Moment

CALLS = calls_of(
    Scenario.ROTATION,
    [("vault", "get-journal"), ("vault", "post-journal"), ("exchange", "post-derive"), ("vault", "post-journal")],
)
MANY = st.integers(0, 60).map(lambda count: [RemoteCall(Scenario.FIRST, n, "vault", f"c{n}", 1) for n in range(count)])


def test_every_call_meets_every_moment_fault_and_team() -> None:
    met = {(one.call, one.moment, one.fault, one.team) for one in build_matrix(CALLS)}
    assert len(met) == len(CALLS) * len(Moment) * len(Fault) * len(Team)


def test_no_two_cells_have_the_same_id() -> None:
    ids = [cell.id for cell in build_matrix(CALLS)]
    assert len(set(ids)) == len(ids)


def test_calls_of_one_name_are_told_apart_by_their_occurrence() -> None:
    assert [call.slug for call in CALLS] == [
        "rotation.get-journal-1",
        "rotation.post-journal-1",
        "rotation.post-derive-1",
        "rotation.post-journal-2",
    ]


@given(calls=MANY, seed=st.integers())
def test_the_quick_subset_has_one_cell_for_each_call(calls: list[RemoteCall], seed: int) -> None:
    assert [cell.call for cell in quick_subset(calls, seed)] == calls


@given(calls=MANY, seed=st.integers())
def test_the_quick_subset_lets_every_variant_come_up_before_any_does_again(calls: list[RemoteCall], seed: int) -> None:
    cells = quick_subset(calls, seed)[: len(VARIANTS)]
    assert len({(one.moment, one.fault, one.team) for one in cells}) == len(cells)


@given(calls=MANY, seed=st.integers(), most=st.integers(1, 40))
def test_a_part_of_the_cells_is_spread_over_all_of_them(calls: list[RemoteCall], seed: int, most: int) -> None:
    cells = quick_subset(calls, seed)
    part = spread_out(cells, most)
    assert len(part) == min(most, len(cells))
    assert [one for one in cells if one in part] == list(part)
    gaps = [later - earlier for earlier, later in pairwise(cells.index(one) for one in part)]
    assert max(gaps, default=1) <= len(cells) // most + 1


@given(seed=st.integers())
def test_the_quick_subset_is_the_same_for_the_same_seed(seed: int) -> None:
    assert quick_subset(CALLS, seed) == quick_subset(CALLS, seed)


def order_calls(*seen: tuple[str, str]) -> tuple[RemoteCall, ...]:
    return calls_of(Scenario.ROLLBACK, seen)


def test_of_an_order_every_write_is_struck() -> None:
    calls = order_calls(("vault", "post-journal"), ("exchange", "delete-token"), ("vault", "post-journal"))
    assert worth_striking(calls) == calls


def test_of_what_an_order_reads_one_call_is_struck_at_the_exchange_if_there_is_one() -> None:
    calls = order_calls(("vault", "get-journal"), ("exchange", "get-tokens"), ("exchange", "get-tokens"))
    assert worth_striking(calls) == (calls[1],)


def test_of_what_an_order_tells_redis_nothing_is_struck() -> None:
    calls = order_calls(("redis", "xadd-events"), ("vault", "get-journal"))
    assert worth_striking(calls) == (calls[1],)


def test_an_order_meets_its_own_variants_only() -> None:
    met = [(one.moment, one.fault, one.team) for one in build_matrix(order_calls(("vault", "post-journal")))]
    assert met == list(ORDER_VARIANTS)


def test_the_quick_subset_leaves_out_what_orders_read() -> None:
    calls = order_calls(("vault", "get-journal"), ("vault", "post-journal"))
    assert [cell.call for cell in quick_subset(calls, seed=1)] == [calls[1]]


@given(seed=st.integers())
def test_the_quick_subset_strikes_a_few_writes_of_an_order(seed: int) -> None:
    calls = order_calls(*[("vault", "post-journal")] * 9)
    assert len(quick_subset(calls, seed)) == QUICK_WRITES


def test_a_cell_is_chosen_by_its_id() -> None:
    cells = build_matrix(CALLS)
    assert select(cells, [cells[5].id]) == (cells[5],)


def test_cells_are_chosen_by_what_their_ids_begin_with() -> None:
    chosen = select(build_matrix(CALLS), ["rotation.post-journal-1"])
    assert {cell.call for cell in chosen} == {CALLS[1]}
    assert len(chosen) == len(VARIANTS)


def test_without_a_name_all_are_chosen() -> None:
    assert select(build_matrix(CALLS), []) == build_matrix(CALLS)


def test_a_name_that_fits_no_cell_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"rotation\.post-jour"):
        check_names(build_matrix(CALLS), ["rotation.post-jour"])
