"""A person's hand through the engine: durable, exact, and safe whatever dies or comes in between."""

from datetime import datetime, timedelta

import pytest

from tests.harness import ACCOUNT, Crash, Harness
from worker.account_ledger import AccountLedger, Suspicion, changed
from worker.engine.edits import Edits
from worker.engine.pausing import Scope, freezes, lifts, pauses, scopes_of, trusts, unfreezes
from worker.errors import (
    AmbiguousWriteError,
    CasConflictError,
    UnknownNameError,
    VaultUnavailableError,
)
from worker.journal import RecordState
from worker.policy.steps import Action, Order, Outcome, Reason, Result

ANN = Order(by="ann", why="migration")
BOB = Order(by="bob", why="lunch")
HOUR = timedelta(hours=1)


@pytest.fixture
def world() -> Harness:
    return Harness("mm", "hedge")


def pausing(world: Harness, name: str = "mm", *, lasting: timedelta | None = None, order: Order = ANN) -> Edits:
    now = world.clock.now()
    return pauses(world.settings, name, since=now, until=now + lasting if lasting else None, order=order)


def paused(world: Harness, name: str = "mm", lasting: timedelta | None = None) -> tuple[Outcome, ...]:
    return world.engine.edit(pausing(world, name, lasting=lasting), ANN)


def frozen(world: Harness, until: datetime, order: Order = ANN) -> tuple[Outcome, ...]:
    return world.engine.edit(freezes(world.settings, ACCOUNT, since=world.clock.now(), until=until, order=order), order)


def ledger(world: Harness) -> AccountLedger:
    return world.vault.accounts.read(ACCOUNT).ledger


def write(world: Harness, **changes: object) -> None:
    version, before = world.vault.accounts.read(ACCOUNT)
    world.vault.accounts.write(changed(before, **changes), cas=version)


def doubt(world: Harness, lost: int = 3) -> None:
    doubted = Suspicion(token_ids=(f"t{lost}",), first_at=world.clock.now(), lost=lost, sentence=f"It lacks {lost}.")
    write(world, suspicion=doubted)


def results(outcomes: tuple[Outcome, ...]) -> list[tuple[Result, Reason]]:
    return [(one.result, one.reason) for one in outcomes]


def due(world: Harness) -> None:
    """Give both a token in use that is due."""
    for name in ("mm", "hedge"):
        world.engine.rotate(name)
        world.use_served(name)
    world.clock.advance(timedelta(days=9))


# --- names


def test_a_name_is_a_credential_an_account_or_all(world: Harness) -> None:
    found = [scopes_of(world.settings, name) for name in ("mm", ACCOUNT, "all", "credential:mm", "account:main")]
    assert found == [
        (Scope("main", "mm"),),
        (Scope("main"),),
        (Scope("main"),),
        (Scope("main", "mm"),),
        (Scope("main"),),
    ]


@pytest.mark.parametrize("name", ["nobody", "", "account:mm", "credential:main", "token:mm", "account:", "mm:mm"])
def test_any_other_name_is_refused(world: Harness, name: str) -> None:
    with pytest.raises(UnknownNameError):
        scopes_of(world.settings, name)


def test_a_name_that_two_things_have_is_refused_until_it_says_which() -> None:
    world = Harness("main")
    with pytest.raises(UnknownNameError, match="say credential:main or account:main"):
        scopes_of(world.settings, "main")
    assert scopes_of(world.settings, "credential:main") == (Scope("main", "main"),)


# --- pause


@pytest.mark.parametrize("name", ["mm", ACCOUNT, "all"])
def test_a_paused_credential_is_not_rotated(world: Harness, name: str) -> None:
    due(world)
    before = world.served()
    paused(world, name)
    assert ([one.reason for one in world.engine.rotate("mm")], world.served()) == ([Reason.PAUSED], before)


def test_a_pause_of_one_leaves_the_others_alone(world: Harness) -> None:
    paused(world, "mm")
    world.engine.rotate("hedge")
    assert world.served("hedge") is not None


def test_a_person_who_asks_for_a_rotation_is_told_of_the_pause(world: Harness) -> None:
    paused(world)
    assert [one.reason for one in world.engine.rotate("mm", requested=True)] == [Reason.PAUSED]


def test_a_paused_credential_that_dangles_waits_as_well(world: Harness) -> None:
    due(world)
    paused(world)
    world.exchange.revoke_token(world.served() or "")
    world.settle(sweeps=3)
    assert len(world.journal().ledger) == 1


def revocable(world: Harness) -> None:
    due(world)
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(timedelta(hours=25))
    world.use_served()
    world.clock.advance(timedelta(minutes=1))


@pytest.mark.parametrize("name", ["mm", ACCOUNT, "all"])
def test_nothing_of_what_is_paused_is_revoked(world: Harness, name: str) -> None:
    revocable(world)
    live = world.live()
    paused(world, name)
    world.engine.revoke(ACCOUNT)
    assert world.live() == live


def test_an_orphan_of_a_paused_credential_is_given_up_and_revoked_after_the_pause(world: Harness) -> None:
    world.exchange.lose_next("derive")
    world.engine.rotate("mm")
    paused(world, lasting=HOUR)
    world.clock.advance(timedelta(minutes=20))
    world.engine.rotate("mm")
    world.engine.revoke(ACCOUNT)
    during = (world.journal().intent, len(world.live()))
    world.clock.advance(HOUR)
    world.settle()
    assert (during, world.live()) == ((None, 1), {world.served("mm"), world.served("hedge")})


def test_a_staged_token_of_a_paused_credential_waits_and_is_promoted_after_the_pause(world: Harness) -> None:
    world.vault.fail_next(VaultUnavailableError("Vault is away"), port="consumers", method="write")
    world.engine.rotate("mm")
    paused(world, lasting=HOUR)
    world.clock.advance(timedelta(minutes=30))
    world.engine.rotate("mm")
    during = world.served()
    world.clock.advance(HOUR)
    world.engine.rotate("mm")
    assert (during, world.served(), len(world.exchange.issued)) == (None, world.exchange.issued[0].token_id, 1)


def test_what_was_revoked_halfway_is_left_until_the_pause_is_over(world: Harness) -> None:
    revocable(world)
    world.exchange.fail_next("revoke", VaultUnavailableError("away"))
    world.engine.revoke(ACCOUNT)
    paused(world, lasting=HOUR)
    world.engine.revoke(ACCOUNT)
    during = [state for _, state in world.states() if state is RecordState.REVOKING]
    world.clock.advance(2 * HOUR)
    world.engine.revoke(ACCOUNT)
    after = [state for _, state in world.states() if state is RecordState.REVOKED]
    assert (len(during), len(after)) == (1, 1)


def test_when_a_pause_ends_by_itself_sweeps_go_on(world: Harness) -> None:
    due(world)
    before = world.served()
    paused(world, lasting=HOUR)
    world.clock.advance(HOUR)
    world.engine.rotate("mm")
    assert world.served() != before


def test_a_pause_survives_everything_but_vault(world: Harness) -> None:
    paused(world)
    world.engine = world.new_engine()
    assert [one.reason for one in world.engine.rotate("mm")] == [Reason.PAUSED]


def test_who_and_why_are_in_the_ledger_and_in_the_outcome(world: Harness) -> None:
    outcome = paused(world)[0]
    kept = ledger(world).pauses[0]
    assert (kept.by, kept.reason, outcome.evidence, outcome.action) == (
        "ann",
        "migration",
        {"by": "ann", "why": "migration"},
        Action.PAUSE,
    )


@pytest.mark.parametrize("first", [None, 2 * HOUR])
def test_a_second_pause_never_shortens_the_first(world: Harness, first: timedelta | None) -> None:
    paused(world, lasting=first)
    before = ledger(world)
    outcomes = world.engine.edit(pausing(world, lasting=HOUR, order=BOB), BOB)
    assert (results(outcomes), ledger(world)) == ([(Result.HELD, Reason.PAUSED)], before)


def test_a_longer_pause_takes_the_place_of_the_first(world: Harness) -> None:
    paused(world, lasting=HOUR)
    world.engine.edit(pausing(world, lasting=2 * HOUR, order=BOB), BOB)
    assert [one.by for one in ledger(world).pauses] == ["bob"]


def test_a_credentials_pause_and_its_accounts_are_two(world: Harness) -> None:
    paused(world, "mm")
    paused(world, ACCOUNT)
    assert {one.credential for one in ledger(world).pauses} == {"mm", None}


@pytest.mark.parametrize("own, account", [(HOUR, None), (None, HOUR), (HOUR, 2 * HOUR), (2 * HOUR, HOUR)])
def test_of_two_pauses_the_one_that_lasts_longer_is_named(
    world: Harness, own: timedelta | None, account: timedelta | None
) -> None:
    paused(world, "mm", own)
    paused(world, ACCOUNT, account)
    longer = "account:main" if account is None or account == 2 * HOUR else "credential:mm"
    assert world.engine.rotate("mm")[0].sentence.endswith(f"rotator resume {longer}")


# --- the pause that was forgotten


@pytest.mark.parametrize("lasting", [None, timedelta(days=3)], ids=["without an end", "with a late end"])
@pytest.mark.parametrize("name", ["mm", ACCOUNT])
def test_a_pause_that_lasts_longer_than_pause_limit_is_told_once(
    world: Harness, name: str, lasting: timedelta | None
) -> None:
    paused(world, name, lasting)
    world.clock.advance(timedelta(days=1, minutes=1))
    for _ in range(3):
        world.engine.flag(ACCOUNT)
    told = [one for one in world.outcomes.seen if one.reason is Reason.PAUSE_FORGOTTEN]
    assert [one.credential for one in told] == ["mm" if name == "mm" else ""]


def test_it_ends_being_told_when_it_is_lifted(world: Harness) -> None:
    paused(world)
    world.clock.advance(timedelta(days=2))
    world.engine.flag(ACCOUNT)
    world.engine.resume("mm")
    world.engine.flag(ACCOUNT)
    assert (ledger(world).flags, world.outcomes.reasons()[-1]) == ((), Reason.ENDED)


def test_it_ends_being_told_when_it_expires(world: Harness) -> None:
    paused(world, lasting=timedelta(days=3))
    world.clock.advance(timedelta(days=2))
    world.engine.flag(ACCOUNT)
    world.clock.advance(timedelta(days=2))
    world.engine.flag(ACCOUNT)
    assert Reason.PAUSE_FORGOTTEN.value not in {one.kind for one in ledger(world).flags}


def test_a_pause_within_pause_limit_is_told_to_nobody(world: Harness) -> None:
    paused(world, lasting=timedelta(hours=23))
    world.clock.advance(timedelta(hours=22))
    world.engine.flag(ACCOUNT)
    world.clock.advance(timedelta(days=2))
    world.engine.flag(ACCOUNT)
    assert Reason.PAUSE_FORGOTTEN not in world.outcomes.reasons()


def test_a_forgotten_pause_of_a_credential_that_left_the_settings_names_a_command_that_works(world: Harness) -> None:
    paused(world)
    told = Harness("hedge")
    told.vault, told.clock = world.vault, world.clock
    told.engine = told.new_engine()
    told.clock.advance(timedelta(days=2))
    told.engine.flag(ACCOUNT)
    sentence = next(one.sentence for one in told.outcomes.seen if one.reason is Reason.PAUSE_FORGOTTEN)
    told.engine.resume(sentence.rpartition("rotator resume ")[2])
    assert ledger(told).pauses == ()


# --- resume


@pytest.mark.parametrize("name", ["mm", ACCOUNT, "all"])
def test_resuming_lifts_the_pause(world: Harness, name: str) -> None:
    paused(world, "mm")
    outcomes = world.engine.resume(name, order=BOB)
    assert (ledger(world).pauses, results(outcomes)) == ((), [(Result.DONE, Reason.RESUMED)])


def test_resuming_an_account_names_every_pause_that_it_lifts(world: Harness) -> None:
    paused(world, "mm")
    paused(world, "hedge")
    paused(world, ACCOUNT)
    assert [one.credential for one in world.engine.resume(ACCOUNT)] == ["mm", "hedge", ""]


def test_a_credential_whose_account_is_paused_goes_on_waiting_and_that_is_said(world: Harness) -> None:
    paused(world, "mm")
    paused(world, ACCOUNT)
    outcomes = world.engine.resume("mm")
    assert results(outcomes) == [(Result.DONE, Reason.RESUMED), (Result.HELD, Reason.PAUSED)]


def test_resuming_what_is_not_paused_writes_nothing(world: Harness) -> None:
    outcomes = world.engine.resume("mm")
    assert (results(outcomes), world.vault.accounts.read(ACCOUNT).version) == ([(Result.DONE, Reason.RESUMED)], 0)


def parked(world: Harness) -> None:
    for _ in range(5):
        world.exchange.after_next("derive", lambda: world.exchange.break_token(world.exchange.issued[-1].token_id))
        world.engine.rotate("mm", requested=True)
    assert world.journal().failures.count >= world.policy.park_after


@pytest.mark.parametrize("name", ["mm", ACCOUNT, "all"])
def test_resuming_lifts_the_pause_and_forgets_the_failures_of_what_is_parked(world: Harness, name: str) -> None:
    parked(world)
    paused(world)
    world.engine.resume(name)
    assert (ledger(world).pauses, world.journal().failures.count) == ((), 0)


def test_resuming_an_account_leaves_one_alone_that_only_backs_off(world: Harness) -> None:
    world.exchange.after_next("derive", lambda: world.exchange.break_token(world.exchange.issued[-1].token_id))
    world.engine.rotate("mm")
    world.engine.resume(ACCOUNT)
    assert world.journal().failures.count == 1


def test_the_plan_of_a_resume_says_what_it_then_does(world: Harness) -> None:
    parked(world)
    paused(world)
    planned = world.engine.plan_resume("all")
    assert [one.sentence for one in planned.steps] == [one.sentence for one in world.engine.resume("all")]


def test_a_parked_credential_that_cannot_be_read_is_said_when_its_account_is_resumed(world: Harness) -> None:
    parked(world)
    world.vault.fail_next(VaultUnavailableError("mm is away"), port="journals", method="read")
    outcomes = world.engine.resume(ACCOUNT)
    assert results(outcomes) == [(Result.HELD, Reason.UNREADABLE)]


def test_while_vault_is_away_it_is_not_asked_for_every_credential(world: Harness) -> None:
    world.vault.fail_next(VaultUnavailableError("Vault is away"), port="accounts", method="read")
    calls: list[object] = []
    world.vault.on_call = calls.append
    assert (results(world.engine.resume("all")), len(calls)) == ([(Result.FAILED, Reason.FAILED)], 1)


def test_a_pause_that_somebody_else_lifted_a_moment_before_is_not_told_as_lifted_twice(world: Harness) -> None:
    paused(world)

    def bob(call: object) -> None:
        if getattr(call, "method", "") == "write":
            world.vault.on_call = None
            world.engine.resume("mm", order=BOB)

    world.vault.on_call = bob
    assert "nothing to resume" in world.engine.resume("mm", order=ANN)[0].sentence


# --- freeze


def test_a_frozen_account_is_not_rotated_until_the_freeze_is_over(world: Harness) -> None:
    frozen(world, world.clock.now() + HOUR)
    during = [one.reason for one in world.engine.rotate("mm")]
    world.clock.advance(HOUR)
    world.engine.rotate("mm")
    assert (during, world.served() is not None) == ([Reason.FROZEN], True)


def test_a_second_freeze_never_shortens_the_first(world: Harness) -> None:
    frozen(world, world.clock.now() + 2 * HOUR)
    outcomes = frozen(world, world.clock.now() + HOUR, BOB)
    assert (results(outcomes), ledger(world).freezes[0].by) == ([(Result.HELD, Reason.FROZEN)], "ann")


def test_unfreezing_lets_sweeps_go_on(world: Harness) -> None:
    frozen(world, world.clock.now() + HOUR)
    world.engine.edit(unfreezes(world.settings, None), BOB)
    world.engine.rotate("mm")
    assert world.served() is not None


def test_unfreezing_lifts_a_freeze_for_every_clock(world: Harness) -> None:
    frozen(world, world.clock.now() + 9 * HOUR)
    world.clock.advance(HOUR)
    world.new_engine(off_by=7 * HOUR).edit(unfreezes(world.settings, None), BOB)
    world.engine.rotate("mm")
    assert world.served() is not None


# --- trust


def test_trusting_believes_the_doubted_list(world: Harness) -> None:
    doubt(world)
    outcomes = world.engine.edit(trusts(world.settings, ACCOUNT), ANN)
    assert (ledger(world).suspicion, results(outcomes)) == (None, [(Result.DONE, Reason.LIST_SHRANK)])


def test_a_list_that_changed_in_between_is_not_believed(world: Harness) -> None:
    doubt(world, 3)

    def other_list(call: object) -> None:
        if getattr(call, "method", "") == "write":
            world.vault.on_call = None
            doubt(world, 7)

    world.vault.on_call = other_list
    outcomes = world.engine.edit(trusts(world.settings, ACCOUNT), ANN)
    assert (ledger(world).suspicion is not None, [one.result for one in outcomes]) == (True, [Result.FAILED])


# --- races, outages, deaths


ORDERS = {
    "pause": lambda world: pausing(world, lasting=HOUR),
    "lift": lambda world: lifts(world.settings, "mm"),
    "freeze": lambda world: freezes(
        world.settings, None, since=world.clock.now(), until=world.clock.now() + 3 * HOUR, order=BOB
    ),
    "unfreeze": lambda world: unfreezes(world.settings, None),
    "trust": lambda world: trusts(world.settings, ACCOUNT),
}


def scene() -> Harness:
    """Return a world in which each order has something to do."""
    world = Harness("mm", "hedge")
    paused(world, "mm", timedelta(minutes=30))
    frozen(world, world.clock.now() + timedelta(minutes=30))
    doubt(world)
    return world


def after(order: str) -> AccountLedger:
    world = scene()
    world.engine.edit(ORDERS[order](world), BOB)
    return ledger(world)


@pytest.mark.parametrize("order", ORDERS)
def test_a_lost_race_is_decided_again_on_what_the_other_wrote(order: str) -> None:
    world = scene()
    given = ORDERS[order](world)

    def sweep(call: object) -> None:
        if getattr(call, "method", "") == "write":
            world.vault.on_call = None
            write(world, known=("other",))

    world.vault.on_call = sweep
    outcomes = world.engine.edit(given, BOB)
    expected = after(order).model_copy(update={"known": ("other",), "sequence": ledger(world).sequence})
    assert (ledger(world), {one.result for one in outcomes}) == (expected, {Result.DONE})


@pytest.mark.parametrize("order", ORDERS)
def test_a_race_that_is_lost_again_and_again_is_given_up_and_said(order: str) -> None:
    world = scene()
    before = ledger(world)
    for _ in range(5):
        world.vault.fail_next(CasConflictError("somebody was faster"), port="accounts", method="write")
    outcomes = world.engine.edit(ORDERS[order](world), BOB)
    assert (ledger(world), [one.result for one in outcomes]) == (before, [Result.FAILED])


@pytest.mark.parametrize("landed", [True, False])
@pytest.mark.parametrize("order", ORDERS)
def test_a_lost_answer_is_settled_by_reading_and_told_as_what_it_did(order: str, landed: bool) -> None:  # noqa: FBT001 - a parameter of the table
    world = scene()
    given = ORDERS[order](world)
    told = [one.sentence for one in world.engine.plan_edits(given).steps]
    world.vault.lose_next_answer(landed=landed, readback=False, port="accounts")
    outcomes = world.engine.edit(given, BOB)
    assert (ledger(world), [one.sentence for one in outcomes]) == (after(order), told)


@pytest.mark.parametrize("error", [VaultUnavailableError("sealed"), AmbiguousWriteError("cut off")])
def test_when_vault_is_away_the_person_is_told_to_give_the_order_again(world: Harness, error: Exception) -> None:
    world.vault.fail_next(error, port="accounts", method="read")
    outcome = paused(world)[0]
    assert (outcome.result, "again" in outcome.sentence) == (Result.FAILED, True)


@pytest.mark.parametrize("order", ORDERS)
def test_whenever_the_process_dies_the_order_was_written_or_not_and_giving_it_again_is_right(order: str) -> None:
    for moment in range(10):
        world = scene()
        before, given = ledger(world), ORDERS[order](world)
        world.crash_at(moment)
        try:
            world.engine.edit(given, BOB)
        except Crash:
            died = True
        else:
            died = False
        world.survive()
        assert ledger(world) in (before, after(order))
        world.engine.edit(given, BOB)
        assert ledger(world) == after(order)
        if not died:
            return
    pytest.fail("the order has more than ten moments: raise the number")
