"""What a list teaches the account ledger, and which current tokens are probed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.build import NOON, account, ago, facts, intent, journal, listed, path, record, served
from worker.account_ledger import AccountLedger, Baseline, Dangling, Missing, Pause, Suspicion
from worker.journal import RecordState, TokenRecord
from worker.models import ListedToken, PathContent
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.observation import observe, observed, plan_probes, with_ledger

CURRENT, SUPERSEDED = RecordState.CURRENT, RecordState.SUPERSEDED
MINUTE = timedelta(minutes=1)
PROOF = Dangling(credential="mm", token_id="t1", proved_at=ago(minutes=1))
BASELINE = Baseline(token_ids=("t1", "t2"), at=ago(days=1))


def ledger(**fields: object) -> AccountLedger:
    return AccountLedger.model_validate({"account": "main", **fields})


def healthy(*records: TokenRecord, **more: object) -> CredentialFacts:
    return facts(journal(*records, record(1, CURRENT, promoted=ago(days=1)), **more), served(1))  # type: ignore[arg-type] # fields by name


def of_account(
    *credentials: CredentialFacts, tokens: tuple[ListedToken, ...] | None = (listed(1),), **fields: object
) -> AccountFacts:
    return account(*(credentials or (healthy(),)), tokens=tokens, ledger=ledger(**fields))


def learnt(world: AccountFacts, now: datetime = NOON) -> AccountLedger:
    found = observe(world, now)
    assert found is not None
    return found


def after(world: AccountFacts, *lists: Sequence[ListedToken] | None) -> AccountFacts:
    """Return the account's facts after those lists were read, a minute apart (None: it could not be read)."""
    for minute, tokens in enumerate(lists):
        shown = None if tokens is None else tuple(tokens)
        world = with_ledger(account(*world.credentials, tokens=shown, ledger=learnt_of(world)), 3, learnt_of(world))
        world = observed(world, NOON + minute * MINUTE)
    return world


def learnt_of(world: AccountFacts) -> AccountLedger:
    assert world.state is not None
    return world.state.ledger


# --- what is remembered ---------------------------------------------------------------------------------------------


def test_the_first_list_is_remembered_as_the_baseline() -> None:
    baseline = learnt(of_account(tokens=(listed(2), listed(1)))).baseline
    assert baseline == Baseline(token_ids=("t1", "t2"), at=NOON)


def test_a_list_that_could_not_be_read_is_remembered_as_an_outage_and_as_nothing_else() -> None:
    known = of_account(tokens=None, baseline=BASELINE)
    assert learnt(known) == ledger(baseline=BASELINE, outage={"since": NOON}, sequence=1)


def test_the_outage_ends_with_the_next_list() -> None:
    outage = learnt(of_account(outage={"since": ago(minutes=9)})).outage
    assert outage is not None
    assert outage.until == NOON


def test_nothing_is_learnt_while_the_account_ledger_can_not_be_read() -> None:
    assert observe(replace(of_account(), state=None, state_error="sealed"), NOON) is None


def test_tokens_whose_revocation_we_began_are_no_reason_to_doubt_a_list() -> None:
    gone = [record(number, RecordState.REVOKING, revoking_at=ago(minutes=1)) for number in range(2, 6)]
    before = Baseline(token_ids=tuple(f"t{number}" for number in range(1, 6)), at=ago(days=1))
    assert learnt(of_account(healthy(*gone), baseline=before)).suspicion is None


def test_tokens_that_the_exchange_told_us_are_revoked_are_no_reason_either() -> None:
    gone = [record(number, RecordState.REVOKED, revoked_at=ago(minutes=1)) for number in range(2, 6)]
    before = Baseline(token_ids=tuple(f"t{number}" for number in range(1, 6)), at=ago(days=1))
    assert learnt(of_account(healthy(*gone), baseline=before)).suspicion is None


def test_superseded_tokens_that_left_the_list_by_another_hand_are() -> None:
    gone = [record(number, SUPERSEDED, superseded=ago(hours=1)) for number in range(2, 6)]
    before = Baseline(token_ids=tuple(f"t{number}" for number in range(1, 6)), at=ago(days=1))
    assert learnt(of_account(healthy(*gone), baseline=before)).suspicion is not None


def test_a_credential_that_has_a_journal_is_remembered_by_name() -> None:
    assert learnt(of_account(known=["gone"])).known == ("gone", "mm")


def test_a_credential_without_a_journal_is_not_remembered() -> None:
    assert learnt(of_account(facts(None, served(1)))).known == ()


@given(shown=st.sets(st.integers(1, 5)), missing=st.booleans())
def test_observing_the_same_list_twice_teaches_nothing_new(shown: set[int], missing: bool) -> None:  # noqa: FBT001 - drawn
    before = {"baseline": BASELINE} if missing else {}
    tokens = tuple(listed(number) for number in sorted(shown))
    thrice = [after(of_account(**before), *([tokens] * count)) for count in (2, 3)]  # type: ignore[arg-type] # by name
    assert learnt_of(thrice[0]) == learnt_of(thrice[1])


# --- proofs that are over -------------------------------------------------------------------------------------------


def test_a_proof_lasts_while_its_token_is_current_and_in_no_list() -> None:
    assert learnt(of_account(tokens=(), dangling=[PROOF])).dangling == (PROOF,)


def test_a_proof_is_over_when_its_token_is_no_longer_current() -> None:
    rotated = facts(
        journal(record(1, SUPERSEDED, superseded=NOON), record(2, CURRENT, promoted=NOON)), served(2, version=6)
    )
    assert learnt(of_account(rotated, tokens=(listed(2),), dangling=[PROOF])).dangling == ()


def test_a_proof_is_over_when_the_exchange_lists_its_token_again() -> None:
    assert learnt(of_account(tokens=(listed(1),), dangling=[PROOF])).dangling == ()


def test_a_proof_is_kept_while_a_journal_can_not_be_read() -> None:
    unreadable = account(facts(None, None, unreadable="sealed"), tokens=(), ledger=ledger(dangling=[PROOF]))
    assert learnt(unreadable).dangling == (PROOF,)


# --- who is probed --------------------------------------------------------------------------------------------------

GONE: tuple[ListedToken, ...] = ()
HERE = (listed(1),)
SEQUENCES: list[tuple[str, tuple[tuple[ListedToken, ...] | None, ...], bool]] = [
    ("one list lacks it", (HERE, GONE), False),
    ("two lists in a row lack it", (HERE, GONE, GONE), True),
    ("it was listed in between", (HERE, GONE, HERE, GONE), False),
    ("it was listed in the end", (HERE, GONE, GONE, HERE), False),
    ("two lists lack it with one between them that could not be read", (HERE, GONE, None, GONE), True),
    ("one list lacks it and the next could not be read", (HERE, GONE, None), False),
    ("it was never listed at all", (GONE, GONE), True),
]


@pytest.mark.parametrize("case", SEQUENCES, ids=[name for name, *_ in SEQUENCES])
def test_whether_a_current_token_is_probed_when(
    case: tuple[str, tuple[tuple[ListedToken, ...] | None, ...], bool],
) -> None:
    _, lists, probed = case
    steps = plan_probes(after(of_account(), *lists), NOON + 5 * MINUTE)
    assert [step.token_id for step in steps] == (["t1"] if probed else [])


ABSENT = {"missing": [Missing(token_id="t1", since=ago(minutes=1), lists=2)]}
SUSPICION = Suspicion(token_ids=(), first_at=ago(minutes=1), lost=3, sentence="It lacks 3.")
FACTS: list[tuple[str, AccountFacts, bool]] = [
    ("nothing else is the matter", of_account(tokens=(), **ABSENT), True),
    ("it is paused: a probe changes nothing", of_account(
        tokens=(), pauses=[Pause(since=ago(hours=1), by="ann", reason="why")], **ABSENT), True),
    ("the list is doubted: only a call of its own can tell", of_account(
        tokens=(), suspicion=SUSPICION, **ABSENT), True),
    ("it is proved dangling already", of_account(tokens=(), dangling=[PROOF], **ABSENT), False),
    ("Vault serves another token", of_account(
        facts(journal(record(1, CURRENT, promoted=ago(days=1))), served(2)), tokens=(), **ABSENT), False),
    ("it is superseded", of_account(
        facts(journal(record(1, SUPERSEDED, superseded=NOON), record(2, CURRENT, promoted=NOON)), served(2)),
        tokens=(listed(2),), **ABSENT), False),
    ("the answer to a derive may still be on its way", of_account(
        healthy(intent=intent(9, opened=ago(seconds=30))), tokens=(), **ABSENT), False),
    ("the answer to a derive never came", of_account(
        healthy(intent=intent(9, opened=ago(minutes=9))), tokens=(), **ABSENT), False),
    ("a rotation has just staged its successor", of_account(
        healthy(intent=intent(9, opened=ago(seconds=30), staged=True)), tokens=(), **ABSENT), False),
    ("its successor has been waiting in the journal for long", of_account(
        healthy(intent=intent(9, opened=ago(minutes=9), staged=True)), tokens=(), **ABSENT), True),
    ("its journal can not be read", account(
        facts(None, None, unreadable="sealed"), tokens=(), ledger=ledger(**ABSENT)), False),
]  # fmt: skip


@pytest.mark.parametrize("case", FACTS, ids=[name for name, *_ in FACTS])
def test_whether_a_token_that_two_lists_lacked_is_probed_when(case: tuple[str, AccountFacts, bool]) -> None:
    _, world, probed = case
    assert [step.token_id for step in plan_probes(world, NOON)] == (["t1"] if probed else [])


def test_nobody_is_probed_while_the_account_ledger_can_not_be_read() -> None:
    assert plan_probes(replace(of_account(tokens=()), state=None), NOON) == ()


# --- who would be missed


ENDED = record(1, RecordState.REVOKED, revoked_at=ago(days=1))


def test_a_credential_that_is_retired_with_nothing_left_may_leave_the_configuration() -> None:
    retired = facts(journal(ENDED, retired_at=ago(days=1)), path(PathContent.TOMBSTONE, 6))
    assert learnt(of_account(retired, known=["mm"])).known == ()


def test_a_retired_credential_with_a_token_still_to_be_revoked_would_be_missed() -> None:
    ending = record(1, RecordState.REVOKING, revoking_at=ago(days=1))
    retired = facts(journal(ending, retired_at=ago(days=1)), path(PathContent.TOMBSTONE, 6))
    assert learnt(of_account(retired)).known == ("mm",)


def renamed(to: str) -> CredentialFacts:
    credential = healthy()
    return replace(credential, credential=credential.credential.model_copy(update={"name": to}))


def test_a_credential_whose_path_another_name_is_configured_for_has_not_vanished() -> None:
    assert learnt(of_account(renamed("new"), known=["mm"])).known == ()


def test_a_new_name_is_not_missed_before_it_has_taken_the_journal_over() -> None:
    assert "new" not in learnt(of_account(renamed("new"))).known
