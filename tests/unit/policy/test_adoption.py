"""What a person may have taken over, the rule that refuses the rest, and what a taken-over journal keeps."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.build import (
    MOUNT,
    NOON,
    PATH,
    account,
    ago,
    ahead,
    credential,
    facts,
    intent,
    journal,
    listed,
    path,
    record,
    served,
)
from worker.account_ledger import AccountLedger, Pause, Suspicion
from worker.errors import TransitionError
from worker.journal import Journal, Owner, RecordState, VerifyWindow, VersionedJournal, take_over
from worker.models import ConsumersPath, ListedToken, PathContent, PathLocation
from worker.policy.adoption import plan_adopt
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.steps import Action, Plan, Reason

CURRENT, SUPERSEDED, REVOKING, REVOKED, ABANDONED = (
    RecordState.CURRENT,
    RecordState.SUPERSEDED,
    RecordState.REVOKING,
    RecordState.REVOKED,
    RecordState.ABANDONED,
)
SHRUNK = AccountLedger(
    account="main", suspicion=Suspicion(token_ids=(), first_at=ago(minutes=1), lost=3, sentence="It lacks 3.")
)
PAUSED = AccountLedger(
    account="main", pauses=(Pause(credential="mm", since=ago(hours=1), by="ann", reason="migration"),)
)
LISTED = (listed(1), listed(2), listed(5, label="old bot"))


def bare(number: int, *, version: int = 5) -> ConsumersPath:
    """Return a path at which people put a token: two fields, nothing of ours."""
    document = served(number).document
    assert document is not None
    return ConsumersPath(version, ago(days=1), PathContent.DOCUMENT, replace(document, label="", sequence=0))


def managed(**more: Any) -> Journal:
    return journal(
        record(1, SUPERSEDED, promoted=ago(days=8), superseded=ago(days=1)),
        record(2, CURRENT, promoted=ago(days=1)),
        **more,
    )


def moved(**more: Any) -> Journal:
    return managed(**{"credential": "maker", **more})


def world(found: CredentialFacts, *others: CredentialFacts, **more: Any) -> AccountFacts:
    return account(found, *others, **{"tokens": LISTED, **more})


def other(of_journal: Journal | None, at_path: ConsumersPath, *, unreadable: str | None = None) -> CredentialFacts:
    """Return a second credential of the same account."""
    return CredentialFacts(
        credential(name="hedge"),
        VersionedJournal(3, of_journal.model_copy(update={"credential": "hedge"})) if of_journal else None,
        at_path,
        unreadable,
    )


def decided(plan: Plan) -> Reason:
    """Return the one reason of a plan that has one step or one hold."""
    (reason,) = [one.reason for one in plan.steps] + [one.reason for one in plan.holds]
    return reason


NEVER = facts(None, bare(5))
UNKNOWN = other(None, bare(1), unreadable="Vault is sealed")
ADOPTION: list[tuple[str, AccountFacts, Reason]] = [
    ("a secret that people put there", world(NEVER), Reason.ADOPTED),
    ("that secret in a pause", world(NEVER, ledger=PAUSED), Reason.ADOPTED),
    ("that secret while the list is not believed", world(NEVER, ledger=SHRUNK), Reason.ADOPTED),
    ("a secret put there after all of ours ended", world(facts(journal(record(1, REVOKED)), bare(5))), Reason.ADOPTED),
    ("an empty path", world(facts(None, path(PathContent.EMPTY))), Reason.NOTHING_TO_ADOPT),
    ("a fenced path", world(facts(journal(), path(PathContent.TOMBSTONE, 1))), Reason.NOTHING_TO_ADOPT),
    ("something that is no token", world(facts(None, path(PathContent.FOREIGN, 1))), Reason.NOTHING_TO_ADOPT),
    ("what is managed already", world(facts(managed(), served(2))), Reason.ALREADY_MANAGED),
    ("what is retired", world(facts(managed(retired_at=ago(days=1)), bare(5))), Reason.RETIRED),
    ("what cannot be read", world(facts(None, None, unreadable="denied")), Reason.UNREADABLE),
    ("a token that cannot be listed", world(NEVER, tokens=None), Reason.UNREADABLE),
    ("a token that is in no list", world(NEVER, tokens=(listed(1),)), Reason.NOT_LISTED),
    ("a path under an open intent", world(facts(journal(intent=intent(9)), bare(5))), Reason.INTENT_OPEN),
    ("a path that drifted", world(facts(managed(), bare(5))), Reason.DRIFTED),
    ("a journal that is behind", world(facts(managed(), ahead(3))), Reason.JOURNAL_BEHIND),
    ("a journal of another name", world(facts(moved(), served(2))), Reason.MOVED),
    (
        "a token that another credential knows",
        world(NEVER, other(journal(record(5, SUPERSEDED)), served(9))),
        Reason.ALREADY_MANAGED,
    ),
    ("a token that another path serves", world(NEVER, other(None, bare(5))), Reason.ALREADY_MANAGED),
    ("a token beside a journal that cannot be read", world(NEVER, UNKNOWN), Reason.UNREADABLE),
]


@pytest.mark.parametrize("what, found, reason", ADOPTION, ids=[what for what, *_ in ADOPTION])
def test_to_adopt(what: str, found: AccountFacts, reason: Reason) -> None:
    assert decided(plan_adopt(found, "mm")) == reason, what


BACK = record(2, REVOKING, promoted=ago(days=1), revoking_at=ago(hours=1))
ELSEWHERE = moved(account="partner")
RECLAIM: list[tuple[str, AccountFacts, Reason]] = [
    ("a journal that is behind", world(facts(managed(), ahead(5))), Reason.RECLAIMED),
    ("a journal that was lost", world(facts(None, ahead(2))), Reason.RECLAIMED),
    ("a journal of another name", world(facts(moved(), served(2))), Reason.RECLAIMED),
    ("a journal of another account whose tokens are here", world(facts(ELSEWHERE, served(2))), Reason.RECLAIMED),
    ("a path that drifted", world(facts(managed(), bare(5))), Reason.RECLAIMED),
    ("a path that went back to the predecessor", world(facts(managed(), served(1))), Reason.RECLAIMED),
    ("a path under an open intent", world(facts(journal(intent=intent(9)), bare(5))), Reason.RECLAIMED),
    ("a secret that people put there", world(NEVER), Reason.RECLAIMED),
    ("a sequence that no journal gets to", world(facts(managed(), ahead(5, sequence=2**52))), Reason.RECLAIMED),
    ("what is managed already", world(facts(managed(), served(2))), Reason.ALREADY_MANAGED),
    ("what is retired", world(facts(moved(retired_at=ago(days=1)), served(2))), Reason.RETIRED),
    ("a token that was marked", world(facts(moved(ledger=(BACK,)), served(2))), Reason.REVOKE_UNFINISHED),
    ("on a list that is not believed", world(facts(managed(), bare(5)), ledger=SHRUNK), Reason.LIST_SHRANK),
    (
        "a journal of another account whose tokens are there",
        world(facts(ELSEWHERE, served(2)), tokens=(listed(2),)),
        Reason.MOVED,
    ),
    ("what cannot be read", world(facts(None, None, unreadable="denied")), Reason.UNREADABLE),
    ("a token that is in no list", world(facts(managed(), bare(6))), Reason.NOT_LISTED),
    ("a path that was deleted", world(facts(managed(), path(PathContent.FOREIGN, 6))), Reason.NOTHING_TO_ADOPT),
    (
        "a token that another path serves",
        world(facts(managed(), bare(5)), other(None, bare(5))),
        Reason.ALREADY_MANAGED,
    ),
]


@pytest.mark.parametrize("what, found, reason", RECLAIM, ids=[what for what, *_ in RECLAIM])
def test_to_reclaim(what: str, found: AccountFacts, reason: Reason) -> None:
    assert decided(plan_adopt(found, "mm", reclaim=True)) == reason, what


def test_a_token_that_a_credential_of_another_account_knows_is_not_adopted() -> None:
    elsewhere = other(journal(record(5, CURRENT, promoted=ago(days=1))), served(5))
    assert decided(plan_adopt(world(NEVER), "mm", elsewhere=(elsewhere,))) == Reason.ALREADY_MANAGED


def test_the_expected_token_is_adopted() -> None:
    assert decided(plan_adopt(world(NEVER), "mm", token_id="t5")) == Reason.ADOPTED


def test_another_token_than_the_expected_one_is_not_adopted() -> None:
    assert decided(plan_adopt(world(NEVER), "mm", token_id="t1")) == Reason.OTHER_TOKEN


# --- any situation

SITUATIONS = [one for _, one, _ in (*ADOPTION, *RECLAIM)]
situations = st.sampled_from(SITUATIONS)


@given(found=situations, reclaim=st.booleans())
def test_an_adoption_has_one_step_or_one_refusal(found: AccountFacts, reclaim: bool) -> None:  # noqa: FBT001 - drawn
    plan = plan_adopt(found, "mm", reclaim=reclaim)
    assert (len(plan.steps), len(plan.holds)) in {(0, 1), (1, 0)}
    assert {step.action for step in plan.steps} <= {Action.ADOPT}


@given(found=situations, reclaim=st.booleans(), data=st.data())
def test_the_order_of_credentials_and_tokens_does_not_matter(
    found: AccountFacts,
    reclaim: bool,  # noqa: FBT001 - drawn
    data: st.DataObject,
) -> None:
    tokens = found.tokens and replace(found.tokens, tokens=tuple(data.draw(st.permutations(found.tokens.tokens))))
    shuffled = replace(found, credentials=tuple(data.draw(st.permutations(found.credentials))), tokens=tokens)
    assert plan_adopt(shuffled, "mm", reclaim=reclaim) == plan_adopt(found, "mm", reclaim=reclaim)


@given(found=situations)
def test_what_is_adopted_is_reclaimed_too_unless_the_list_is_not_believed(found: AccountFacts) -> None:
    if plan_adopt(found, "mm").steps:
        assert decided(plan_adopt(found, "mm", reclaim=True)) in {Reason.RECLAIMED, Reason.LIST_SHRANK}


@given(found=situations, reclaim=st.booleans())
def test_no_sentence_holds_a_secret(found: AccountFacts, reclaim: bool) -> None:  # noqa: FBT001 - drawn
    plan = plan_adopt(found, "mm", reclaim=reclaim)
    sentences = [one.sentence for one in plan.steps] + [one.sentence for one in plan.holds]
    assert not [one for one in sentences if "c2VydmVk" in one or "c3RhZ2Vk" in one]


# --- the journal after it

states = st.sampled_from([SUPERSEDED, REVOKING, REVOKED, ABANDONED])


@st.composite
def journals(draw: st.DrawFn) -> Journal:
    """A ledger in any state, with a current token or none, and with an intent or none."""
    numbers = draw(st.lists(st.integers(1, 6), unique=True, max_size=4))
    records = [record(number, draw(states), promoted=ago(days=number)) for number in numbers]
    if draw(st.booleans()):
        records.append(record(7, CURRENT, promoted=ago(hours=1)))
    opened = draw(st.sampled_from([None, intent(9), intent(9, staged=True)]))
    lost = draw(st.sampled_from([(), ("mm/r99",)]))
    emergency_at = draw(st.sampled_from([None, ago(hours=2)]))
    return journal(
        *records,
        intent=opened,
        sequence=draw(st.integers(1, 60)),
        past_labels=lost,
        emergency_at=emergency_at,
    )


rows = st.lists(st.integers(1, 12), unique=True, max_size=8)


def taken(of_journal: Journal, number: int, sequence: int, listed_numbers: list[int]) -> Journal:
    """Return the journal after token `number` was taken over from a document of that sequence."""
    document = served(number, sequence=sequence).document
    assert document is not None
    row = listed(number)
    tokens: list[ListedToken] = [row, *(listed(one) for one in listed_numbers if one != number)]
    return take_over(
        of_journal,
        owner=Owner("maker", "main", PathLocation(MOUNT, PATH)),
        served=document,
        version=6,
        listed=row,
        tokens=tokens,
        rotation_id="fresh",
        window=VerifyWindow(opened_at=ago(seconds=1), closed_at=NOON),
        counts=True,
        now=NOON,
    )


def may_be_taken(of_journal: Journal, number: int) -> bool:
    known = of_journal.record_of(f"t{number}")
    return known is None or known.state not in {REVOKING, REVOKED}


numbers, sequences = st.integers(1, 12), st.integers(0, 90)


@given(before=journals(), number=numbers, sequence=sequences, listed_numbers=rows)
def test_a_token_that_is_taken_over_is_the_only_current_one(
    before: Journal, number: int, sequence: int, listed_numbers: list[int]
) -> None:
    if not may_be_taken(before, number):
        with pytest.raises(TransitionError, match="was marked for revocation"):
            taken(before, number, sequence, listed_numbers)
        return
    after = taken(before, number, sequence, listed_numbers)
    assert [one.token_id for one in after.ledger if one.state is CURRENT] == [f"t{number}"]


@given(before=journals(), number=numbers.filter(lambda one: one > 7), sequence=sequences, listed_numbers=rows)
def test_a_reclaim_forgets_no_token_and_no_label(
    before: Journal, number: int, sequence: int, listed_numbers: list[int]
) -> None:
    after = taken(before, number, sequence, listed_numbers)
    staged = {before.intent.token.token_id} if before.intent and before.intent.token else set()
    known = {one.token_id for one in before.ledger} | staged
    assert known <= {one.token_id for one in after.ledger}
    labels = {*before.past_labels, *(one.label for one in before.ledger)}
    labels |= {before.intent.label} if before.intent else set()
    assert not [label for label in labels if not after.owns_label(label)]


@given(before=journals(), number=numbers.filter(lambda one: one > 7), sequence=sequences, listed_numbers=rows)
def test_a_reclaim_gives_every_other_token_that_services_may_hold_a_new_grace_and_marks_none(
    before: Journal, number: int, sequence: int, listed_numbers: list[int]
) -> None:
    after = taken(before, number, sequence, listed_numbers)
    held = {one.token_id for one in before.ledger if one.state in {CURRENT, SUPERSEDED}}
    held |= {before.intent.token.token_id} if before.intent and before.intent.token else set()
    anew = {one.token_id: (one.state, one.superseded_at) for one in after.ledger}
    assert all(anew[one] == (SUPERSEDED, NOON) for one in held - {f"t{number}"})
    marked = {one.token_id for one in before.ledger if one.state in {REVOKING, REVOKED}}
    assert {one.token_id for one in after.ledger if one.state in {REVOKING, REVOKED}} == marked


@given(before=journals(), number=numbers.filter(lambda one: one > 7), sequence=sequences, listed_numbers=rows)
def test_a_reclaimed_journal_is_ahead_of_both_and_has_no_open_intent(
    before: Journal, number: int, sequence: int, listed_numbers: list[int]
) -> None:
    after = taken(before, number, sequence, listed_numbers)
    assert (after.sequence > max(before.sequence, sequence), after.intent) == (True, None)


@given(before=journals(), number=numbers.filter(lambda one: one > 7), sequence=sequences, listed_numbers=rows)
def test_a_reclaim_leaves_an_open_emergency_open(
    before: Journal, number: int, sequence: int, listed_numbers: list[int]
) -> None:
    after = taken(before, number, sequence, listed_numbers)
    assert after.emergency_at == before.emergency_at


def test_a_reclaim_leaves_an_emergency_open_of_which_the_journal_has_the_intent_alone() -> None:
    opened = intent(9, staged=True).model_copy(update={"kind": "emergency"})
    before = journal(record(7, CURRENT, promoted=ago(hours=1)), intent=opened)
    assert taken(before, 8, 0, []).emergency_at == opened.opened_at
