"""What wins when several things that concern one credential meet: every pair that can."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Freeze, Policy
from tests.build import NOON, ago, ahead, facts, intent, journal, path, record, served, state
from worker.account_ledger import AccountLedger, Dangling, Pause, Suspicion
from worker.journal import Failures, RecordState
from worker.models import PathContent
from worker.policy.facts import CredentialFacts
from worker.policy.plan import plan_rotation
from worker.policy.rotation import ROTATION
from worker.policy.steps import Action, Plan, Reason

CURRENT = RecordState.CURRENT
MEND = (Action.VERIFY, Action.PROMOTE, Action.CLOSE)
PARKED = Failures(count=5, last_at=ago(hours=1), retry_at=ago(minutes=50), last_reason="derive_refused")
FAILED = Failures(count=1, last_at=ago(minutes=1), retry_at=NOON + timedelta(minutes=1), last_reason="derive_refused")
NIGHTLY = Policy(rotation_period=None, rotation_schedule="0 3 * * *", rotation_window=timedelta(hours=2))

LEDGER: dict[str, dict[str, Any]] = {
    "paused": {"pauses": (Pause(credential="mm", since=ago(hours=1), by="ann", reason="migration"),)},
    "dangling": {"dangling": (Dangling(credential="mm", token_id="t1", proved_at=ago(minutes=1)),)},
    "suspicious": {"suspicion": Suspicion(token_ids=(), first_at=ago(minutes=1), lost=3, sentence="It lacks 3.")},
}
FREEZE = Freeze(reason="election", start=ago(days=1), until=NOON + timedelta(days=1))
AGES = {"overdue": timedelta(days=15), "due": timedelta(days=8), "out of its window": timedelta(days=5)}
FAILURES = {"parked": PARKED, "backing off": FAILED}
INTENTS: dict[str, dict[str, Any]] = {
    "in flight": {},
    "lost": {"opened": ago(minutes=3)},
    "staged": {"staged": True},
    "promoted": {"staged": True},
    "fenced": {"staged": True, "expected_version": 4},
}
HANDS_OFF = ("unreadable", "moved", "behind", "drifted")
KNOWN = {
    *LEDGER, *AGES, *FAILURES, *INTENTS, *HANDS_OFF,
    "frozen", "retired", "emergency", "compromised", "cut off", "never issued", "of unknown age", "from the future",
}  # fmt: skip


def meet(*what: str) -> CredentialFacts:
    """Return a healthy, young credential to which those things happen at once."""
    assert set(what) <= KNOWN, "a word that this table does not know"
    age = next((AGES[one] for one in what if one in AGES), timedelta(days=1))
    opened = next((intent(9, **INTENTS[one]) for one in what if one in INTENTS), None)
    if opened is not None and "emergency" in what:
        opened = opened.model_copy(update={"kind": "emergency"})
    more: dict[str, Any] = {"failures": next((FAILURES[one] for one in what if one in FAILURES), Failures())}
    if "retired" in what:
        more["retired_at"] = ago(days=1)
    at_path = served(9, version=6) if "promoted" in what else served(1)
    if {"compromised", "emergency"} & set(what):
        more["emergency_at"] = ago(minutes=1)
    if "moved" in what:
        more["credential"] = "former-name"
    if "behind" in what:
        at_path = ahead(1, sequence=41)
    if "drifted" in what:
        at_path = path(PathContent.FOREIGN, 9)
    promoted = (
        None if "of unknown age" in what else NOON + timedelta(hours=1) if "from the future" in what else NOON - age
    )
    records = [record(1, CURRENT, promoted=promoted)]
    if "never issued" in what:
        records, at_path = [], path(PathContent.EMPTY)
    if "cut off" in what:
        records = [record(1, RecordState.REVOKED, promoted=NOON - age, revoking_reason="ordered")]
    ledger = AccountLedger(account="main")
    for one in what:
        ledger = ledger.model_copy(update=LEDGER.get(one, {}))
    policy = NIGHTLY if "out of its window" in what else Policy(spread=0)
    found = facts(journal(*records, intent=opened, **more), at_path, policy=policy)
    found = replace(found, state=state(ledger, *([FREEZE] if "frozen" in what else [])))
    if "unreadable" in what:
        return facts(None, None, unreadable="Vault is sealed")
    return found


def decided(plan: Plan) -> tuple[tuple[Action, ...], Reason]:
    reasons = {step.reason for step in plan.steps} | {hold.reason for hold in plan.holds}
    assert len(reasons) == 1
    return tuple(step.action for step in plan.steps), reasons.pop()


NOTHING: tuple[Action, ...] = ()
TABLE = [
    # one thing alone
    ("due", ROTATION, Reason.PERIOD_REACHED),
    ("overdue", ROTATION, Reason.OVERDUE),
    ("dangling", ROTATION, Reason.DANGLING),
    ("paused", NOTHING, Reason.NOT_DUE),
    ("retired", NOTHING, Reason.RETIRED),
    ("out of its window", NOTHING, Reason.WINDOW_CLOSED),
    # a pause holds everything that is planned
    ("paused, due", NOTHING, Reason.PAUSED),
    ("paused, overdue", NOTHING, Reason.PAUSED),
    ("paused, never issued", NOTHING, Reason.PAUSED),
    ("paused, dangling", NOTHING, Reason.PAUSED),
    ("paused, dangling, overdue", NOTHING, Reason.PAUSED),
    ("paused, frozen, due", NOTHING, Reason.PAUSED),
    ("paused, suspicious, due", NOTHING, Reason.PAUSED),
    ("paused, parked, due", NOTHING, Reason.PAUSED),
    # a freeze holds what is due, overdue or new, never what services are rejected for
    ("frozen, due", NOTHING, Reason.FROZEN),
    ("frozen, overdue", NOTHING, Reason.FROZEN),
    ("frozen, never issued", NOTHING, Reason.FROZEN),
    ("frozen, parked, due", NOTHING, Reason.FROZEN),
    ("frozen, suspicious, due", NOTHING, Reason.FROZEN),
    ("frozen, out of its window", NOTHING, Reason.WINDOW_CLOSED),
    ("frozen, dangling", ROTATION, Reason.DANGLING),
    ("frozen, dangling, parked", ROTATION, Reason.DANGLING),
    # a list that shrank stops derives, but for a token that was proved dead by a call of its own
    ("suspicious, due", NOTHING, Reason.LIST_SHRANK),
    ("suspicious, overdue", NOTHING, Reason.LIST_SHRANK),
    ("suspicious, never issued", NOTHING, Reason.LIST_SHRANK),
    ("suspicious, dangling", ROTATION, Reason.DANGLING),
    # failures
    ("parked, due", NOTHING, Reason.PARKED),
    ("parked, overdue", NOTHING, Reason.PARKED),
    ("parked, never issued", NOTHING, Reason.PARKED),
    ("parked, dangling", ROTATION, Reason.DANGLING),
    ("backing off, due", NOTHING, Reason.BACKING_OFF),
    ("backing off, overdue", NOTHING, Reason.BACKING_OFF),
    ("backing off, dangling", ROTATION, Reason.DANGLING),
    ("out of its window, dangling", ROTATION, Reason.DANGLING),
    # the end of life, and another hand
    ("retired, overdue", NOTHING, Reason.RETIRED),
    ("retired, dangling", NOTHING, Reason.RETIRED),
    ("drifted, overdue", NOTHING, Reason.DRIFTED),
    ("drifted, dangling", NOTHING, Reason.DRIFTED),
    ("drifted, staged", NOTHING, Reason.DRIFTED),
    ("drifted, paused", NOTHING, Reason.DRIFTED),
    # an open intent comes before whatever else is due
    ("in flight, overdue", NOTHING, Reason.DERIVE_IN_FLIGHT),
    ("in flight, dangling", NOTHING, Reason.DERIVE_IN_FLIGHT),
    ("lost, overdue", (Action.ABANDON,), Reason.DERIVE_LOST),
    ("lost, dangling", (Action.ABANDON,), Reason.DERIVE_LOST),
    ("lost, retired", (Action.ABANDON,), Reason.DERIVE_LOST),
    ("staged, overdue", MEND, Reason.ROLL_FORWARD),
    ("staged, parked", MEND, Reason.ROLL_FORWARD),
    ("staged, backing off", MEND, Reason.ROLL_FORWARD),
    ("staged, out of its window", MEND, Reason.ROLL_FORWARD),
    ("staged, never issued", (Action.ABANDON,), Reason.FENCED),
    # what was begun and changes nothing for services ends whatever holds the rest back
    ("promoted, paused", (Action.CLOSE,), Reason.PROMOTED_ALREADY),
    ("promoted, frozen", (Action.CLOSE,), Reason.PROMOTED_ALREADY),
    ("promoted, suspicious", (Action.CLOSE,), Reason.PROMOTED_ALREADY),
    ("lost, paused", (Action.ABANDON,), Reason.DERIVE_LOST),
    ("lost, frozen", (Action.ABANDON,), Reason.DERIVE_LOST),
    ("lost, suspicious", (Action.ABANDON,), Reason.DERIVE_LOST),
    ("fenced, paused", (Action.ABANDON,), Reason.FENCED),
    ("fenced, suspicious", (Action.ABANDON,), Reason.FENCED),
    # a staged token changes what services are served
    ("staged, paused", NOTHING, Reason.PAUSED),
    ("staged, frozen", NOTHING, Reason.FROZEN),
    ("staged, suspicious", MEND, Reason.ROLL_FORWARD),
    ("staged, frozen, suspicious", NOTHING, Reason.FROZEN),
    ("staged, dangling", MEND, Reason.ROLL_FORWARD),
    ("staged, dangling, frozen", MEND, Reason.ROLL_FORWARD),
    ("staged, dangling, paused", NOTHING, Reason.PAUSED),
    # an emergency that a person ordered waits for nobody
    ("staged, emergency, paused", MEND, Reason.ROLL_FORWARD),
    ("staged, emergency, frozen", MEND, Reason.ROLL_FORWARD),
    ("staged, emergency, suspicious", MEND, Reason.ROLL_FORWARD),
    # nor does one that died before it had a token
    ("compromised", ROTATION, Reason.COMPROMISED),
    ("compromised, paused", ROTATION, Reason.COMPROMISED),
    ("compromised, frozen", ROTATION, Reason.COMPROMISED),
    ("compromised, suspicious", ROTATION, Reason.COMPROMISED),
    ("compromised, parked", ROTATION, Reason.COMPROMISED),
    ("compromised, dangling", ROTATION, Reason.COMPROMISED),
    ("compromised, out of its window", ROTATION, Reason.COMPROMISED),
    ("compromised, backing off", NOTHING, Reason.BACKING_OFF),
    ("compromised, in flight", NOTHING, Reason.DERIVE_IN_FLIGHT),
    ("compromised, lost", (Action.ABANDON,), Reason.DERIVE_LOST),
    ("compromised, drifted", NOTHING, Reason.DRIFTED),
    ("compromised, retired", NOTHING, Reason.RETIRED),
    # a token that a person had revoked although it is served: services are rejected, as by a dangling one
    ("cut off", ROTATION, Reason.DANGLING),
    ("cut off, frozen", ROTATION, Reason.DANGLING),
    ("cut off, suspicious", ROTATION, Reason.DANGLING),
    ("cut off, parked", ROTATION, Reason.DANGLING),
    ("cut off, backing off", ROTATION, Reason.DANGLING),
    ("cut off, paused", NOTHING, Reason.PAUSED),
    ("cut off, retired", NOTHING, Reason.RETIRED),
    ("cut off, staged", MEND, Reason.ROLL_FORWARD),
    ("cut off, staged, frozen", MEND, Reason.ROLL_FORWARD),
    ("cut off, staged, paused", NOTHING, Reason.PAUSED),
    ("compromised, paused, frozen, suspicious", ROTATION, Reason.COMPROMISED),
    ("compromised, never issued", ROTATION, Reason.COMPROMISED),
    # nobody can say whether it is due: then nothing is, but what services are rejected for
    ("of unknown age", NOTHING, Reason.TIME_UNKNOWN),
    ("of unknown age, dangling", ROTATION, Reason.DANGLING),
    ("of unknown age, compromised", ROTATION, Reason.COMPROMISED),
    ("from the future", NOTHING, Reason.TIME_UNKNOWN),
    ("from the future, frozen", NOTHING, Reason.TIME_UNKNOWN),
    ("from the future, dangling", ROTATION, Reason.DANGLING),
    # young, or outside of its window: there is nothing to hold back
    ("frozen", NOTHING, Reason.NOT_DUE),
    ("suspicious", NOTHING, Reason.NOT_DUE),
    ("parked", NOTHING, Reason.NOT_DUE),
    ("backing off", NOTHING, Reason.NOT_DUE),
    ("paused, out of its window", NOTHING, Reason.WINDOW_CLOSED),
    ("suspicious, out of its window", NOTHING, Reason.WINDOW_CLOSED),
    ("parked, out of its window", NOTHING, Reason.WINDOW_CLOSED),
    # three at once
    ("frozen, suspicious, overdue", NOTHING, Reason.FROZEN),
    ("frozen, suspicious, dangling, parked", ROTATION, Reason.DANGLING),
    ("suspicious, parked, overdue", NOTHING, Reason.LIST_SHRANK),
    ("staged, dangling, suspicious", MEND, Reason.ROLL_FORWARD),
    ("staged, dangling, frozen, suspicious, parked", MEND, Reason.ROLL_FORWARD),
    ("staged, emergency, paused, frozen, suspicious, parked", MEND, Reason.ROLL_FORWARD),
]


@pytest.mark.parametrize("what, actions, reason", TABLE, ids=[what for what, *_ in TABLE])
def test_a_credential_that_is(what: str, actions: tuple[Action, ...], reason: Reason) -> None:
    assert decided(plan_rotation(meet(*what.split(", ")), NOON)) == (actions, reason)


# --- every pair -----------------------------------------------------------------------------------------------------

RANKED: list[tuple[str, tuple[Action, ...], Reason]] = [
    ("unreadable", NOTHING, Reason.UNREADABLE),
    ("moved", NOTHING, Reason.MOVED),
    ("behind", NOTHING, Reason.JOURNAL_BEHIND),
    ("drifted", NOTHING, Reason.DRIFTED),
    ("in flight", NOTHING, Reason.DERIVE_IN_FLIGHT),
    ("lost", (Action.ABANDON,), Reason.DERIVE_LOST),
    ("promoted", (Action.CLOSE,), Reason.PROMOTED_ALREADY),
    ("fenced", (Action.ABANDON,), Reason.FENCED),
    ("retired", NOTHING, Reason.RETIRED),
    ("compromised", ROTATION, Reason.COMPROMISED),
    ("paused", NOTHING, Reason.PAUSED),
    ("staged", MEND, Reason.ROLL_FORWARD),
    ("dangling", ROTATION, Reason.DANGLING),
    ("frozen", NOTHING, Reason.FROZEN),
    ("suspicious", NOTHING, Reason.LIST_SHRANK),
    ("parked", NOTHING, Reason.PARKED),
    ("backing off", NOTHING, Reason.BACKING_OFF),
]
"""What decides about an overdue credential, the strongest first."""

OTHERWISE = {
    # A freeze keeps a staged token where it is; only a token that is refused is stronger than that.
    ("staged", "frozen"): (NOTHING, Reason.FROZEN),
    # An emergency waits for nobody, but it does not hammer an exchange that has just refused it.
    ("compromised", "backing off"): (NOTHING, Reason.BACKING_OFF),
    # Nothing is promoted after a retirement, so the path can tell of nothing that this journal missed.
    ("behind", "retired"): (NOTHING, Reason.RETIRED),
}
IMPOSSIBLE = (
    set(INTENTS),  # one intent at most is open
    set(FAILURES),
    {"behind", "drifted"},  # what the path serves is either ahead of the journal or none of ours
    {"retired", "staged"},  # to retire, and to call an emergency, closes the intent in the same write
    {"compromised", "staged"},
    {"retired", "compromised"},
)


def can_meet(pair: Collection[str]) -> bool:
    return not any(set(pair) <= group for group in IMPOSSIBLE)


PAIRS = [pair for pair in combinations(RANKED, 2) if can_meet([what for what, *_ in pair])]


@pytest.mark.parametrize("pair", PAIRS, ids=[f"{one[0]} and {other[0]}" for one, other in PAIRS])
def test_an_overdue_credential_that_is(pair: tuple[tuple[str, tuple[Action, ...], Reason], ...]) -> None:
    (stronger, actions, reason), (weaker, *_) = pair
    expected = OTHERWISE.get((stronger, weaker), (actions, reason))
    assert decided(plan_rotation(meet(stronger, weaker, "overdue"), NOON)) == expected


REQUESTED = [
    ("due", ROTATION, Reason.REQUESTED),
    ("overdue", ROTATION, Reason.REQUESTED),
    ("parked", ROTATION, Reason.REQUESTED),
    ("backing off", ROTATION, Reason.REQUESTED),
    ("out of its window", ROTATION, Reason.REQUESTED),
    ("never issued", ROTATION, Reason.REQUESTED),
    ("dangling", ROTATION, Reason.DANGLING),
    ("paused", NOTHING, Reason.PAUSED),
    ("frozen", NOTHING, Reason.FROZEN),
    ("suspicious", NOTHING, Reason.LIST_SHRANK),
    ("retired", NOTHING, Reason.RETIRED),
    ("drifted", NOTHING, Reason.DRIFTED),
    ("in flight", NOTHING, Reason.DERIVE_IN_FLIGHT),
    ("staged", MEND, Reason.ROLL_FORWARD),
    ("lost", (Action.ABANDON,), Reason.DERIVE_LOST),
    ("promoted", (Action.CLOSE,), Reason.PROMOTED_ALREADY),
    ("fenced", (Action.ABANDON,), Reason.FENCED),
    ("staged, paused", NOTHING, Reason.PAUSED),
    ("staged, frozen", NOTHING, Reason.FROZEN),
    ("staged, suspicious", MEND, Reason.ROLL_FORWARD),
    ("compromised", ROTATION, Reason.COMPROMISED),
    ("of unknown age", ROTATION, Reason.REQUESTED),
    ("parked, frozen", NOTHING, Reason.FROZEN),
    ("parked, paused", NOTHING, Reason.PAUSED),
    ("dangling, frozen", ROTATION, Reason.DANGLING),
    ("dangling, paused", NOTHING, Reason.PAUSED),
    ("moved", NOTHING, Reason.MOVED),
    ("behind", NOTHING, Reason.JOURNAL_BEHIND),
    ("unreadable", NOTHING, Reason.UNREADABLE),
]


@pytest.mark.parametrize("what, actions, reason", REQUESTED, ids=[what for what, *_ in REQUESTED])
def test_a_request_for_a_credential_that_is(what: str, actions: tuple[Action, ...], reason: Reason) -> None:
    assert decided(plan_rotation(meet(*what.split(", ")), NOON, requested_at=ago(seconds=1))) == (actions, reason)


WORDS = sorted(KNOWN - {"never issued"})
anything = st.sets(st.sampled_from(WORDS)).map(lambda words: meet(*sorted(words)))


@given(credential=anything, requested=st.booleans())
def test_the_same_facts_always_give_the_same_plan(credential: CredentialFacts, requested: bool) -> None:  # noqa: FBT001 - drawn
    at = ago(seconds=1) if requested else None
    assert plan_rotation(credential, NOON, requested_at=at) == plan_rotation(credential, NOON, requested_at=at)


@given(credential=anything, requested=st.booleans())
def test_every_plan_either_acts_or_says_what_holds_it_back(credential: CredentialFacts, requested: bool) -> None:  # noqa: FBT001 - drawn
    plan = plan_rotation(credential, NOON, requested_at=ago(seconds=1) if requested else None)
    assert bool(plan.steps) != bool(plan.holds)


@given(credential=anything)
def test_no_token_is_minted_while_an_intent_is_open(credential: CredentialFacts) -> None:
    minted = any(step.action is Action.MINT for step in plan_rotation(credential, NOON).steps)
    assert not (minted and credential.intent)


@given(words=st.sets(st.sampled_from(WORDS)))
def test_nothing_that_services_see_changes_in_a_pause_but_by_an_emergency(words: set[str]) -> None:
    plan = plan_rotation(meet(*sorted({*words - {"emergency", "compromised"}, "paused"})), NOON)
    assert not {step.action for step in plan.steps} & {Action.MINT, Action.PROMOTE}


@given(words=st.sets(st.sampled_from(WORDS)))
def test_nothing_that_services_see_changes_in_a_freeze_but_by_an_emergency_or_for_a_refused_token(
    words: set[str],
) -> None:
    exempt = {"emergency", "compromised", "dangling", "cut off"}
    plan = plan_rotation(meet(*sorted({*words - exempt, "frozen"})), NOON)
    assert not {step.action for step in plan.steps} & {Action.MINT, Action.PROMOTE}


@given(words=st.sets(st.sampled_from(WORDS)))
def test_no_token_is_minted_on_a_list_that_is_doubted_but_by_an_emergency_or_for_a_refused_token(
    words: set[str],
) -> None:
    exempt = {"emergency", "compromised", "dangling", "cut off"}
    plan = plan_rotation(meet(*sorted({*words - exempt, "suspicious"})), NOON)
    assert Action.MINT not in {step.action for step in plan.steps}


@given(words=st.sets(st.sampled_from(WORDS)), hands=st.sampled_from(HANDS_OFF), requested=st.booleans())
def test_nothing_is_done_while_journal_and_path_do_not_tell_one_story(
    words: set[str],
    hands: str,
    requested: bool,  # noqa: FBT001 - drawn
) -> None:
    at = ago(seconds=1) if requested else None
    words -= {"retired"} if hands == "behind" else set()  # a retired journal misses nothing
    assert plan_rotation(meet(*sorted({*words, hands})), NOON, requested_at=at).steps == ()
