"""What wins when several rules that concern one superseded token meet: every pair that can."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Account, Freeze, Guards, Policy
from tests.build import NOON, account, ago, facts, intent, journal, listed, path, record, served, state
from worker.account_ledger import AccountLedger, Dangling, Outage, Pause, Suspicion
from worker.journal import RecordState
from worker.models import PathContent
from worker.policy.facts import AccountFacts
from worker.policy.plan import plan_revocations
from worker.policy.steps import Action, Plan, Reason

CURRENT, SUPERSEDED, REVOKING = RecordState.CURRENT, RecordState.SUPERSEDED, RecordState.REVOKING
FREEZE = Freeze(reason="election", start=ago(days=1), until=NOON + timedelta(days=1))

LEDGER: dict[str, dict[str, Any]] = {
    "account paused": {"pauses": (Pause(since=ago(hours=1), by="ann", reason="migration"),)},
    "paused": {"pauses": (Pause(credential="mm", since=ago(hours=1), by="ann", reason="migration"),)},
    "list doubted": {"suspicion": Suspicion(token_ids=(), first_at=ago(minutes=1), lost=3, sentence="It lacks 3.")},
    "dangling": {"dangling": (Dangling(credential="mm", token_id="t2", proved_at=ago(minutes=1)),)},
    "outage": {"outage": Outage(since=ago(hours=4), until=ago(minutes=30))},
}
POLICY: dict[str, dict[str, Any]] = {
    "adoption waived": {"require_adoption": False},
    "overlap revokes": {"on_overlap": "revoke"},
    "stale revokes": {"on_stale": "revoke"},
}
HINDRANCES = {
    *LEDGER, "unlistable", "clocks apart", "clock unknown", "frozen", "drifted", "unreadable", "in flight", "staged",
    "current not live",
}  # fmt: skip
OF_TOKEN = {"in grace", "old", "unlisted", "used", "adopted", "overlap over", "stale", "superseded unknown"}


def meet(*what: str, state_of_old: RecordState = SUPERSEDED, **of_old: object) -> AccountFacts:
    """Return an account with a token t1 that was superseded 25 hours ago by t2, to which those things happen at once.

    Nobody has used t1 for hours, nor ever t2, unless a word says so.
    """
    assert set(what) <= {*HINDRANCES, *POLICY, *OF_TOKEN}, "a word that this table does not know"
    changes: dict[str, Any] = {}
    for one in what:
        changes |= POLICY.get(one, {})
    policy = Policy(spread=0, **changes)
    superseded = ago(hours=23) if "in grace" in what else ago(days=4) if "overlap over" in what else ago(hours=25)
    born = ago(days=60) if "stale" in what else ago(days=15) if "old" in what else ago(days=10)
    old = record(
        1,
        state_of_old,
        promoted=born,
        superseded=None if "superseded unknown" in what else superseded,
        derived=ago(days=15) if "old" in what else ago(days=10),
        **of_old,
    )
    new = record(2, CURRENT, promoted=superseded)
    opened = intent(9, staged="staged" in what) if {"in flight", "staged"} & set(what) else None
    used_old = ago(minutes=1) if "used" in what else ago(days=40) if "stale" in what else ago(hours=5)
    tokens = [listed(3, label="laptop", token_id="x")]
    if "unlisted" not in what:
        tokens.append(listed(1, used=used_old))
    if "current not live" not in what:
        tokens.append(listed(2, used=ago(minutes=5) if "adopted" in what else None))
    at_path = path(PathContent.FOREIGN, 9) if "drifted" in what else served(2)
    credential = facts(journal(old, new, intent=opened), at_path, policy=policy)
    if "unreadable" in what:
        credential = facts(None, None, unreadable="Vault is sealed")
    ledger = AccountLedger(account="main")
    for word in what:
        ledger = ledger.model_copy(update=LEDGER.get(word, {}))
    world = account(
        credential,
        tokens=None if "unlistable" in what else tuple(tokens),
        exchange_time=NOON + timedelta(minutes=1) if "clocks apart" in what else NOON,
        vault_time=None if "clock unknown" in what else NOON,
        settings=Account(name="main", guards=Guards(max_revocations_share=1.0)),
    )
    now = state(ledger, *([FREEZE] if "frozen" in what else []))
    credentials = tuple(each if each.unreadable else replace(each, state=now) for each in world.credentials)
    return replace(world, state=now, credentials=credentials)


def decided(plan: Plan) -> tuple[bool, Reason]:
    """Return whether t1 is revoked, and the one reason for it or against it."""
    reasons = [step.reason for step in plan.steps if step.action is Action.REVOKE]
    reasons += [hold.reason for hold in plan.holds if hold.reason is not Reason.FOREIGN]
    (reason,) = reasons
    return bool(plan.steps), reason


TABLE = [
    # grace comes before everything else that concerns the token
    ("in grace", False, Reason.IN_GRACE),
    ("in grace, adopted", False, Reason.IN_GRACE),
    ("in grace, old", False, Reason.IN_GRACE),
    ("in grace, unlisted", False, Reason.IN_GRACE),
    ("in grace, used", False, Reason.IN_GRACE),
    ("in grace, adoption waived", False, Reason.IN_GRACE),
    ("in grace, stale, stale revokes", False, Reason.IN_GRACE),
    # max_age waives quiet and adoption
    ("old", True, Reason.AGE_OVER),
    ("old, used", True, Reason.AGE_OVER),
    ("old, unlisted", True, Reason.AGE_OVER),
    ("old, adopted", True, Reason.AGE_OVER),
    ("old, overlap over", True, Reason.AGE_OVER),
    # unlisted is unknown
    ("unlisted", False, Reason.NOT_LISTED),
    ("unlisted, adopted", False, Reason.NOT_LISTED),
    ("unlisted, overlap over", False, Reason.NOT_LISTED),
    ("unlisted, overlap over, overlap revokes", False, Reason.NOT_LISTED),
    ("unlisted, adoption waived", False, Reason.NOT_LISTED),
    # quiet
    ("used, adopted", False, Reason.STILL_USED),
    ("used, adoption waived", False, Reason.STILL_USED),
    ("used, overlap over", False, Reason.STILL_USED),
    ("used, overlap revokes", False, Reason.STILL_USED),
    ("used, overlap over, overlap revokes", True, Reason.OVERLAP_OVER),
    ("used, adopted, overlap over, overlap revokes", True, Reason.OVERLAP_OVER),
    ("outage, adopted", False, Reason.STILL_USED),
    ("outage, used, adopted", False, Reason.STILL_USED),
    # adoption
    ("adopted", True, Reason.GRACE_OVER),
    ("adoption waived", True, Reason.GRACE_OVER),
    ("adopted, overlap over", True, Reason.GRACE_OVER),
    ("adopted, overlap revokes", True, Reason.GRACE_OVER),
    ("overlap over", True, Reason.OVERLAP_OVER),
    ("overlap over, overlap revokes", True, Reason.OVERLAP_OVER),
    ("overlap revokes", False, Reason.NOT_ADOPTED_YET),
    # a credential that nobody uses
    ("stale", False, Reason.NOT_ADOPTED_YET),
    ("stale revokes", False, Reason.NOT_ADOPTED_YET),
    ("stale, stale revokes", True, Reason.STALE_REVOKED),
    ("used, stale revokes", False, Reason.STILL_USED),
    # what is unknown
    ("superseded unknown", False, Reason.TIME_UNKNOWN),
    ("superseded unknown, old", False, Reason.TIME_UNKNOWN),
    ("superseded unknown, overlap over, overlap revokes", False, Reason.TIME_UNKNOWN),
]


@pytest.mark.parametrize("what, goes, reason", TABLE, ids=[what for what, *_ in TABLE])
def test_a_superseded_token_that_is(what: str, goes: bool, reason: Reason) -> None:  # noqa: FBT001 - a table
    assert decided(plan_revocations(meet(*what.split(", ")), NOON)) == (goes, reason)


def test_a_superseded_token_that_nothing_is_known_of_waits_to_be_adopted() -> None:
    assert decided(plan_revocations(meet(), NOON)) == (False, Reason.NOT_ADOPTED_YET)


# --- every pair of what holds a revocation back ---------------------------------------------------------------------

RANKED = [
    ("unlistable", Reason.UNREADABLE),
    ("clock unknown", Reason.TIME_UNKNOWN),
    ("clocks apart", Reason.CLOCKS_DIFFER),
    ("account paused", Reason.PAUSED),
    ("frozen", Reason.FROZEN),
    ("list doubted", Reason.LIST_SHRANK),
    ("unreadable", Reason.UNREADABLE),
    ("drifted", Reason.DRIFTED),
    ("paused", Reason.PAUSED),
    ("in flight", Reason.INTENT_OPEN),
    ("staged", Reason.INTENT_OPEN),
    ("current not live", Reason.CURRENT_NOT_LIVE),
    ("in grace", Reason.IN_GRACE),
]
"""What holds back a token that could be revoked otherwise, the strongest first."""

IMPOSSIBLE = ({"in flight", "staged"}, {"account paused", "paused"})
PAIRS = [pair for pair in combinations(RANKED, 2) if not any({pair[0][0], pair[1][0]} <= group for group in IMPOSSIBLE)]


@pytest.mark.parametrize("what, reason", RANKED, ids=[what for what, _ in RANKED])
def test_a_token_that_could_go_stays_when_the_credential_is(what: str, reason: Reason) -> None:
    assert decided(plan_revocations(meet(what, "adopted"), NOON)) == (False, reason)


@pytest.mark.parametrize("pair", PAIRS, ids=[f"{one[0]} and {other[0]}" for one, other in PAIRS])
def test_of_two_that_hold_a_revocation_back_the_stronger_is_named(pair: tuple[tuple[str, Reason], ...]) -> None:
    (stronger, reason), (weaker, _) = pair
    assert decided(plan_revocations(meet(stronger, weaker, "adopted"), NOON)) == (False, reason)


@pytest.mark.parametrize("what", sorted({what for what, _ in RANKED} - {"in grace"}))
@pytest.mark.parametrize("state_of_old", [RecordState.ABANDONED, REVOKING, SUPERSEDED])
def test_nothing_goes_for_its_age_either_when_the_credential_is(what: str, state_of_old: RecordState) -> None:
    assert plan_revocations(meet(what, "old", state_of_old=state_of_old), NOON).steps == ()


# --- what a person ordered ------------------------------------------------------------------------------------------

WAIVED = sorted(HINDRANCES - {"unreadable", "in flight", "staged"})
ORDERS = ("compromised", "retired", "ordered")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("what", WAIVED)
def test_a_revocation_that_a_person_ordered_goes_on_when_the_credential_is(what: str, order: str) -> None:
    world = meet(what, state_of_old=REVOKING, revoking_reason=order, revoking_at=ago(minutes=1))
    steps = [(step.token_id, step.reason.value) for step in plan_revocations(world, NOON).steps]
    assert steps == [("t1", order)]


@pytest.mark.parametrize("what", ["unreadable", "in flight", "staged"])
def test_even_an_ordered_revocation_waits_while_the_journal_is(what: str) -> None:
    world = meet(what, state_of_old=REVOKING, revoking_reason="compromised", revoking_at=ago(minutes=1))
    assert plan_revocations(world, NOON).steps == ()


# --- anything at once -----------------------------------------------------------------------------------------------

WORDS = sorted({*HINDRANCES, *POLICY, *OF_TOKEN})
words = st.sets(st.sampled_from(WORDS))
HELD = {"account paused", "paused", "frozen", "list doubted", "drifted", "unreadable", "unlistable", "clocks apart",
        "clock unknown", "in flight", "staged", "current not live"}  # fmt: skip


def revoked(what: Collection[str], **of_old: object) -> set[str | None]:
    plan = plan_revocations(meet(*sorted(what), **of_old), NOON)  # type: ignore[arg-type] # fields by name
    return {step.token_id for step in plan.steps}


@given(what=words, held=st.sampled_from(sorted(HELD)))
def test_no_other_rule_outweighs_what_holds_a_whole_credential_back(what: set[str], held: str) -> None:
    assert revoked({*what, held}) == set()


@given(what=words)
def test_no_combination_of_rules_revokes_a_token_in_its_grace(what: set[str]) -> None:
    assert "t1" not in revoked({*what, "in grace"} - {"superseded unknown"})


@given(what=words)
def test_no_combination_of_rules_touches_the_served_token_or_a_foreign_one(what: set[str]) -> None:
    assert not revoked(what) & {"t2", "x"}


@given(what=words)
def test_quiet_is_waived_by_nothing_but_age_and_on_overlap(what: set[str]) -> None:
    assert "t1" not in revoked({*what, "used"} - {"old", "overlap revokes"})


@given(what=words)
def test_every_superseded_token_is_either_revoked_or_said_to_wait(what: set[str]) -> None:
    plan = plan_revocations(meet(*sorted(what)), NOON)
    assert [hold for hold in plan.holds if hold.reason is not Reason.FOREIGN] or plan.steps


@given(what=words)
def test_the_same_facts_always_give_the_same_plan(what: set[str]) -> None:
    assert plan_revocations(meet(*sorted(what)), NOON) == plan_revocations(meet(*sorted(what)), NOON)
