"""Which tokens are revoked, which wait, and what is never touched."""

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Account, Guards, Policy
from tests.build import NOON, account, ago, facts, intent, journal, listed, path, record, served, state
from worker.account_ledger import AccountLedger, Outage
from worker.journal import RecordState, TokenRecord
from worker.models import ListedToken, PathContent, RevokeResult, Severity
from worker.policy.facts import AccountFacts
from worker.policy.plan import plan_revocations
from worker.policy.revocation import may_end
from worker.policy.steps import Action, Plan, Reason

UNCAPPED = Account(name="main", guards=Guards(max_revocations_share=1.0))
CURRENT, SUPERSEDED = RecordState.CURRENT, RecordState.SUPERSEDED


def pair(
    *,
    superseded: datetime,
    old_used: datetime | None = None,
    new_used: datetime | None = None,
    derived: datetime | None = None,
    policy: Policy | None = None,
    listed_old: bool = True,
) -> AccountFacts:
    """A superseded token t1 and its successor t2, which Vault serves."""
    old = record(1, SUPERSEDED, promoted=ago(days=10), superseded=superseded, derived=derived or ago(days=10))
    new = record(2, CURRENT, promoted=superseded)
    tokens = [listed(2, used=new_used)] + ([listed(1, used=old_used)] if listed_old else [])
    return account(facts(journal(old, new), served(2), policy=policy), tokens=tuple(tokens))


def revoked(plan: Plan) -> list[tuple[str | None, Reason]]:
    return [(step.token_id, step.reason) for step in plan.steps if step.action is Action.REVOKE]


def held(plan: Plan) -> list[tuple[Reason, Severity]]:
    return [(hold.reason, hold.severity) for hold in plan.holds]


REVOKES = [
    (
        "grace is over, it is quiet, and its successor is used",
        pair(superseded=ago(hours=25), old_used=ago(hours=2), new_used=ago(minutes=5)),
        Reason.GRACE_OVER,
    ),
    (
        "it was never used at all, and its successor is",
        pair(superseded=ago(hours=24), new_used=ago(minutes=5)),
        Reason.GRACE_OVER,
    ),
    ("max_overlap is over and it is quiet", pair(superseded=ago(days=3), old_used=ago(days=3)), Reason.OVERLAP_OVER),
    (
        "it is older than max_age, even though it is still used",
        pair(superseded=ago(hours=25), old_used=ago(seconds=1), derived=ago(days=15)),
        Reason.AGE_OVER,
    ),
    (
        "it is in no list and older than max_age, so the exchange is asked",
        pair(superseded=ago(days=3), derived=ago(days=15), listed_old=False),
        Reason.AGE_OVER,
    ),
]


def test_a_last_use_that_is_dated_ahead_is_told_as_what_it_is() -> None:
    (hold,) = plan_revocations(pair(superseded=ago(days=2), old_used=ago(days=-9)), NOON).holds
    assert (hold.reason, "dates its last use 9 d ahead" in hold.sentence) == (Reason.STILL_USED, True)


@pytest.mark.parametrize("case", REVOKES, ids=[name for name, *_ in REVOKES])
def test_a_superseded_token_is_revoked_when(case: tuple[str, AccountFacts, Reason]) -> None:
    _, given_facts, reason = case
    assert revoked(plan_revocations(given_facts, NOON)) == [("t1", reason)]


WAITS = [
    (
        "it is in its grace although all else is proved",
        pair(superseded=ago(hours=23), new_used=ago(minutes=1)),
        Reason.IN_GRACE,
        Severity.INFO,
    ),
    (
        "it is in its grace although it is past max_age",
        pair(superseded=ago(hours=23), derived=ago(days=30)),
        Reason.IN_GRACE,
        Severity.INFO,
    ),
    (
        "a service used it within quiet_period",
        pair(superseded=ago(hours=25), old_used=ago(minutes=30), new_used=ago(minutes=5)),
        Reason.STILL_USED,
        Severity.INFO,
    ),
    (
        "a service used it within quiet_period plus lastused_lag",
        pair(superseded=ago(hours=25), old_used=ago(minutes=70), new_used=ago(minutes=5)),
        Reason.STILL_USED,
        Severity.INFO,
    ),
    (
        "a service still uses it past max_overlap, which alerts",
        pair(superseded=ago(days=3), old_used=ago(minutes=1)),
        Reason.STILL_USED,
        Severity.WARNING,
    ),
    (
        "nobody has used its successor yet",
        pair(superseded=ago(hours=25), old_used=ago(hours=3)),
        Reason.NOT_ADOPTED_YET,
        Severity.INFO,
    ),
    (
        "only our own verify call used its successor",
        pair(superseded=ago(hours=25), old_used=ago(hours=26), new_used=ago(hours=25)),
        Reason.NOT_ADOPTED_YET,
        Severity.INFO,
    ),
    (
        "it is missing from the list past max_overlap: unlisted is unknown, not quiet",
        pair(superseded=ago(days=3), new_used=ago(minutes=5), listed_old=False),
        Reason.NOT_LISTED,
        Severity.INFO,
    ),
    (
        "it is missing from the list but max_overlap is not over",
        pair(superseded=ago(hours=25), listed_old=False),
        Reason.NOT_LISTED,
        Severity.INFO,
    ),
]


def test_a_time_in_which_the_exchange_did_not_answer_is_not_quiet() -> None:
    ready = pair(superseded=ago(hours=25), old_used=ago(hours=2), new_used=ago(minutes=5))
    outage = Outage(since=ago(hours=1, minutes=30), until=ago(minutes=10))
    ledger = AccountLedger(account="main", outage=outage)
    (credential,) = ready.credentials
    down = replace(ready, state=state(ledger), credentials=(replace(credential, state=state(ledger)),))
    assert held(plan_revocations(down, NOON)) == [(Reason.STILL_USED, Severity.INFO)]


@pytest.mark.parametrize("case", WAITS, ids=[name for name, *_ in WAITS])
def test_a_superseded_token_stays_while(case: tuple[str, AccountFacts, Reason, Severity]) -> None:
    _, given_facts, reason, severity = case
    plan = plan_revocations(given_facts, NOON)
    assert (plan.steps, held(plan)) == ((), [(reason, severity)])


def one_ready(**of_account: Any) -> AccountFacts:
    ready = pair(superseded=ago(hours=25), new_used=ago(minutes=5))
    tokens = ready.tokens.tokens if ready.tokens else ()
    return account(*ready.credentials, **{"tokens": tokens, **of_account})


ACCOUNT_HOLDS = [
    ("the list could not be read", one_ready(tokens=None), Reason.UNREADABLE, Severity.WARNING),
    (
        "our clock is a minute behind the exchange",
        one_ready(exchange_time=NOON + timedelta(minutes=1)),
        Reason.CLOCKS_DIFFER,
        Severity.ERROR,
    ),
    (
        "our clock is a minute ahead of Vault",
        one_ready(vault_time=NOON - timedelta(minutes=1)),
        Reason.CLOCKS_DIFFER,
        Severity.ERROR,
    ),
    (
        "Vault and the exchange are apart though both are near us",
        one_ready(exchange_time=NOON + timedelta(seconds=20), vault_time=NOON - timedelta(seconds=20)),
        Reason.CLOCKS_DIFFER,
        Severity.ERROR,
    ),
    ("Vault's clock is unknown", one_ready(vault_time=None), Reason.TIME_UNKNOWN, Severity.WARNING),
    ("the exchange's clock is unknown", one_ready(exchange_time=None), Reason.TIME_UNKNOWN, Severity.WARNING),
]


@pytest.mark.parametrize("case", ACCOUNT_HOLDS, ids=[name for name, *_ in ACCOUNT_HOLDS])
def test_nothing_is_revoked_in_the_account_when(case: tuple[str, AccountFacts, Reason, Severity]) -> None:
    _, given_facts, reason, severity = case
    plan = plan_revocations(given_facts, NOON)
    assert (plan.steps, held(plan)) == ((), [(reason, severity)])


def test_nothing_is_revoked_while_the_current_token_is_not_live() -> None:
    ready = pair(superseded=ago(hours=25))
    plan = plan_revocations(account(*ready.credentials, tokens=(listed(1),)), NOON)
    assert (plan.steps, held(plan)) == ((), [(Reason.CURRENT_NOT_LIVE, Severity.ERROR)])


def test_an_empty_list_revokes_nothing() -> None:
    ready = pair(superseded=ago(days=5))
    assert plan_revocations(account(*ready.credentials, tokens=()), NOON).steps == ()


def test_nothing_is_revoked_while_an_intent_is_open() -> None:
    old = record(1, SUPERSEDED, promoted=ago(days=10), superseded=ago(days=5))
    under_way = journal(old, record(2, CURRENT, promoted=ago(days=5)), intent=intent(9))
    plan = plan_revocations(account(facts(under_way, served(2)), tokens=(listed(1), listed(2))), NOON)
    assert (plan.steps, held(plan)) == ((), [(Reason.INTENT_OPEN, Severity.INFO)])


def test_nothing_is_revoked_when_another_hand_changed_the_path() -> None:
    old = record(1, SUPERSEDED, promoted=ago(days=10), superseded=ago(days=5))
    drifted = facts(journal(old, record(2, CURRENT, promoted=ago(days=5))), path(PathContent.FOREIGN, 8))
    plan = plan_revocations(account(drifted, tokens=(listed(1), listed(2))), NOON)
    assert (plan.steps, held(plan)) == ((), [(Reason.DRIFTED, Severity.ERROR)])


def healthy(*others: ListedToken, ledger: tuple[TokenRecord, ...] = (), **more: Any) -> AccountFacts:
    current = record(2, CURRENT, promoted=ago(days=1))
    return account(
        facts(journal(*ledger, current, **more), served(2)),
        tokens=(listed(2), *others),
    )


def test_a_live_token_with_the_label_of_an_abandoned_attempt_is_an_orphan() -> None:
    lost = record(7, RecordState.ABANDONED, token_id=None, abandoned_at=ago(hours=1))
    late = listed(7, token_id="unheard-of")
    assert revoked(plan_revocations(healthy(late, ledger=(lost,)), NOON)) == [("unheard-of", Reason.ORPHAN)]


def test_an_abandoned_token_whose_id_is_known_is_revoked_though_no_list_shows_it() -> None:
    refused = record(7, RecordState.ABANDONED, abandoned_at=ago(hours=1))
    assert revoked(plan_revocations(healthy(ledger=(refused,)), NOON)) == [("t7", Reason.ORPHAN)]


def test_a_second_token_with_the_label_of_the_current_one_is_an_orphan() -> None:
    twin = listed(2, token_id="twin")
    assert revoked(plan_revocations(healthy(twin), NOON)) == [("twin", Reason.ORPHAN)]


def test_a_label_that_left_the_ledger_long_ago_is_still_ours() -> None:
    ghost = listed(3, label="mm/ancient", token_id="ghost")
    assert revoked(plan_revocations(healthy(ghost, past_labels=("mm/ancient",)), NOON)) == [("ghost", Reason.ORPHAN)]


def test_a_label_that_only_looks_ours_is_foreign() -> None:
    plan = plan_revocations(healthy(listed(3, label="mm/somebody-elses", token_id="other")), NOON)
    assert (plan.steps, held(plan)) == ((), [(Reason.FOREIGN, Severity.INFO)])


def test_an_unfinished_revocation_is_taken_up_again() -> None:
    begun = record(1, RecordState.REVOKING, promoted=ago(days=9), superseded=ago(days=2), revoking_at=ago(minutes=1))
    assert revoked(plan_revocations(healthy(ledger=(begun,)), NOON)) == [("t1", Reason.REVOKE_UNFINISHED)]


def test_a_revoked_tokens_secret_that_is_left_in_vault_is_destroyed() -> None:
    ended = record(1, RecordState.REVOKED, promoted=ago(days=9), revoked_at=ago(hours=1))
    plan = plan_revocations(healthy(ledger=(ended,)), NOON)
    assert [(step.action, step.token_id) for step in plan.steps] == [(Action.DESTROY, "t1")]


def test_orphans_go_first() -> None:
    ready = record(1, SUPERSEDED, promoted=ago(days=9), superseded=ago(days=4))
    lost = record(7, RecordState.ABANDONED, token_id=None, abandoned_at=ago(hours=1))
    world = replace(healthy(listed(1), listed(7, token_id="zz"), ledger=(ready, lost)), settings=UNCAPPED)
    plan = plan_revocations(world, NOON)
    assert [token for token, _ in revoked(plan)] == ["zz", "t1"]


@pytest.mark.parametrize(
    "answer, born, ends",
    [
        (RevokeResult.REVOKED, ago(seconds=1), True),
        (RevokeResult.ALREADY_GONE, ago(hours=1), True),
        (RevokeResult.ALREADY_GONE, ago(seconds=1), False),
    ],
    ids=["a 200", "a 404 for a token old enough to be listed", "a 404 for a token minted a moment ago: it stays"],
)
def test_a_ledger_entry_is_ended_by(answer: RevokeResult, born: datetime, ends: bool) -> None:  # noqa: FBT001 - a table
    marked = record(1, RecordState.REVOKING, derived=born)
    assert may_end(marked, answer, facts(journal(), path(PathContent.EMPTY)), NOON) is ends


states = st.sampled_from([state for state in RecordState if state is not CURRENT])
moments = st.datetimes(
    min_value=ago(days=60).replace(tzinfo=None), max_value=(NOON + timedelta(days=2)).replace(tzinfo=None)
).map(lambda moment: moment.replace(tzinfo=NOON.tzinfo))


@st.composite
def worlds(draw: st.DrawFn) -> AccountFacts:
    count = draw(st.integers(0, 4))
    old = [
        record(
            n,
            draw(states),
            promoted=draw(moments),
            superseded=draw(st.none() | moments),
            secret_destroyed=draw(st.booleans()),
        )
        for n in range(count)
    ]
    current = record(50, CURRENT, promoted=draw(moments))
    shown = [listed(n, used=draw(st.none() | moments)) for n in range(count) if draw(st.booleans())]
    foreign = [listed(90 + n, label=draw(st.sampled_from(["bot", "mm", "mm/x"]))) for n in range(2)]
    if draw(st.booleans()):
        shown.append(listed(50, used=draw(st.none() | moments)))
    serving = draw(st.integers(0, count)) if draw(st.booleans()) else 50
    return account(facts(journal(*old, current), served(serving)), tokens=(*shown, *foreign))


@given(world=worlds())
def test_what_vault_serves_and_what_is_current_and_what_is_foreign_is_never_revoked(world: AccountFacts) -> None:
    touched = {step.token_id for step in plan_revocations(world, NOON).steps}
    assert not touched & {"t50", "t90", "t91", world.credentials[0].served_token_id}


@given(world=worlds())
def test_no_superseded_token_goes_before_its_grace(world: AccountFacts) -> None:
    ledger = world.credentials[0].ledger
    assert ledger is not None
    young = {
        one.token_id
        for one in ledger.ledger
        if one.state is SUPERSEDED and (one.superseded_at is None or NOON - one.superseded_at < Policy().grace)
    }
    assert not young & {step.token_id for step in plan_revocations(world, NOON).steps}


@given(world=worlds(), seed=st.randoms())
def test_the_order_of_the_list_does_not_matter(world: AccountFacts, seed: Random) -> None:
    assert world.tokens is not None
    shuffled = list(world.tokens.tokens)
    seed.shuffle(shuffled)
    other = account(*world.credentials, tokens=tuple(shuffled))
    assert plan_revocations(world, NOON).steps == plan_revocations(other, NOON).steps
