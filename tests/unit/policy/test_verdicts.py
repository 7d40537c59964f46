"""Verdicts: each begins once and ends once, with its evidence."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Account, Freeze, Guards, Policy
from tests.build import NOON, account, ago, ahead, facts, journal, listed, path, record, served, state
from worker.account_ledger import AccountLedger, Dangling, Flag, Pause, Suspicion
from worker.journal import Failures, RecordState, TokenRecord
from worker.models import ListedToken, PathContent, Severity
from worker.policy.facts import AccountFacts
from worker.policy.findings import MOST_STRANGERS
from worker.policy.plan import plan_flags
from worker.policy.steps import Action, Plan, Reason
from worker.policy.verdicts import flags_after

CURRENT, SUPERSEDED, REVOKING = RecordState.CURRENT, RecordState.SUPERSEDED, RecordState.REVOKING
FINE = record(1, CURRENT, promoted=ago(days=1))
UNUSED = record(1, CURRENT, promoted=ago(days=4))
USED = listed(1, used=ago(minutes=1))


def ledger(**fields: object) -> AccountLedger:
    return AccountLedger.model_validate({"account": "main", **fields})


def begun(plan: Plan) -> list[tuple[Reason, Severity]]:
    return [(step.reason, step.severity) for step in plan.steps if step.action is Action.FLAG]


def one(
    *records: TokenRecord, tokens: tuple[ListedToken, ...] | None = (USED,), serves: int = 1, **more: Any
) -> AccountFacts:
    of_account = {key: more.pop(key) for key in ("ledger", "settings") if key in more}
    policy = more.pop("policy", None)
    credential = facts(journal(*records, **more), served(serves), policy=policy)
    return account(credential, tokens=tokens, **of_account)


OLD = record(1, SUPERSEDED, promoted=ago(days=10), superseded=ago(days=4))
NEW = record(2, CURRENT, promoted=ago(days=4))
STUCK = record(1, REVOKING, promoted=ago(days=10), superseded=ago(days=4), revoking_at=ago(hours=25))
BOTH = (listed(1, used=ago(minutes=1)), listed(2, used=ago(minutes=1)))
STRANGER = listed(7, label="laptop", token_id="x")
TWIN = listed(7, label="mm/unheard-of", token_id="x")
PAUSE = Pause(since=ago(days=2), by="ann", reason="migration")
SUSPICION = Suspicion(token_ids=(), first_at=ago(minutes=1), lost=3, sentence="The list lacks 3 of 4 tokens.")

BEGINS = [
    ("a token that was never used", one(UNUSED, tokens=(listed(1),)), Reason.UNUSED, Severity.WARNING),
    (
        "a service that stopped",
        one(
            record(1, CURRENT, promoted=ago(days=13)),
            tokens=(listed(1, used=ago(days=15)),),
            policy=Policy(rotation_period=timedelta(30), max_age=timedelta(90)),
        ),
        Reason.STALE,
        Severity.WARNING,
    ),
    (
        "a superseded token in use past max_overlap",
        one(OLD, NEW, tokens=BOTH, serves=2),
        Reason.STILL_USED,
        Severity.WARNING,
    ),
    ("a token past max_age", one(record(1, CURRENT, promoted=ago(days=15))), Reason.OVERDUE, Severity.ERROR),
    (
        "a credential that was parked",
        one(FINE, failures=Failures(count=5, last_at=ago(hours=1), last_reason="derive_refused")),
        Reason.PARKED,
        Severity.ERROR,
    ),
    (
        "a token that the exchange refuses",
        one(FINE, ledger=ledger(dangling=[Dangling(credential="mm", token_id="t1", proved_at=NOON)])),
        Reason.DANGLING,
        Severity.ERROR,
    ),
    (
        "a revocation that fails for more than a day",
        one(STUCK, NEW, tokens=BOTH, serves=2),
        Reason.REVOCATION_STUCK,
        Severity.ERROR,
    ),
    (
        "a label that looks ours but is in no journal",
        one(FINE, tokens=(USED, TWIN)),
        Reason.LOOKS_OURS,
        Severity.WARNING,
    ),
    (
        "a foreign token, where foreign tokens alert",
        one(FINE, tokens=(USED, STRANGER), settings=Account(name="main", guards=Guards(foreign="alert"))),
        Reason.FOREIGN,
        Severity.WARNING,
    ),
    (
        "a pause without an end that was forgotten",
        one(FINE, ledger=ledger(pauses=[PAUSE])),
        Reason.PAUSE_FORGOTTEN,
        Severity.WARNING,
    ),
    ("a list that shrank", one(FINE, ledger=ledger(suspicion=SUSPICION)), Reason.LIST_SHRANK, Severity.ERROR),
    (
        "a credential that left the configuration",
        one(FINE, ledger=ledger(known=["gone", "mm"])),
        Reason.RETIRED_CANDIDATE,
        Severity.WARNING,
    ),
    (
        "a path that another hand wrote",
        account(facts(journal(FINE), path(PathContent.FOREIGN, 9)), tokens=(USED,)),
        Reason.DRIFTED,
        Severity.ERROR,
    ),
]


@pytest.mark.parametrize("case", BEGINS, ids=[name for name, *_ in BEGINS])
def test_a_verdict_begins_for(case: tuple[str, AccountFacts, Reason, Severity]) -> None:
    _, given_facts, reason, severity = case
    assert begun(plan_flags(given_facts, NOON)) == [(reason, severity)]


QUIET = [
    ("a healthy credential", one(FINE)),
    ("a foreign token, where foreign tokens are only listed", one(FINE, tokens=(USED, STRANGER))),
    ("a pause that is young", one(FINE, ledger=ledger(pauses=[PAUSE.model_copy(update={"since": ago(hours=1)})]))),
    ("a list that could not be read", one(UNUSED, tokens=None)),
]


@pytest.mark.parametrize("journal_lost", [True, False])
def test_nobody_is_told_to_revoke_a_token_that_services_are_served(*, journal_lost: bool) -> None:
    known = None if journal_lost else journal(FINE, sequence=1)
    found = plan_flags(account(facts(known, ahead(7)), tokens=(listed(7),)), NOON)
    assert begun(found) == [(Reason.JOURNAL_BEHIND, Severity.ERROR)]


@pytest.mark.parametrize("case", QUIET, ids=[name for name, _ in QUIET])
def test_no_verdict_begins_for(case: tuple[str, AccountFacts]) -> None:
    assert plan_flags(case[1], NOON).steps == ()


def test_a_verdict_that_lasts_is_not_announced_again() -> None:
    flag = Flag(kind="unused", credential="mm", since=ago(days=1))
    assert plan_flags(one(UNUSED, tokens=(listed(1),), ledger=ledger(flags=[flag])), NOON).steps == ()


def test_a_verdict_that_is_over_is_announced_once_more() -> None:
    flag = Flag(kind="unused", credential="mm", since=ago(days=1))
    plan = plan_flags(one(UNUSED, ledger=ledger(flags=[flag])), NOON)
    assert [(step.action, step.reason) for step in plan.steps] == [(Action.UNFLAG, Reason.USED_AGAIN)]


def test_the_end_of_a_verdict_names_the_verdict_and_its_begin_as_evidence() -> None:
    flag = Flag(kind="overdue", credential="mm", since=ago(days=1))
    young = one(record(1, CURRENT, promoted=ago(hours=2)), tokens=(listed(1, used=NOON),), ledger=ledger(flags=[flag]))
    (end,) = plan_flags(young, NOON).steps
    assert end.evidence == {"verdict": "overdue", "since": ago(days=1).isoformat()}


def test_a_verdict_on_a_credential_that_can_not_be_read_neither_ends_nor_begins() -> None:
    flag = Flag(kind="unused", credential="mm", since=ago(days=1))
    unreadable = account(facts(None, None, unreadable="sealed"), tokens=(), ledger=ledger(flags=[flag]))
    assert plan_flags(unreadable, NOON).steps == ()


@pytest.mark.parametrize("kind", ["stale", "stale_for_long", "unused"])
def test_a_verdict_on_use_does_not_end_because_the_list_lacks_the_token(kind: str) -> None:
    flag = Flag(kind=kind, credential="mm", since=ago(days=1))
    assert plan_flags(one(UNUSED, tokens=(), ledger=ledger(flags=[flag])), NOON).steps == ()


def test_that_a_superseded_token_is_still_used_does_not_end_because_the_list_is_cut_short() -> None:
    flag = Flag(kind="still_used", credential="mm", token_id="t1", since=ago(days=1))
    assert plan_flags(one(OLD, NEW, tokens=(), serves=2, ledger=ledger(flags=[flag])), NOON).steps == ()


def test_that_a_superseded_token_is_still_used_ends_when_it_alone_left_the_list() -> None:
    flag = Flag(kind="still_used", credential="mm", token_id="t1", since=ago(days=1))
    gone = one(OLD, NEW, tokens=(listed(2, used=ago(minutes=1)),), serves=2, ledger=ledger(flags=[flag]))
    assert [step.action for step in plan_flags(gone, NOON).steps] == [Action.UNFLAG]


def test_staleness_escalates_after_stale_for() -> None:
    policy = Policy(rotation_period=timedelta(days=30), max_age=timedelta(days=90))
    dead = one(
        record(1, CURRENT, promoted=ago(days=22)),
        tokens=(listed(1, used=ago(days=22) + timedelta(hours=1)),),
        policy=policy,
    )
    assert begun(plan_flags(dead, NOON)) == [
        (Reason.STALE, Severity.WARNING),
        (Reason.STALE_FOR_LONG, Severity.ERROR),
    ]


def frozen(start: datetime, until: datetime, promoted: datetime) -> AccountFacts:
    freeze = Freeze(reason="election", start=start, until=until)
    healthy = one(record(1, CURRENT, promoted=promoted))
    with_freeze = state(None, freeze)
    from dataclasses import replace  # noqa: PLC0415 - only here

    return replace(
        healthy, state=with_freeze, credentials=tuple(replace(c, state=with_freeze) for c in healthy.credentials)
    )


def test_a_freeze_that_outlasts_max_age_is_warned_about_when_it_comes_within_sight() -> None:
    near = frozen(NOON + timedelta(days=2), NOON + timedelta(days=20), ago(days=1))
    assert begun(plan_flags(near, NOON)) == [(Reason.FREEZE_OUTLASTS, Severity.WARNING)]


def test_a_freeze_that_is_far_away_is_not_warned_about_yet() -> None:
    far = frozen(NOON + timedelta(days=30), NOON + timedelta(days=60), ago(days=1))
    assert begun(plan_flags(far, NOON)) == []


def test_a_freeze_shorter_than_what_is_left_of_max_age_is_not_warned_about() -> None:
    short = frozen(NOON + timedelta(days=2), NOON + timedelta(days=4), ago(days=1))
    assert begun(plan_flags(short, NOON)) == []


@given(used=st.none() | st.integers(0, 100 * 86_400), promoted=st.integers(0, 100 * 86_400))
def test_planning_again_after_flagging_gives_nothing(used: int | None, promoted: int) -> None:
    last = None if used is None else ago(seconds=used)
    records, tokens = (record(1, CURRENT, promoted=ago(seconds=promoted)),), (listed(1, used=last),)
    steps = plan_flags(one(*records, tokens=tokens), NOON).steps
    flags = flags_after((), steps, NOON)
    assert plan_flags(one(*records, tokens=tokens, ledger=ledger(flags=flags)), NOON).steps == ()


def test_a_freeze_is_judged_by_the_age_of_a_token_that_was_rolled_back_to_not_by_its_last_promotion() -> None:
    base = one(record(1, CURRENT, derived=ago(days=10), promoted=ago(days=1)))
    freeze = Freeze(reason="election", start=NOON + timedelta(days=2), until=NOON + timedelta(days=5))
    told = state(None, freeze)
    old = replace(base, state=told, credentials=tuple(replace(each, state=told) for each in base.credentials))
    assert begun(plan_flags(old, NOON)) == [(Reason.FREEZE_OUTLASTS, Severity.WARNING)]


def strangers(count: int, label: str) -> tuple[ListedToken, ...]:
    return tuple(listed(number, label=label, token_id=f"x{number:04}") for number in range(count))


def flagged(tokens: tuple[ListedToken, ...], known: AccountLedger | None = None) -> AccountLedger:
    """Return the account ledger after a flag sweep over a healthy credential and these other tokens."""
    before = known or ledger()
    plan = plan_flags(one(FINE, tokens=(USED, *tokens), ledger=before, settings=ALERTING), NOON)
    return before.model_copy(update={"flags": flags_after(before.flags, plan.steps, NOON)})


ALERTING = Account(name="main", guards=Guards(foreign="alert"))


@pytest.mark.parametrize("label", ["laptop", "mm/unheard-of", "mm/" + "x" * 100_000])
def test_whoever_issues_tokens_cannot_fill_the_account_ledger(label: str) -> None:
    assert len(flagged(strangers(3_000, label)).model_dump_json()) < 20_000


def test_more_strangers_than_are_told_one_by_one_are_told_in_one_verdict() -> None:
    assert len(flagged(strangers(MOST_STRANGERS + 5, "laptop")).flags) == MOST_STRANGERS + 1


def test_strangers_that_were_told_stay_told_when_more_come() -> None:
    before = flagged(strangers(MOST_STRANGERS, "laptop"))

    after = flagged(strangers(MOST_STRANGERS + 50, "laptop"), before)

    assert {one.key for one in before.flags} < {one.key for one in after.flags}


def sentence(found: Plan, reason: Reason) -> str:
    return next(step.sentence for step in found.steps if step.reason is reason)


def test_a_freeze_in_force_that_outlasts_max_age_does_not_advise_a_rotation_that_it_refuses() -> None:
    told = sentence(
        plan_flags(frozen(ago(hours=1), NOON + timedelta(days=20), ago(days=1)), NOON), Reason.FREEZE_OUTLASTS
    )
    assert "rotator rotate" not in told


ORDERED = record(1, REVOKING, promoted=ago(days=1), revoking_at=ago(minutes=1), revoking_reason="ordered")


def test_services_that_are_still_served_what_a_person_had_revoked_are_told_as_rejected() -> None:
    assert begun(plan_flags(one(ORDERED, tokens=()), NOON)) == [(Reason.DANGLING, Severity.ERROR)]


PROVED = Dangling(credential="mm", token_id="t1", proved_at=NOON)
REJECTED = [
    ("a token proved dead", one(FINE, ledger=ledger(dangling=[PROVED], pauses=[PAUSE]))),
    ("a token that was revoked", one(ORDERED, tokens=(), ledger=ledger(pauses=[PAUSE]))),
]


@pytest.mark.parametrize("case", REJECTED, ids=[name for name, _ in REJECTED])
def test_who_is_rejected_while_paused_is_told_with_the_command_that_ends_the_pause(
    case: tuple[str, AccountFacts],
) -> None:
    assert sentence(plan_flags(case[1], NOON), Reason.DANGLING).endswith("rotator resume account:main")


def test_a_token_that_is_still_used_is_told_with_the_moment_from_which_its_reader_is_rejected() -> None:
    told = sentence(plan_flags(one(OLD, NEW, tokens=BOTH, serves=2), NOON), Reason.STILL_USED)
    assert "401 from 2026-06-05 12:00 UTC on" in told
