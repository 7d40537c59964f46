"""A rotation on fakes: its order, and what becomes of it when something fails."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from config.schema import FieldNames, Policy
from tests.fakes.vault import Call
from tests.harness import Harness, rotation_id
from worker.errors import (
    AuthenticationRefusedError,
    ClockSkewError,
    ExchangeRefusedError,
    ExchangeUnavailableError,
    UnknownNameError,
    UnusableSecretError,
    VaultUnavailableError,
)
from worker.journal import RecordState
from worker.models import PathContent, Severity
from worker.policy.steps import Action, Reason, Result
from worker.vault.documents import WRITE_ID, served_data

CURRENT, SUPERSEDED, ABANDONED = RecordState.CURRENT, RecordState.SUPERSEDED, RecordState.ABANDONED
SKEWED = ClockSkewError("the clock of this machine is 60 s behind", skew=timedelta(seconds=60))
AWAY = VaultUnavailableError("Vault is sealed")


@pytest.fixture
def world() -> Harness:
    return Harness()


@pytest.fixture
def due() -> Harness:
    """A world whose credential was rotated once and is due again."""
    world = Harness()
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(timedelta(days=7))
    world.outcomes.seen.clear()
    return world


def test_the_first_rotation_serves_a_live_token(world: Harness) -> None:
    world.engine.rotate("mm")
    assert {world.served()} == world.live()


def test_services_read_the_secret_that_the_exchange_issued(world: Harness) -> None:
    world.engine.rotate("mm")
    document = world.path().document
    assert document is not None
    assert document.secret == world.exchange.token(document.token_id).secret


def test_the_served_document_tells_where_it_comes_from(world: Harness) -> None:
    world.engine.rotate("mm")
    document = world.path().document
    assert document is not None
    assert (document.label, document.account, document.api_url, document.scopes, document.rotation_id) == (
        f"mm/{rotation_id(1)}",
        "main",
        "https://api.limitless.exchange",
        ("trading",),
        rotation_id(1),
    )


def test_a_closed_rotation_leaves_no_secret_in_the_journal(world: Harness) -> None:
    world.engine.rotate("mm")
    (issued,) = world.exchange.issued
    stored = [version.data for version in world.vault.journal_versions(world.location())]
    assert issued.secret.get_secret_value() not in str(stored)


def test_the_writes_come_in_the_order_that_survives_a_crash(world: Harness) -> None:
    order: list[str] = []
    world.vault.on_call = lambda call: order.append(f"{call.port}.{call.method}") if _is_write(call) else None
    world.hooked.hook = lambda moment: order.append(moment) if moment.startswith("before") else None
    world.engine.rotate("mm")
    assert order == [
        "before profile",
        "accounts.write",  # at first contact alone: the profile that the account is bound to
        "before list_tokens",
        "before list_tokens",  # the same: no list was believed yet, so every journal is asked what it should show
        "journals.write",
        "before derive_token",
        "journals.write",
        "accounts.write",  # what the derive's answer says of the profile besides
        "before list_tokens_as",
        "consumers.write",
        "journals.write",
    ]


def _is_write(call: Call) -> bool:
    return call.moment == "before" and call.method.startswith("write")


def test_a_due_credential_supersedes_its_predecessor_and_keeps_it_alive(due: Harness) -> None:
    old = due.served()
    due.engine.rotate("mm")
    assert due.states() == [(old, SUPERSEDED), (due.served(), CURRENT)]
    assert old in due.live()


def test_a_young_credential_is_left_alone(world: Harness) -> None:
    world.engine.rotate("mm")
    world.engine.rotate("mm")
    assert len(world.exchange.issued) == 1


def test_a_request_rotates_a_young_credential_once(world: Harness) -> None:
    world.engine.rotate("mm")
    world.clock.advance(timedelta(seconds=5))
    world.engine.rotate("mm", requested=True)
    assert len(world.exchange.issued) == 2


def test_a_request_that_loses_the_journal_to_a_sweep_is_planned_anew_and_rotates_once(world: Harness) -> None:
    world.engine.rotate("mm")
    served = world.served()

    def a_sweep_writes_the_journal() -> None:
        found = world.vault.journals.read(world.location())
        assert found is not None
        world.vault.journals.write(world.location(), found.journal, cas=found.version)

    world.exchange.before_next("list", a_sweep_writes_the_journal)
    world.engine.rotate("mm", requested=True)
    assert world.served() != served
    assert len(world.exchange.issued) == 2


def test_a_request_right_after_a_rotation_is_not_satisfied_by_it(world: Harness) -> None:
    world.engine.rotate("mm")
    world.engine.rotate("mm", requested=True)
    assert len(world.exchange.issued) == 2


def test_a_request_that_is_repeated_as_of_its_own_time_is_satisfied_by_what_it_did(world: Harness) -> None:
    world.engine.rotate("mm")
    asked = world.engine.request_time("mm")
    world.clock.advance(timedelta(seconds=1))
    world.engine.rotate("mm", requested_at=asked)
    world.engine.rotate("mm", requested_at=asked)
    assert len(world.exchange.issued) == 2


def test_a_request_that_finds_an_open_intent_is_satisfied_by_finishing_it(due: Harness) -> None:
    due.exchange.fail_next("list_as", ExchangeUnavailableError("away"))
    due.engine.rotate("mm")
    due.clock.advance(timedelta(seconds=5))
    due.engine.rotate("mm", requested=True)
    assert len(due.exchange.issued) == 2


def test_an_unknown_name_is_refused_with_the_names_that_exist(world: Harness) -> None:
    with pytest.raises(UnknownNameError, match="Configured: mm"):
        world.engine.rotate("nope")


def test_nothing_is_done_while_another_worker_holds_the_lease(world: Harness) -> None:
    world.leases.taken.add("rotate:mm")
    world.engine.rotate("mm")
    assert (world.exchange.issued, world.outcomes.reasons()) == ((), [Reason.LEASE_HELD])


def test_nothing_is_derived_when_vault_takes_no_intent(due: Harness) -> None:
    due.vault.fail_next(AWAY, port="journals", method="write")
    due.engine.rotate("mm")
    assert len(due.exchange.issued) == 1


def vault_away(world: Harness, *, writes: int) -> None:
    for _ in range(writes):
        world.vault.fail_next(AWAY, method="write")


def another_hand_writes(world: Harness) -> None:
    world.vault.put_foreign(world.location())


# --- the derive


def test_a_derive_whose_answer_was_lost_is_not_repeated(due: Harness) -> None:
    due.exchange.lose_next("derive")
    due.engine.rotate("mm")
    due.clock.advance(timedelta(seconds=119))
    due.engine.rotate("mm")
    assert len(due.exchange.calls("derive")) == 2  # the first rotation's, and the lost one


def test_a_lost_derive_is_abandoned_after_its_deadline_and_its_token_revoked_by_label(due: Harness) -> None:
    old = due.served()
    due.exchange.lose_next("derive")
    due.engine.rotate("mm")
    due.clock.advance(timedelta(minutes=2))
    due.engine.rotate("mm")
    due.engine.revoke("main")
    assert due.live() == {old}


def test_after_a_lost_derive_the_rotation_starts_again(due: Harness) -> None:
    due.exchange.lose_next("derive")
    due.engine.rotate("mm")
    due.clock.advance(timedelta(minutes=2))
    due.engine.rotate("mm")
    due.clock.advance(timedelta(minutes=1))
    due.engine.rotate("mm")
    assert due.journal().current is not None
    assert due.served() == due.exchange.issued[-1].token_id


def test_a_lost_token_that_is_listed_late_is_still_found_by_its_label(due: Harness) -> None:
    due.exchange.hide_next_tokens()
    due.exchange.lose_next("derive")
    due.engine.rotate("mm")
    due.clock.advance(timedelta(minutes=2))
    due.settle(sweeps=2)
    lost = due.exchange.issued[1]
    due.exchange.reveal(lost.token_id)
    due.engine.revoke("main")
    assert lost.token_id not in due.live()


def test_a_refused_derive_closes_the_intent_and_counts_a_failure(due: Harness) -> None:
    due.exchange.fail_next("derive", ExchangeRefusedError("403 not allowed", status=403))
    due.engine.rotate("mm")
    assert (due.journal().intent, due.journal().failures.count) == (None, 1)


def test_a_refused_derive_is_an_error_for_people_and_a_throttled_one_a_warning(due: Harness) -> None:
    due.exchange.fail_next("derive", ExchangeRefusedError("403 not allowed", status=403))
    due.engine.rotate("mm")
    due.clock.advance(timedelta(hours=1))
    due.exchange.fail_next("derive", ExchangeUnavailableError("429 too many requests"))
    due.engine.rotate("mm")
    assert [one.severity for one in due.outcomes.seen if one.reason is Reason.DERIVE_REFUSED] == [
        Severity.ERROR,
        Severity.WARNING,
    ]


def test_a_failed_credential_backs_off_before_it_tries_again(due: Harness) -> None:
    due.exchange.fail_next("derive", ExchangeUnavailableError("429"))
    due.engine.rotate("mm")
    due.engine.rotate("mm")
    assert due.outcomes.reasons()[-1] is Reason.BACKING_OFF


# --- staging


def test_vault_away_right_after_the_derive_costs_no_secret(due: Harness) -> None:
    due.exchange.after_next("derive", lambda: vault_away(due, writes=6))
    due.engine.rotate("mm")
    assert due.served() == due.exchange.issued[-1].token_id


def test_a_stage_whose_answer_was_lost_but_landed_goes_on(due: Harness) -> None:
    due.exchange.after_next("derive", lambda: due.vault.lose_next_answer(landed=True, readback=False))
    due.engine.rotate("mm")
    assert (due.served(), due.live()) == (due.exchange.issued[-1].token_id, {t.token_id for t in due.exchange.issued})


def test_a_stage_whose_answer_was_lost_and_did_not_land_is_written_again(due: Harness) -> None:
    due.exchange.after_next("derive", lambda: due.vault.lose_next_answer(landed=False))
    due.engine.rotate("mm")
    assert due.served() == due.exchange.issued[-1].token_id


def test_a_worker_that_finds_its_attempt_abandoned_revokes_the_token_it_just_derived(due: Harness) -> None:
    old = due.served()

    def overtaken() -> None:
        due.clock.advance(timedelta(minutes=3))
        due.new_engine().rotate("mm")

    due.exchange.after_next("derive", overtaken)
    due.engine.rotate("mm")
    assert (due.served(), due.live()) == (old, {old})


def test_a_secret_that_vault_never_takes_is_given_up_and_its_token_revoked(due: Harness) -> None:
    old = due.served()
    due.exchange.after_next("derive", lambda: vault_away(due, writes=200))
    due.engine.rotate("mm")
    due.vault.recover()
    due.clock.advance(timedelta(minutes=1))
    due.engine.rotate("mm")
    due.engine.revoke("main")
    assert (due.served(), due.live()) == (old, {old})


# --- verifying


def test_a_new_token_that_is_refused_at_first_is_promoted_once_it_works(due: Harness) -> None:
    refused = AuthenticationRefusedError("401", status=401)
    due.exchange.fail_next("list_as", refused, count=3)
    due.engine.rotate("mm")
    assert due.served() == due.exchange.issued[-1].token_id


def test_a_new_token_that_never_works_is_fenced_abandoned_and_revoked(due: Harness) -> None:
    old, version = due.served(), due.path().version
    due.exchange.after_next("derive", lambda: due.exchange.break_token(due.exchange.issued[-1].token_id))
    due.engine.rotate("mm")
    due.engine.revoke("main")
    assert (due.served(), due.path().version, due.live()) == (old, version + 1, {old})


def test_a_refused_first_token_leaves_a_tombstone_and_the_next_one_is_served(world: Harness) -> None:
    world.exchange.after_next("derive", lambda: world.exchange.break_token(world.exchange.issued[-1].token_id))
    world.engine.rotate("mm")
    fenced = world.path().content
    world.clock.advance(timedelta(minutes=2))
    world.engine.rotate("mm")
    assert (fenced, world.served()) == (PathContent.TOMBSTONE, world.exchange.issued[-1].token_id)


def test_a_paused_worker_can_not_promote_what_was_fenced_meanwhile(due: Harness) -> None:
    old = due.served()

    def overtaken(call: Call) -> None:
        if (call.port, call.method, call.moment) != ("consumers", "write", "before"):
            return
        due.vault.on_call = None
        due.exchange.break_token(due.exchange.issued[-1].token_id)
        due.new_engine().rotate("mm")

    due.vault.on_call = overtaken
    due.engine.rotate("mm")
    due.engine.revoke("main")
    assert (due.served(), due.live()) == (old, {old})


def test_a_token_with_other_scopes_than_asked_for_is_not_served(due: Harness) -> None:
    old = due.served()
    due.exchange.grant_next(["trading", "withdrawal"])
    due.engine.rotate("mm")
    assert (due.served(), due.outcomes.reasons()[-1]) == (old, Reason.SCOPES_DIFFER)


def test_a_token_that_is_not_listed_yet_is_proved_by_its_signature_alone(due: Harness) -> None:
    due.exchange.hide_next_tokens()
    due.engine.rotate("mm")
    assert due.served() == due.exchange.issued[-1].token_id


def test_skewed_clocks_say_so_and_change_nothing(due: Harness) -> None:
    old = due.served()
    due.exchange.fail_next("list_as", SKEWED)
    due.engine.rotate("mm")
    journal = due.journal()
    assert (due.served(), journal.intent is not None, journal.failures.count) == (old, True, 0)
    assert due.outcomes.seen[-1].severity is Severity.ERROR


def test_a_rotation_cut_off_while_verifying_goes_on_in_a_new_window(due: Harness) -> None:
    due.exchange.fail_next("list_as", ExchangeUnavailableError("503"))
    due.engine.rotate("mm")
    due.clock.advance(timedelta(minutes=10))
    due.new_engine().rotate("mm")
    current = due.journal().current
    assert current is not None
    assert (len(current.windows), due.served()) == (2, due.exchange.issued[-1].token_id)


# --- promoting and closing


def test_a_promote_whose_answer_was_lost_is_closed_by_the_next_run(due: Harness) -> None:
    due.vault.lose_next_answer(landed=True, readback=False, port="consumers")
    due.engine.rotate("mm")
    due.new_engine().rotate("mm")
    journal = due.journal()
    assert (journal.intent, journal.current and journal.current.token_id) == (None, due.served())


def test_a_path_written_by_another_hand_before_the_promote_is_left_as_it_is(due: Harness) -> None:
    due.exchange.after_next("derive", lambda: another_hand_writes(due))
    due.engine.rotate("mm")
    assert due.path().content is PathContent.FOREIGN
    assert due.outcomes.reasons()[-1] in {Reason.SUPERSEDED_BY_OTHER, Reason.DRIFTED}


def test_nothing_is_revoked_after_another_hand_wrote_the_path(due: Harness) -> None:
    due.exchange.after_next("derive", lambda: another_hand_writes(due))
    due.engine.rotate("mm")
    due.clock.advance(timedelta(days=30))
    due.engine.rotate("mm")
    due.engine.revoke("main")
    assert len(due.live()) == 2


def test_the_predecessors_grace_counts_from_vaults_own_time(due: Harness) -> None:
    due.engine.rotate("mm")
    latest = due.vault.versions(due.location())[-1]
    assert [record.superseded_at for record in due.journal().ledger] == [latest.created_time, None]


def test_every_outcome_of_a_rotation_names_its_rotation_id(due: Harness) -> None:
    outcomes = due.engine.rotate("mm")
    assert [(one.action, one.result, one.rotation_id) for one in outcomes] == [
        (action, Result.DONE, rotation_id(2)) for action in (Action.MINT, Action.VERIFY, Action.PROMOTE, Action.CLOSE)
    ]


def test_one_credentials_failure_does_not_stop_anothers_rotation() -> None:
    world = Harness("mm", "taker", policy=Policy())
    world.exchange.fail_next("derive", ExchangeRefusedError("403", status=403))
    for name in ("mm", "taker"):
        world.engine.rotate(name)
    assert (world.served("mm"), world.served("taker")) == (None, world.exchange.issued[-1].token_id)


def failing(world: Harness, *, times: int) -> None:
    for _ in range(times):
        world.exchange.fail_next("derive", ExchangeRefusedError("403", status=403))
        world.engine.rotate("mm")
        world.clock.advance(timedelta(hours=7))


def test_a_credential_that_keeps_failing_is_parked_and_alerts_once(due: Harness) -> None:
    failing(due, times=5)
    for _ in range(3):
        due.engine.rotate("mm")
    parked = [(one.result, one.severity) for one in due.outcomes.seen if one.reason is Reason.PARKED]
    assert parked == [(Result.HELD, Severity.ERROR)] + [(Result.HELD, Severity.INFO)] * 3


def test_nothing_is_begun_while_the_exchange_does_not_answer(due: Harness) -> None:
    before = due.journal()
    due.exchange.fail_next("list", ExchangeUnavailableError("503 maintenance"), count=20)
    for _ in range(20):
        due.engine.rotate("mm")
        due.clock.advance(timedelta(minutes=1))
    assert due.journal() == before


def test_a_rotation_goes_on_by_itself_after_a_long_maintenance(due: Harness) -> None:
    due.exchange.fail_next("list", ExchangeUnavailableError("503 maintenance"), count=20)
    for _ in range(21):
        due.engine.rotate("mm")
        due.clock.advance(timedelta(minutes=1))
    assert due.served() == due.exchange.issued[-1].token_id
    assert len(due.exchange.issued) == 2


def test_being_throttled_backs_off_and_never_parks(due: Harness) -> None:
    due.exchange.fail_next("derive", ExchangeUnavailableError("429"), count=10)
    for _ in range(10):
        due.engine.rotate("mm")
        due.clock.advance(timedelta(hours=7))
    assert (due.journal().failures.count, due.journal().failures.passing) == (0, 10)
    due.engine.rotate("mm")
    assert due.served() == due.exchange.issued[-1].token_id


def test_a_throttled_attempt_waits_as_long_as_the_exchange_asked(due: Harness) -> None:
    asked = timedelta(minutes=20)
    due.exchange.fail_next("derive", ExchangeUnavailableError("429", retry_after=asked))
    due.engine.rotate("mm")
    assert due.journal().failures.retry_at == due.clock.now() + asked


def test_a_parked_credential_is_tried_again_after_it_is_resumed(due: Harness) -> None:
    failing(due, times=5)
    due.exchange.recover()
    due.engine.resume("mm")
    due.engine.rotate("mm")
    assert due.served() == due.exchange.issued[-1].token_id
    assert len(due.exchange.issued) == 2


def test_a_successful_manual_run_ends_parking(due: Harness) -> None:
    failing(due, times=5)
    due.exchange.recover()
    due.engine.rotate("mm", requested=True)
    assert due.journal().failures.count == 0


def test_resuming_a_credential_whose_rotation_is_under_way_changes_nothing(due: Harness) -> None:
    failing(due, times=1)
    due.exchange.lose_next("derive")
    due.engine.rotate("mm", requested=True)
    before = due.journal()
    due.engine.resume("mm")
    assert due.journal() == before


def test_a_parked_credential_still_finishes_an_open_intent(due: Harness) -> None:
    failing(due, times=5)
    due.exchange.recover()
    due.exchange.fail_next("list_as", ExchangeUnavailableError("503"))
    due.engine.rotate("mm", requested=True)
    due.engine.rotate("mm")
    assert due.served() == due.exchange.issued[-1].token_id


# --- another hand that knows the new token's id from the exchange's list


def forge(world: Harness) -> None:
    """Write the staged token's id, which the list tells, with a secret that is none to the consumers' path."""
    intent = world.journal().intent
    assert intent is not None
    assert intent.token is not None
    written = world.path().document
    assert written is not None
    data = served_data(replace(written, token_id=intent.token.token_id, secret=SecretStr("bm9uZQ==")), FieldNames())
    world.vault.put_foreign(world.location(), {**data, WRITE_ID: "theirs"})


def secret_of_staged(world: Harness) -> SecretStr | None:
    intent = world.journal().intent
    return intent.token.secret if intent is not None and intent.token is not None else None


@pytest.fixture
def staged(due: Harness) -> Harness:
    """A world whose second rotation was told to end right after its secret was staged."""
    due.exchange.after_next("derive", lambda: setattr(due, "stopping", True))
    due.engine.rotate("mm")
    due.stopping = False
    return due


def test_a_staged_secret_is_not_given_up_for_a_document_that_only_names_its_token(staged: Harness) -> None:
    secret = secret_of_staged(staged)
    forge(staged)

    staged.settle()

    assert secret_of_staged(staged) == secret
    assert Reason.DRIFTED in staged.outcomes.reasons()


def test_a_promote_that_loses_to_such_a_document_does_not_close_the_rotation(staged: Harness) -> None:
    secret = secret_of_staged(staged)
    staged.exchange.after_next("list_as", lambda: forge(staged))

    staged.engine.rotate("mm")

    assert secret_of_staged(staged) == secret


def test_a_staged_secret_that_nothing_can_be_signed_with_does_not_stay_staged_for_ever(staged: Harness) -> None:
    staged.exchange.fail_next("list_as", UnusableSecretError("The secret of token t is not base64."))

    staged.engine.rotate("mm")

    assert staged.journal().intent is None
    assert Reason.VERIFY_REFUSED in staged.outcomes.reasons()
