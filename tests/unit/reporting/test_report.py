"""The read model: states of tokens, ages, alerts; and nothing secret."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Policy
from tests.build import NOON, account, ago, facts, intent, journal, listed, path, record, served
from worker.account_ledger import AccountLedger, Flag
from worker.journal import Failures, RecordState
from worker.models import PathContent, Severity
from worker.policy.facts import AccountFacts
from worker.policy.plan import plan_revocations
from worker.policy.steps import Hold, Plan, Reason
from worker.report import build_report
from worker.views import CredentialView, Report, TokenState

CURRENT = record(2, RecordState.CURRENT, promoted=ago(days=2))
OLD = record(1, RecordState.SUPERSEDED, promoted=ago(days=9), superseded=ago(days=2))
HEALTHY = account(facts(journal(OLD, CURRENT), served(2)), tokens=(listed(1), listed(2)))
SECRETS = ("c3RhZ2Vk", "c2VydmVk")


def report(of: AccountFacts, *holds: Hold) -> Report:
    return build_report([of], [Plan(holds=holds)], NOON)


def credential(of: AccountFacts, *holds: Hold) -> CredentialView:
    return report(of, *holds).credentials[0]


def states(of: AccountFacts) -> dict[str, TokenState]:
    return {token.token_id: token.state for token in credential(of).tokens}


def test_a_healthy_credential_shows_its_current_and_superseded_token() -> None:
    assert states(HEALTHY) == {"t2": TokenState.CURRENT, "t1": TokenState.SUPERSEDED}


def test_a_healthy_credential_needs_nobody() -> None:
    assert not report(HEALTHY).needs_attention


def test_age_counts_from_the_promotion() -> None:
    assert credential(HEALTHY).age == timedelta(days=2)


def test_the_next_rotation_is_one_period_after_the_promotion() -> None:
    of = account(facts(journal(CURRENT), served(2), policy=Policy(spread=0)), tokens=(listed(2),))
    assert credential(of).due_at == ago(days=2) + timedelta(days=7)


def test_a_superseded_token_says_when_its_grace_ends() -> None:
    (token,) = (one for one in credential(HEALTHY).tokens if one.state is TokenState.SUPERSEDED)
    assert token.grace_ends_at == ago(days=1)


def test_our_own_verify_call_is_not_shown_as_use_by_a_service() -> None:
    verified = ago(days=2) + timedelta(seconds=1)
    of = account(facts(journal(CURRENT), served(2)), tokens=(listed(2, used=verified),))
    (token,) = credential(of).tokens
    assert (token.last_used_at, token.used_by_others_at) == (verified, None)


def test_the_use_by_a_service_is_shown() -> None:
    of = account(facts(journal(CURRENT), served(2)), tokens=(listed(2, used=ago(minutes=1)),))
    assert [token.used_by_others_at for token in credential(of).tokens] == [ago(minutes=1)]


def test_a_credential_without_a_journal_has_no_age_and_no_tokens() -> None:
    view = credential(account(facts(None, path(PathContent.EMPTY))))
    assert (view.age, view.due_at, view.tokens) == (None, None, ())


def test_a_staged_token_is_staged_until_the_path_serves_it() -> None:
    of = account(facts(journal(CURRENT, intent=intent(staged=True)), served(2)), tokens=(listed(2), listed(9)))
    assert states(of) == {"t9": TokenState.STAGED, "t2": TokenState.CURRENT}


def test_a_promoted_token_is_current_before_its_rotation_is_closed() -> None:
    of = account(facts(journal(CURRENT, intent=intent(staged=True)), served(9)), tokens=(listed(2), listed(9)))
    assert states(of) == {"t9": TokenState.CURRENT, "t2": TokenState.SUPERSEDED}


def test_an_open_intent_names_its_stage() -> None:
    stages = []
    for staged, served_number in ((False, 2), (True, 2), (True, 9)):
        view = credential(account(facts(journal(CURRENT, intent=intent(staged=staged)), served(served_number))))
        stages.append(view.intent.stage if view.intent else None)
    assert stages == ["deriving", "staged", "promoted"]


def test_a_token_whose_answer_is_still_awaited_is_deriving_and_no_orphan() -> None:
    of = account(facts(journal(CURRENT, intent=intent()), served(2)), tokens=(listed(2), listed(9)))
    assert states(of)["t9"] is TokenState.DERIVING


def test_a_live_token_with_an_abandoned_label_is_an_orphan() -> None:
    lost = record(3, RecordState.ABANDONED, token_id=None)
    of = account(facts(journal(CURRENT, lost), served(2)), tokens=(listed(2), listed(3)))
    assert states(of)["t3"] is TokenState.ORPHAN


def test_an_abandoned_token_is_an_orphan_until_the_exchange_ended_it() -> None:
    refused = record(3, RecordState.ABANDONED)
    of = account(facts(journal(CURRENT, refused), served(2)), tokens=(listed(2), listed(3)))
    assert states(of)["t3"] is TokenState.ORPHAN


def test_an_orphan_needs_a_person() -> None:
    of = account(facts(journal(CURRENT, record(3, RecordState.ABANDONED)), served(2)), tokens=(listed(2), listed(3)))
    assert report(of).needs_attention


def test_a_token_that_is_being_revoked_says_so() -> None:
    of = account(facts(journal(CURRENT, record(1, RecordState.REVOKING)), served(2)), tokens=(listed(2), listed(1)))
    assert states(of)["t1"] is TokenState.REVOKING


def test_a_revoked_token_is_not_shown() -> None:
    of = account(facts(journal(CURRENT, record(1, RecordState.REVOKED)), served(2)), tokens=(listed(2),))
    assert states(of) == {"t2": TokenState.CURRENT}


def test_a_token_of_other_hands_is_foreign() -> None:
    foreign = listed(7, label="alice's laptop")
    view = report(account(facts(journal(CURRENT), served(2)), tokens=(listed(2), foreign))).accounts[0]
    assert [(token.label, token.state) for token in view.foreign] == [("alice's laptop", TokenState.FOREIGN)]


def test_a_token_that_services_are_served_is_shown_with_its_credential_although_no_journal_knows_it() -> None:
    found = report(account(facts(None, served(7)), tokens=(listed(7),)))
    assert (found.accounts[0].foreign, [token.token_id for token in found.credentials[0].tokens]) == ((), ["t7"])


def test_nothing_is_called_foreign_before_every_journal_was_read() -> None:
    unreadable = facts(None, None, unreadable="Vault is sealed")
    assert report(account(unreadable, tokens=(listed(7),))).accounts[0].foreign == ()


def test_without_a_list_no_token_is_said_to_be_listed_or_not() -> None:
    of = account(facts(journal(CURRENT), served(2)), tokens=None)
    assert [token.listed for token in credential(of).tokens] == [None]


def test_an_account_whose_list_cannot_be_read_needs_a_person() -> None:
    assert report(account(facts(journal(CURRENT), served(2)), tokens=None)).needs_attention


def test_a_current_token_that_is_in_no_list_is_seen() -> None:
    of = account(facts(journal(CURRENT), served(2)), tokens=())
    assert [token.listed for token in credential(of).tokens] == [False]


def test_a_stale_flag_is_shown_and_needs_a_person() -> None:
    ledger = AccountLedger(account="main", flags=(Flag(kind="unused", credential="mm", since=ago(hours=1)),))
    view = credential(account(facts(journal(CURRENT), served(2)), tokens=(listed(2),), ledger=ledger))
    assert (view.stale and view.stale.kind, view.needs_attention) == ("unused", True)


def test_failed_attempts_are_counted() -> None:
    failures = Failures(count=3, last_at=ago(minutes=1), last_reason="derive_lost")
    assert credential(account(facts(journal(CURRENT, failures=failures), served(2)))).failures == 3


def test_a_credential_past_its_max_age_needs_a_person() -> None:
    old = record(1, RecordState.CURRENT, promoted=ago(days=15))
    assert credential(account(facts(journal(old), served(1)), tokens=(listed(1),))).needs_attention


def test_a_token_that_was_rolled_back_to_past_its_max_age_needs_a_person() -> None:
    old = record(1, RecordState.CURRENT, derived=ago(days=15), promoted=ago(days=1))
    view = credential(account(facts(journal(old), served(1)), tokens=(listed(1),)))
    assert (view.age, view.overdue, view.needs_attention) == (timedelta(days=1), True, True)


@pytest.mark.parametrize("severity, alerts", [(Severity.INFO, 0), (Severity.WARNING, 1), (Severity.ERROR, 1)])
def test_only_holds_of_weight_are_alerts(severity: Severity, alerts: int) -> None:
    hold = Hold("main", "mm", Reason.DRIFTED, "Another hand changed it.", severity)
    assert len(credential(HEALTHY, hold).alerts) == alerts


def test_the_same_hold_of_several_plans_is_shown_once() -> None:
    hold = Hold("main", "mm", Reason.DRIFTED, "Another hand changed it.", Severity.ERROR)
    assert len(build_report([HEALTHY], [Plan(holds=(hold,))] * 3, NOON).credentials[0].holds) == 1


def test_a_hold_of_the_account_is_shown_there() -> None:
    of = replace(HEALTHY, vault_time=NOON + timedelta(minutes=5))
    found = build_report([of], [plan_revocations(of, NOON)], NOON)
    assert [hold.reason for hold in found.accounts[0].alerts] == [Reason.CLOCKS_DIFFER]


@given(st.booleans(), st.sampled_from([2, 9]), st.booleans())
def test_no_secret_is_in_a_report(staged: bool, served_number: int, readable: bool) -> None:  # noqa: FBT001 - drawn, not called
    tokens = (listed(2), listed(9)) if readable else None
    of = account(facts(journal(OLD, CURRENT, intent=intent(staged=staged)), served(served_number)), tokens=tokens)
    found = report(of)
    assert not any(secret in text for secret in SECRETS for text in (found.model_dump_json(), repr(found)))


@given(st.booleans(), st.booleans())
def test_every_live_token_is_in_a_report_exactly_once(orphan: bool, foreign: bool) -> None:  # noqa: FBT001 - drawn, not called
    more = (*((listed(3),) if orphan else ()), *((listed(7, label="alice"),) if foreign else ()))
    lost = record(3, RecordState.ABANDONED, token_id=None)
    found = report(account(facts(journal(OLD, CURRENT, lost), served(2)), tokens=(listed(1), listed(2), *more)))
    shown = [token.token_id for view in found.credentials for token in view.tokens]
    shown += [token.token_id for view in found.accounts for token in view.foreign]
    assert sorted(shown) == sorted(["t1", "t2", *(token.token_id for token in more)])


def test_a_report_is_read_back_from_json() -> None:
    found = report(HEALTHY, Hold("main", "mm", Reason.NOT_DUE, "It is 2 d old."))
    assert Report.model_validate_json(found.model_dump_json()) == found
