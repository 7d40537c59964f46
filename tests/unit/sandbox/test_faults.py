from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sandbox.exchange.faults import DEFAULT_RULES, FaultPlan, draw
from sandbox.exchange.records import ENDINGS, Call, Fault, FaultRule, PendingFault

GENERAL = [fault for fault in Fault if fault not in {Fault.HIDE_NEW_TOKENS, Fault.LAG_LAST_USED}]
REFUSING = {*ENDINGS, Fault.SKEW_CLOCK}

seeds = st.integers(-(2**63), 2**63)
calls = st.sampled_from(Call)


def rules_for(call: Call, faults: Sequence[Fault], percent: float) -> list[FaultRule]:
    return [FaultRule(fault=fault, call=call, percent=percent) for fault in faults]


@given(seeds, st.sampled_from(Fault), calls, st.integers(1, 10**9))
def test_a_draw_is_a_percentile(seed: int, fault: Fault, call: Call, number: int) -> None:
    assert 0 <= draw(seed, fault, call, number) < 100


@given(seeds, st.lists(calls, max_size=60), st.randoms())
def test_what_befalls_a_call_does_not_depend_on_the_calls_in_between(
    seed: int, order: list[Call], random: object
) -> None:
    rules = [FaultRule(fault=fault, call=call, percent=30) for call in Call for fault in GENERAL]
    shuffled = list(order)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis's random.Random

    def befallen(sequence: list[Call]) -> dict[Call, list[tuple[Fault, ...]]]:
        plan = FaultPlan(seed=seed, rules=rules)
        found: dict[Call, list[tuple[Fault, ...]]] = {}
        for call in sequence:
            found.setdefault(call, []).append(plan.befall(call).names)
        return found

    assert befallen(order) == befallen(shuffled)


@given(seeds, calls)
def test_every_fault_at_a_hundred_percent_still_leaves_one_ending(seed: int, call: Call) -> None:
    misfortune = FaultPlan(seed=seed, rules=rules_for(call, GENERAL, 100)).befall(call)
    assert [fault for fault in misfortune.names if fault in ENDINGS] == [Fault.CUT_BEFORE]


@given(seeds, calls, st.integers(1, 30))
def test_nothing_befalls_anyone_at_zero_percent(seed: int, call: Call, count: int) -> None:
    plan = FaultPlan(seed=seed, rules=rules_for(call, GENERAL, 0))
    assert [plan.befall(call).names for _ in range(count)] == [()] * count


@settings(max_examples=10)  # each is a thousand draws
@given(seeds, st.sampled_from(GENERAL))
def test_a_rate_is_about_what_was_asked_for(seed: int, fault: Fault) -> None:
    plan = FaultPlan(seed=seed, rules=rules_for(Call.LIST, [fault], 25))
    hits = sum(plan.befall(Call.LIST).names == (fault,) for _ in range(1000))
    assert 140 < hits < 360  # 250 ± 8 sigma


@given(seeds, st.sampled_from(GENERAL), st.sampled_from(GENERAL), st.integers(1, 50))
def test_adding_a_rule_for_another_fault_moves_no_stream(seed: int, one: Fault, other: Fault, count: int) -> None:
    alone = FaultPlan(seed=seed, rules=rules_for(Call.LIST, [one], 40))
    together = FaultPlan(seed=seed, rules=rules_for(Call.LIST, list({one, other}), 40))
    for _ in range(count):
        if one in alone.befall(Call.LIST).names:
            assert set(together.befall(Call.LIST).names) & {one, other}
        else:
            assert one not in together.befall(Call.LIST).names


@given(seeds, st.integers(1, 20))
def test_reseeding_replays_the_run(seed: int, count: int) -> None:
    plan = FaultPlan(seed=seed, rules=rules_for(Call.DERIVE, GENERAL, 20))
    first = [plan.befall(Call.DERIVE) for _ in range(count)]
    plan.reseed(seed)
    assert [plan.befall(Call.DERIVE) for _ in range(count)] == first


def test_a_pending_fault_befalls_as_many_calls_as_it_says_and_only_its_own() -> None:
    plan = FaultPlan(seed=0, rules=())
    plan.add_pending(PendingFault(fault=Fault.THROTTLE, call=Call.LIST, count=2))
    found = [plan.befall(call).ending for call in (Call.DERIVE, Call.LIST, Call.LIST, Call.LIST)]
    assert found == [None, Fault.THROTTLE, Fault.THROTTLE, None]


def test_two_pending_endings_befall_two_calls_in_their_order() -> None:
    plan = FaultPlan(seed=0, rules=())
    plan.add_pending(PendingFault(fault=Fault.UNAVAILABLE, call=Call.LIST))
    plan.add_pending(PendingFault(fault=Fault.CUT_BEFORE, call=Call.LIST))
    assert [plan.befall(Call.LIST).ending for _ in range(3)] == [Fault.UNAVAILABLE, Fault.CUT_BEFORE, None]


def test_pending_faults_that_go_together_befall_one_call() -> None:
    plan = FaultPlan(seed=0, rules=())
    plan.add_pending(PendingFault(fault=Fault.LOSE_ANSWER, call=Call.DERIVE))
    plan.add_pending(PendingFault(fault=Fault.HIDE_NEW_TOKENS, call=Call.DERIVE, seconds=9))
    misfortune = plan.befall(Call.DERIVE)
    assert (misfortune.ending, misfortune.seconds(Fault.HIDE_NEW_TOKENS)) == (Fault.LOSE_ANSWER, 9)


def test_a_pending_ending_takes_the_place_of_a_drawn_one() -> None:
    plan = FaultPlan(seed=0, rules=rules_for(Call.LIST, [Fault.CUT_BEFORE], 100))
    plan.add_pending(PendingFault(fault=Fault.THROTTLE, call=Call.LIST))
    assert plan.befall(Call.LIST).names == (Fault.THROTTLE,)


def test_a_pending_fault_with_equal_twins_is_used_up_once_for_each() -> None:
    plan = FaultPlan(seed=0, rules=())
    for _ in range(2):
        plan.add_pending(PendingFault(fault=Fault.SLOW, call=Call.LIST))
    assert [plan.befall(Call.LIST).names for _ in range(3)] == [(Fault.SLOW,), (Fault.SLOW,), ()]


def test_two_rules_for_one_fault_and_call_are_refused() -> None:
    with pytest.raises(ValueError, match="two rules for slow on list"):
        FaultPlan(seed=0, rules=rules_for(Call.LIST, [Fault.SLOW, Fault.SLOW], 1))


@pytest.mark.parametrize("call", [Call.ORDER, Call.PROFILE, Call.MAINTENANCE])
def test_by_default_what_a_trading_service_calls_is_never_refused(call: Call) -> None:
    assert not {rule.fault for rule in DEFAULT_RULES if rule.call is call} & REFUSING


def test_by_default_every_fault_occurs_at_a_low_rate() -> None:
    assert {rule.fault for rule in DEFAULT_RULES} == set(Fault)
    assert all(0 < rule.percent <= 2 for rule in DEFAULT_RULES)


@pytest.mark.parametrize(
    "fault, call", [(Fault.HIDE_NEW_TOKENS, Call.ORDER), (Fault.LAG_LAST_USED, Call.DERIVE)], ids=str
)
def test_a_fault_that_means_nothing_for_a_call_is_refused(fault: Fault, call: Call) -> None:
    with pytest.raises(ValidationError, match="means nothing for"):
        FaultRule(fault=fault, call=call, percent=1)


def test_only_the_clock_may_go_backwards() -> None:
    assert FaultRule(fault=Fault.SKEW_CLOCK, call=Call.LIST, percent=1, seconds=-60).effective_seconds == -60
    with pytest.raises(ValidationError, match="may go backwards"):
        FaultRule(fault=Fault.SLOW, call=Call.LIST, percent=1, seconds=-1)
