"""What a person may order for one credential: the steps of each order, and the rule that refuses it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Freeze
from tests.build import NOON, account, ago, ahead, facts, intent, journal, listed, path, record, served, state
from worker.account_ledger import AccountLedger, Pause, Suspicion
from worker.journal import RecordState
from worker.models import PathContent
from worker.policy.facts import CredentialFacts
from worker.policy.orders import plan_compromised, plan_retire, plan_revoke_all, plan_rollback
from worker.policy.plan import plan_revocations
from worker.policy.rotation import ROTATION
from worker.policy.steps import Action, Plan, Reason

CURRENT, SUPERSEDED, REVOKING, REVOKED, ABANDONED = (
    RecordState.CURRENT,
    RecordState.SUPERSEDED,
    RecordState.REVOKING,
    RecordState.REVOKED,
    RecordState.ABANDONED,
)
OLD = record(1, SUPERSEDED, promoted=ago(days=8), superseded=ago(hours=1))
NOW = record(2, CURRENT, promoted=ago(hours=1))
PAUSE = Pause(credential="mm", since=ago(hours=1), by="ann", reason="migration")
FREEZE = Freeze(reason="election", start=ago(days=1), until=NOON + timedelta(days=1))
SHRUNK = Suspicion(token_ids=(), first_at=ago(minutes=1), lost=3, sentence="It lacks 3.")


def healthy(**more: Any) -> CredentialFacts:
    return facts(journal(OLD, NOW, **more), served(2))


def with_state(found: CredentialFacts, *freezes: Freeze, **ledger: object) -> CredentialFacts:
    return replace(found, state=state(AccountLedger(account="main").model_copy(update=ledger), *freezes))


ORDERS: dict[str, Callable[[CredentialFacts], Plan]] = {
    "compromised": plan_compromised,
    "revoke all": plan_revoke_all,
    "retire": plan_retire,
    "rollback": lambda found: plan_rollback(found, NOON),
}

SITUATIONS: dict[str, CredentialFacts] = {
    "healthy": healthy(),
    "paused": with_state(healthy(), pauses=(PAUSE,)),
    "frozen": with_state(healthy(), FREEZE),
    "list shrank": with_state(healthy(), suspicion=SHRUNK),
    "in flight": healthy(intent=intent(9)),
    "staged": healthy(intent=intent(9, staged=True)),
    "promoted": facts(journal(OLD, NOW, intent=intent(9, staged=True)), served(9, version=6)),
    "rolling back": healthy(intent=intent(1, staged=True).model_copy(update={"kind": "rollback"})),
    "compromised already": healthy(emergency_at=ago(minutes=5)),
    "no predecessor": facts(journal(NOW), served(2)),
    "predecessor being revoked": facts(
        journal(OLD.model_copy(update={"state": REVOKING, "revoking_reason": "grace_over"}), NOW), served(2)
    ),
    "never issued": facts(None, path(PathContent.EMPTY)),
    "nothing live": facts(journal(record(1, REVOKED)), path(PathContent.TOMBSTONE, 4)),
    "retired": facts(journal(record(1, REVOKED), retired_at=ago(days=1)), path(PathContent.TOMBSTONE, 4)),
    "retired half way": facts(
        journal(record(1, REVOKING, revoking_reason="retired"), retired_at=ago(days=1)), served(1)
    ),
    "drifted": facts(journal(OLD, NOW), path(PathContent.FOREIGN, 9)),
    "drifted and staged before": facts(journal(OLD, NOW, intent=intent(9, staged=True)), path(PathContent.FOREIGN, 9)),
    "drifted and staged after": facts(
        journal(OLD, NOW, intent=intent(9, staged=True, expected_version=9)), path(PathContent.FOREIGN, 9)
    ),
    "journal behind": facts(journal(OLD, NOW), ahead(3)),
    "moved": healthy(account="other"),
    "unreadable": facts(None, None, unreadable="Vault is sealed"),
}

FRESH = (*ROTATION, Action.REVOKE, Action.REVOKE)
ALL = (Action.REVOKE_ALL, Action.REVOKE, Action.REVOKE)
END = (Action.RETIRE, Action.REVOKE, Action.REVOKE)
BACK = (Action.ROLLBACK, Action.VERIFY, Action.PROMOTE, Action.CLOSE)
R, A = Action.REVOKE, Action.ABANDON

TABLE: list[tuple[str, str, tuple[Action, ...] | Reason]] = [
    ("compromised", "healthy", FRESH),
    ("compromised", "paused", FRESH),
    ("compromised", "frozen", FRESH),
    ("compromised", "list shrank", FRESH),
    ("compromised", "in flight", (A, *FRESH)),
    ("compromised", "staged", (A, *FRESH, R)),
    ("compromised", "promoted", (Action.CLOSE, *FRESH, R)),
    ("compromised", "rolling back", (A, *FRESH)),
    ("compromised", "compromised already", FRESH),
    ("compromised", "never issued", Reason.NOTHING_LIVE),
    ("compromised", "nothing live", Reason.NOTHING_LIVE),
    ("compromised", "retired", Reason.RETIRED),
    ("compromised", "drifted", Reason.DRIFTED),
    ("compromised", "drifted and staged before", Reason.DRIFTED),
    ("compromised", "journal behind", Reason.JOURNAL_BEHIND),
    ("compromised", "moved", Reason.MOVED),
    ("compromised", "unreadable", Reason.UNREADABLE),
    ("revoke all", "healthy", ALL),
    ("revoke all", "paused", ALL),
    ("revoke all", "frozen", ALL),
    ("revoke all", "in flight", (A, *ALL)),
    ("revoke all", "staged", (A, *ALL, R)),
    ("revoke all", "promoted", (A, *ALL, R)),
    ("revoke all", "rolling back", (A, *ALL)),
    ("revoke all", "compromised already", ALL),
    ("revoke all", "predecessor being revoked", ALL),
    ("revoke all", "drifted", ALL),
    ("revoke all", "drifted and staged before", (A, *ALL, R)),
    ("revoke all", "drifted and staged after", (A, *ALL, R)),
    ("revoke all", "never issued", Reason.NOTHING_LIVE),
    ("revoke all", "nothing live", Reason.NOTHING_LIVE),
    ("revoke all", "journal behind", ALL),
    ("revoke all", "moved", Reason.MOVED),
    ("revoke all", "unreadable", Reason.UNREADABLE),
    ("retire", "healthy", END),
    ("retire", "paused", END),
    ("retire", "frozen", END),
    ("retire", "staged", (A, *END, R)),
    ("retire", "nothing live", (Action.RETIRE,)),
    ("retire", "retired half way", (Action.RETIRE, R)),
    ("retire", "retired", Reason.RETIRED),
    ("retire", "never issued", Reason.NOTHING_LIVE),
    ("retire", "drifted", END),
    ("retire", "journal behind", END),
    ("retire", "moved", Reason.MOVED),
    ("retire", "unreadable", Reason.UNREADABLE),
    ("rollback", "healthy", BACK),
    ("rollback", "list shrank", BACK),
    ("rollback", "paused", Reason.PAUSED),
    ("rollback", "frozen", Reason.FROZEN),
    ("rollback", "in flight", Reason.INTENT_OPEN),
    ("rollback", "staged", Reason.INTENT_OPEN),
    ("rollback", "promoted", Reason.INTENT_OPEN),
    ("rollback", "compromised already", Reason.COMPROMISED),
    ("rollback", "no predecessor", Reason.NO_PREDECESSOR),
    ("rollback", "predecessor being revoked", Reason.NO_PREDECESSOR),
    ("rollback", "never issued", Reason.NO_PREDECESSOR),
    ("rollback", "retired", Reason.RETIRED),
    ("rollback", "drifted", Reason.DRIFTED),
    ("rollback", "journal behind", Reason.JOURNAL_BEHIND),
    ("rollback", "moved", Reason.MOVED),
    ("rollback", "unreadable", Reason.UNREADABLE),
]


@pytest.mark.parametrize("order, situation, expected", TABLE, ids=[f"{one}, {when}" for one, when, _ in TABLE])
def test_an_order_is_planned_or_refused(order: str, situation: str, expected: tuple[Action, ...] | Reason) -> None:
    plan = ORDERS[order](SITUATIONS[situation])
    if isinstance(expected, Reason):
        assert ([hold.reason for hold in plan.holds], plan.steps) == ([expected], ())
    else:
        assert (tuple(step.action for step in plan.steps), plan.holds) == (expected, ())


@pytest.mark.parametrize(
    "situation", ["drifted", "drifted and staged before", "drifted and staged after", "journal behind"]
)
def test_an_emergency_over_another_hand_offers_to_revoke_everything(situation: str) -> None:
    (hold,) = plan_compromised(SITUATIONS[situation]).holds
    assert "rotator revoke mm --all" in hold.sentence


@pytest.mark.parametrize("situation", ["moved", "unreadable"])
def test_an_emergency_offers_nothing_that_would_be_refused_as_well(situation: str) -> None:
    (hold,) = plan_compromised(SITUATIONS[situation]).holds
    assert "--all" not in hold.sentence


def test_a_rollback_names_the_predecessor_that_was_superseded_last() -> None:
    older = record(3, SUPERSEDED, promoted=ago(days=15), superseded=ago(days=8))
    plan = plan_rollback(facts(journal(older, OLD, NOW), served(2)), NOON)
    assert {step.token_id for step in plan.steps} == {"t1"}


def test_a_rollback_to_a_token_past_max_age_says_that_it_is_replaced_soon() -> None:
    old = record(1, SUPERSEDED, promoted=ago(days=20), superseded=ago(hours=1))
    plan = plan_rollback(facts(journal(old, NOW), served(2)), NOON)
    assert "past max_age" in plan.steps[0].sentence


def test_an_order_names_each_token_that_it_revokes_once() -> None:
    plan = plan_revoke_all(SITUATIONS["rolling back"])
    assert [step.token_id for step in plan.steps if step.action is Action.REVOKE] == ["t1", "t2"]


# --- what sweeps do for an order that was begun

MARKED = record(1, REVOKING, promoted=ago(days=8), revoking_reason="compromised", revoking_at=ago(minutes=5))


def swept(found: CredentialFacts, **more: Any) -> list[tuple[Action, str | None]]:
    plan = plan_revocations(account(found, **more), NOON)
    return [(step.action, step.token_id) for step in plan.steps]


@pytest.mark.parametrize("reason", ["compromised", "ordered", "retired"])
def test_what_was_ordered_to_end_is_revoked_although_no_list_can_be_read(reason: str) -> None:
    marked = MARKED.model_copy(update={"revoking_reason": reason})
    assert swept(facts(journal(marked, NOW), served(2)), tokens=None) == [(Action.REVOKE, "t1")]


def test_what_was_ordered_to_end_is_revoked_under_a_pause() -> None:
    ledger = AccountLedger(account="main", pauses=(PAUSE,))
    found = facts(journal(MARKED, NOW), served(2))
    assert (Action.REVOKE, "t1") in swept(found, tokens=(listed(1), listed(2)), ledger=ledger)


def test_what_was_ordered_to_end_is_revoked_although_another_hand_wrote_the_path() -> None:
    found = facts(journal(MARKED, NOW), path(PathContent.FOREIGN, 9))
    assert swept(found, tokens=(listed(1), listed(2))) == [(Action.REVOKE, "t1")]


def test_what_was_ordered_to_end_is_revoked_although_the_journal_is_behind() -> None:
    found = facts(journal(MARKED, NOW), ahead(3))
    assert swept(found, tokens=(listed(1), listed(2))) == [(Action.REVOKE, "t1")]


def test_what_was_ordered_to_end_waits_while_the_journal_belongs_to_another_account() -> None:
    found = facts(journal(MARKED, NOW, account="other"), served(2))
    assert swept(found, tokens=(listed(1), listed(2))) == []


def test_a_retired_path_is_emptied_before_its_token_is_revoked() -> None:
    marked = MARKED.model_copy(update={"revoking_reason": "retired"})
    found = facts(journal(marked, retired_at=ago(minutes=5)), served(1))
    assert swept(found, tokens=None) == [(Action.RETIRE, "t1"), (Action.REVOKE, "t1")]


# --- whatever the situation

STATES = st.sampled_from(
    [
        OLD,
        NOW,
        record(3, SUPERSEDED, promoted=ago(days=15), superseded=ago(days=8)),
        record(4, ABANDONED),
        record(5, ABANDONED, token_id=None),
        record(6, REVOKING, revoking_reason="grace_over"),
        record(7, REVOKED),
    ]
)
LEDGERS = st.lists(STATES, unique_by=lambda one: one.rotation_id)
INTENTS = st.sampled_from([None, intent(9), intent(9, staged=True), intent(9, staged=True, expected_version=4)])
PATHS = st.sampled_from(
    [
        served(2),
        served(1),
        served(9, version=6),
        ahead(2),
        ahead(3),
        path(PathContent.FOREIGN, 5),
        path(PathContent.EMPTY),
    ]
)


@st.composite
def situations(draw: st.DrawFn) -> CredentialFacts:
    found = facts(journal(*draw(LEDGERS), intent=draw(INTENTS)), draw(PATHS))
    freezes = draw(st.sampled_from([(), (FREEZE,)]))
    return with_state(found, *freezes, pauses=draw(st.sampled_from([(), (PAUSE,)])))


@given(situations(), st.sampled_from(sorted(ORDERS)))
def test_an_order_either_has_steps_or_says_by_one_rule_why_not(found: CredentialFacts, order: str) -> None:
    plan = ORDERS[order](found)
    assert bool(plan.steps) != bool(plan.holds)
    assert len(plan.holds) <= 1


@given(situations(), st.sampled_from(["compromised", "revoke all", "retire"]))
def test_an_order_to_end_all_tokens_leaves_out_none_that_may_live(found: CredentialFacts, order: str) -> None:
    plan = ORDERS[order](found)
    if not plan.steps or found.ledger is None:
        return
    ends = {REVOKED}
    may_live = {one.token_id for one in found.ledger.ledger if one.token_id and one.state not in ends}
    if found.intent is not None and found.intent.token is not None:
        may_live.add(found.intent.token.token_id)
    assert {step.token_id for step in plan.steps if step.action is Action.REVOKE} == may_live


@given(situations())
def test_a_rollback_never_serves_what_was_marked_or_ended(found: CredentialFacts) -> None:
    plan = plan_rollback(found, NOON)
    if plan.steps and found.ledger is not None:
        again = found.ledger.record_of(plan.steps[0].token_id or "")
        assert again is not None
        assert again.state is SUPERSEDED


@given(situations())
def test_an_emergency_puts_the_new_token_in_place_before_it_revokes(found: CredentialFacts) -> None:
    actions = [step.action for step in plan_compromised(found).steps]
    if actions:
        assert actions.index(Action.REVOKE) > actions.index(Action.PROMOTE)
