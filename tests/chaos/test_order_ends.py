"""How an order may end: each healthy end is green, and each half of one is seen."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from sandbox.chaos.assertions import READ_AGAIN, Evidence, judge
from sandbox.chaos.cells import ORDERS, Scenario
from sandbox.chaos.order_ends import LASTING, PREPARED
from sandbox.chaos.progress import progress_of
from sandbox.chaos.truth import Truth
from tests.build import NOON, ago, intent, journal, record
from tests.chaos.facts import evidence, token
from worker.journal import RecordState

REVOKED = {"promoted": ago(hours=2), "superseded": ago(hours=1), "secret_destroyed": True}
FIRST = record(1, RecordState.CURRENT, promoted=ago(hours=2))
ALONE = Truth(journal(FIRST), "t1", (token(1),))
"""One token, current and served: how an emergency, an end of life and a pause find a credential."""
PAIR = Truth(
    journal(
        record(1, RecordState.SUPERSEDED, promoted=ago(hours=2), superseded=ago(hours=1)),
        record(2, RecordState.CURRENT, promoted=ago(hours=1)),
    ),
    "t2",
    (token(1), token(2)),
)
"""A current token and its predecessor."""

UNTOUCHED: Mapping[Scenario, Truth] = {
    Scenario.ADOPTION: Truth(None, "t1", (token(1),)),
    Scenario.ROLLBACK: PAIR,
    Scenario.EMERGENCY: ALONE,
    Scenario.RETIREMENT: ALONE,
    Scenario.PAUSE: ALONE,
}
DONE: Mapping[Scenario, Truth] = {
    Scenario.ADOPTION: ALONE,
    Scenario.ROLLBACK: Truth(
        journal(
            record(2, RecordState.SUPERSEDED, promoted=ago(hours=1), superseded=ago(minutes=1)),
            record(1, RecordState.CURRENT, promoted=ago(minutes=1)),
        ),
        "t1",
        (token(1), token(2)),
    ),
    Scenario.EMERGENCY: Truth(
        journal(
            record(1, RecordState.REVOKED, **REVOKED),  # type: ignore[arg-type]  # the fields of one record
            record(2, RecordState.CURRENT, promoted=ago(minutes=1)),
        ),
        "t2",
        (token(1, live=False), token(2)),
    ),
    Scenario.RETIREMENT: Truth(
        journal(record(1, RecordState.REVOKED, **REVOKED), retired_at=NOON),  # type: ignore[arg-type]  # likewise
        None,
        (token(1, live=False),),
    ),
    Scenario.PAUSE: replace(ALONE, paused=True),
}

every_order = pytest.mark.parametrize("scenario", sorted(ORDERS))


def seen(scenario: Scenario, truth: Truth, **changes: object) -> Evidence:
    return evidence(scenario=scenario, truth=truth, **changes)


def broken(scenario: Scenario, truth: Truth, **changes: object) -> set[str]:
    return {violation.promise for violation in judge(seen(scenario, truth, **changes))}


def test_every_order_says_how_many_tokens_it_finds() -> None:
    assert PREPARED.keys() == ORDERS


@every_order
def test_an_order_that_is_carried_out_breaks_no_promise(scenario: Scenario) -> None:
    assert judge(seen(scenario, DONE[scenario], insisted=True)) == ()


@every_order
def test_an_order_that_left_no_trace_and_was_not_given_again_breaks_no_promise(scenario: Scenario) -> None:
    assert judge(seen(scenario, UNTOUCHED[scenario])) == ()


@pytest.mark.parametrize("scenario", sorted(LASTING))
def test_an_order_that_was_given_again_must_have_been_done(scenario: Scenario) -> None:
    assert broken(scenario, UNTOUCHED[scenario], insisted=True) == {"an order is carried out, or leaves no trace"}


def test_a_rollback_given_twice_may_have_taken_itself_back() -> None:
    assert broken(Scenario.ROLLBACK, PAIR, insisted=True) == set()


@pytest.mark.parametrize("scenario", [Scenario.ADOPTION, Scenario.ROLLBACK, Scenario.RETIREMENT, Scenario.PAUSE])
def test_only_an_emergency_issues_tokens(scenario: Scenario) -> None:
    more = replace(DONE[scenario], tokens=(*DONE[scenario].tokens, token(9, live=False)))
    assert "an order is carried out, or leaves no trace" in broken(scenario, more)


@pytest.mark.parametrize(
    "scenario, half",
    [
        (Scenario.ROLLBACK, replace(PAIR, journal=journal(*PAIR.journal.ledger, intent=intent()))),  # type: ignore[union-attr]  # it is there
        (Scenario.EMERGENCY, replace(ALONE, journal=journal(FIRST, emergency_at=NOON))),
        (Scenario.EMERGENCY, replace(DONE[Scenario.EMERGENCY], tokens=(token(1), token(2)))),
        (Scenario.RETIREMENT, replace(ALONE, journal=journal(FIRST, retired_at=NOON))),
        (Scenario.RETIREMENT, replace(DONE[Scenario.RETIREMENT], served="t1")),
    ],
)
def test_half_an_order_is_not_settled(scenario: Scenario, half: Truth) -> None:
    assert not progress_of(half, scenario).settled


@pytest.mark.parametrize(
    "scenario, half",
    [
        (Scenario.EMERGENCY, replace(ALONE, journal=journal(FIRST, emergency_at=NOON))),
        (Scenario.RETIREMENT, replace(DONE[Scenario.RETIREMENT], served="t1")),
    ],
)
def test_half_an_order_is_red(scenario: Scenario, half: Truth) -> None:
    assert "an order is carried out, or leaves no trace" in broken(scenario, half)


@every_order
def test_only_what_is_done_is_taken_over(scenario: Scenario) -> None:
    assert progress_of(DONE[scenario], scenario).taken_over
    assert not progress_of(UNTOUCHED[scenario], scenario).taken_over


def test_a_rollback_is_not_settled_before_the_successor_is_revoked() -> None:
    assert not progress_of(DONE[Scenario.ROLLBACK], Scenario.ROLLBACK).settled


@pytest.mark.parametrize("scenario", [Scenario.ADOPTION, Scenario.ROLLBACK, Scenario.PAUSE])
def test_nobody_is_rejected_by_an_order_that_cuts_nobody_off(scenario: Scenario) -> None:
    assert "the trader is never rejected" in broken(scenario, DONE[scenario], refused=1)


def test_nobody_is_rejected_by_an_emergency_that_was_never_begun() -> None:
    assert broken(Scenario.EMERGENCY, ALONE, refused=1) == {"the trader is never rejected"}


def rejected(number: int, after: timedelta) -> Truth:
    """An emergency that is over, after which token `number` was refused for that long."""
    end = DONE[Scenario.EMERGENCY]
    changed = {"first_rejected_at": NOON, "last_rejected_at": NOON + after, "rejections": 3}
    tokens = tuple(one.model_copy(update=changed) if one.token_id == f"t{number}" else one for one in end.tokens)
    return replace(end, tokens=tokens)


@pytest.mark.parametrize(
    "number, after, expected",
    [
        (1, timedelta(seconds=1), set()),
        (1, READ_AGAIN + timedelta(seconds=1), {"the trader is never rejected"}),
        (2, timedelta(seconds=1), {"the trader is never rejected"}),
    ],
)
def test_in_an_emergency_old_tokens_alone_may_be_refused_until_vault_is_read_again(
    number: int, after: timedelta, expected: set[str]
) -> None:
    truth = rejected(number, after)
    assert broken(Scenario.EMERGENCY, truth, refused=3, refused_with=frozenset({f"t{number}"})) == expected


def test_whoever_uses_a_retired_token_may_be_rejected_for_good() -> None:
    truth, refused = DONE[Scenario.RETIREMENT], frozenset({"t1"})
    assert broken(Scenario.RETIREMENT, truth, refused=90, refused_with=refused) == set()


def test_what_is_done_on_a_doubted_list_is_red() -> None:
    assert "nothing is done on a list that shrank" in broken(Scenario.SHRINKING, PAIR, done_in_doubt=1)
