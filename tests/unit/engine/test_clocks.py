"""Clocks that are off: Vault's, the exchange's, a worker's. What they say decides nothing, and costs nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tests.fakes.vault import Call
from tests.harness import Crash, Harness
from tests.scenes import ORDER, due_again, rotated_twice
from worker.account_ledger import Suspicion
from worker.errors import CasConflictError, ExchangeUnavailableError, VaultUnavailableError
from worker.journal import Journal, open_intent
from worker.models import Severity
from worker.policy.steps import Outcome, Reason, Result

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
MONTH = 30 * DAY
SKEW = timedelta(seconds=30)
WARNING = Severity.WARNING


@pytest.fixture
def due() -> Harness:
    """A world whose credential was rotated once, was used, and is due again."""
    return due_again()


def sweeps(world: Harness, count: int, *, apart: timedelta = MINUTE) -> None:
    for _ in range(count):
        world.engine.rotate("mm")
        world.use_served()
        world.engine.revoke("main")
        world.clock.advance(apart)


def at_promote(world: Harness, act: Callable[[], None], *, moment: str = "before") -> None:
    """Do something at the next write to the consumers' path."""

    def hook(call: Call) -> None:
        if (call.port, call.method, call.moment) == ("consumers", "write", moment):
            world.vault.on_call = None
            act()

    world.vault.on_call = hook


def set_vault(world: Harness, by: timedelta) -> None:
    world.vault_clock.by = by


def promoted_at(world: Harness) -> datetime:
    current = world.journal().current
    assert current is not None
    assert current.promoted_at is not None
    return current.promoted_at


# --- nothing is derived while clocks differ


APART: list[tuple[str, Callable[[Harness], None], Reason]] = [
    ("Vault is 8 days behind", lambda world: set_vault(world, -8 * DAY), Reason.CLOCKS_DIFFER),
    ("Vault is a minute ahead", lambda world: set_vault(world, MINUTE), Reason.CLOCKS_DIFFER),
    ("the exchange is a minute behind", lambda world: setattr(world.exchange, "skew", -MINUTE), Reason.CLOCKS_DIFFER),
    ("the exchange does not say", lambda world: setattr(world.exchange, "show_date", False), Reason.TIME_UNKNOWN),
    (
        "Vault does not say",
        lambda world: world.vault.fail_next(VaultUnavailableError("sealed"), method="server_time"),
        Reason.TIME_UNKNOWN,
    ),
    (
        "this worker is an hour behind",
        lambda world: setattr(world, "engine", world.new_engine(off_by=-HOUR)),
        Reason.CLOCKS_DIFFER,
    ),
    (
        "this worker is 30 days ahead",
        lambda world: setattr(world, "engine", world.new_engine(off_by=MONTH)),
        Reason.CLOCKS_DIFFER,
    ),
]


@pytest.mark.parametrize("make_apart, reason", [one[1:] for one in APART], ids=[one[0] for one in APART])
def test_nothing_is_derived_and_no_intent_opened_while(
    due: Harness, make_apart: Callable[[Harness], None], reason: Reason
) -> None:
    due.clock.advance(2 * HOUR)  # due by an hour's slower clock, too
    before = due.journal()
    make_apart(due)
    due.engine.rotate("mm")
    held = [(one.result, one.account, one.credential) for one in due.outcomes.seen if one.reason is reason]
    assert (held[-1:], due.journal(), len(due.exchange.calls("derive"))) == ([(Result.HELD, "main", "mm")], before, 1)


def test_a_request_waits_for_the_clocks_too(due: Harness) -> None:
    set_vault(due, 2 * MINUTE)
    due.engine.rotate("mm", requested=True)
    assert (due.outcomes.reasons(), len(due.exchange.issued)) == ([Reason.CLOCKS_DIFFER], 1)


def test_a_clock_that_is_set_ahead_within_a_sweep_ends_no_grace(due: Harness) -> None:
    old = due.served()
    due.engine.rotate("mm")
    due.use_served()

    def the_machine_is_set_ahead(call: Call) -> None:
        if (call.port, call.method, call.moment) == ("consumers", "read", "after"):
            due.vault.on_call = None
            due.clock.step(MONTH)
            set_vault(due, -MONTH)
            due.exchange.skew = -MONTH

    due.vault.on_call = the_machine_is_set_ahead
    due.engine.revoke("main")
    assert old in due.live()


@pytest.mark.parametrize("ahead", [8 * DAY, 20 * DAY])
def test_a_clock_that_was_ahead_when_a_rotation_was_decided_and_is_set_right_mints_nothing(
    due: Harness, ahead: timedelta
) -> None:
    due.engine.rotate("mm")
    due.outcomes.seen.clear()
    due.clock.step(ahead)
    set_vault(due, -ahead)
    due.exchange.skew = -ahead

    def the_machine_is_set_right(moment: str) -> None:
        if moment == "before list_tokens":
            due.hooked.hook = lambda _moment: None
            due.clock.step(-ahead)
            set_vault(due, timedelta(0))
            due.exchange.skew = timedelta(0)

    due.hooked.hook = the_machine_is_set_right
    due.engine.rotate("mm")
    assert (due.outcomes.reasons(), len(due.exchange.issued)) == ([Reason.NOT_DUE], 2)


def test_clocks_that_differ_are_told_once_for_the_account_and_not_for_each_credential_that_is_due(due: Harness) -> None:
    set_vault(due, -8 * DAY)
    due.engine.rotate("mm")
    due.engine.revoke("main")
    told = [one.credential for one in due.outcomes.seen if one.severity is Severity.ERROR]
    assert told == [""]


def held_up(world: Harness, times: int) -> None:
    """Let a minute pass while the answers to that many lists are on their way."""
    left = [MINUTE] * times

    def on_its_way(moment: str) -> None:
        if moment == "after list_tokens" and left:
            world.clock.advance(left.pop())

    world.hooked.hook = on_its_way


def clocks_told(world: Harness) -> list[Outcome]:
    return [one for one in world.outcomes.seen if one.reason is Reason.CLOCKS_DIFFER]


def test_one_answer_that_was_held_up_does_not_keep_a_rotation_waiting(due: Harness) -> None:
    held_up(due, 1)
    due.engine.rotate("mm")
    assert len(due.exchange.calls("derive")) == 2


def test_one_answer_that_was_held_up_is_no_difference_of_clocks_to_a_sweep(due: Harness) -> None:
    held_up(due, 1)
    due.engine.revoke("main")
    assert clocks_told(due) == []


def test_two_answers_in_a_row_that_were_held_up_are_told_as_an_error(due: Harness) -> None:
    held_up(due, 2)
    due.engine.revoke("main")
    assert [one.severity for one in clocks_told(due)] == [Severity.ERROR]


def test_the_hold_says_which_clock_is_off_by_how_much(due: Harness) -> None:
    set_vault(due, -8 * DAY)
    due.engine.rotate("mm", requested=True)
    (held,) = due.outcomes.seen
    assert (held.severity, "Vault -8 d" in held.sentence, "credential mm (account main)" in held.sentence) == (
        Severity.ERROR,
        True,
        True,
    )


def test_clocks_that_differ_by_less_than_the_permitted_skew_hold_nothing_back(due: Harness) -> None:
    set_vault(due, timedelta(seconds=-20))
    due.engine.rotate("mm")
    assert len(due.exchange.issued) == 2


def test_an_emergency_does_not_wait_for_vaults_clock(due: Harness) -> None:
    leaked = due.served()
    set_vault(due, -8 * DAY)
    due.engine.ordered_by(ORDER).emergency("mm")
    assert due.live() == {due.served()} != {leaked}


def test_a_credential_whose_served_token_was_proved_dead_does_not_wait_for_vaults_clock() -> None:
    world = Harness()
    world.engine.rotate("mm")
    sweeps(world, 2)
    world.exchange.revoke_by_person(world.served() or "")
    set_vault(world, -8 * DAY)
    for _ in range(3):
        world.engine.revoke("main")
        world.clock.advance(MINUTE)
    world.engine.rotate("mm")
    assert world.live() == {world.served()}


def test_an_emergency_under_a_wrong_clock_of_vault_makes_one_token(due: Harness) -> None:
    set_vault(due, -8 * DAY)
    due.engine.ordered_by(ORDER).emergency("mm")
    sweeps(due, 30)
    set_vault(due, timedelta(0))
    sweeps(due, 30)
    assert len(due.exchange.issued) == 2


# --- no promotion is dated by a clock that is off


def test_a_vault_8_days_behind_from_the_promote_on_makes_exactly_one_token(due: Harness) -> None:
    at_promote(due, lambda: set_vault(due, -8 * DAY))
    sweeps(due, 31)
    assert len(due.exchange.issued) == 2


def test_after_vaults_clock_is_right_again_nothing_more_is_made_than_is_due(due: Harness) -> None:
    at_promote(due, lambda: set_vault(due, -8 * DAY))
    sweeps(due, 31)
    set_vault(due, timedelta(0))
    sweeps(due, 60)
    assert len(due.exchange.issued) == 2


@pytest.mark.parametrize("off", [-25 * HOUR, -8 * DAY, 25 * HOUR, 30 * DAY], ids=str)
def test_the_predecessor_keeps_its_whole_grace_if_vault_is_wrong_for_the_minute_of_a_promote(
    due: Harness, off: timedelta
) -> None:
    old, promoted = due.served() or "", due.clock.now()
    at_promote(due, lambda: set_vault(due, off))
    due.engine.rotate("mm")
    set_vault(due, timedelta(0))
    due.clock.advance(MINUTE)
    while due.clock.now() - promoted < due.policy.grace - MINUTE:
        due.use_served()
        due.engine.rotate("mm")
        due.engine.revoke("main")
        assert old in due.live(), due.clock.now() - promoted
        due.clock.advance(30 * MINUTE)


def test_a_predecessor_goes_after_its_grace_although_vault_was_30_days_ahead_at_the_promote(due: Harness) -> None:
    old = due.served()
    at_promote(due, lambda: set_vault(due, MONTH))
    due.engine.rotate("mm")
    set_vault(due, timedelta(0))
    sweeps(due, 60, apart=30 * MINUTE)
    assert old not in due.live()


def test_a_promotion_is_dated_by_the_exchange_and_the_journal_when_vault_is_behind(due: Harness) -> None:
    at_promote(due, lambda: set_vault(due, -25 * HOUR))
    due.engine.rotate("mm")
    assert abs(promoted_at(due) - due.clock.now()) < MINUTE


def test_a_later_run_that_closes_gives_the_predecessor_its_whole_grace(due: Harness) -> None:
    promoted = due.clock.now()

    def vault_is_behind() -> None:
        set_vault(due, -25 * HOUR)
        at_promote(due, _die, moment="after")

    at_promote(due, vault_is_behind)
    with pytest.raises(Crash):
        due.engine.rotate("mm")
    due.vault.on_call = None
    set_vault(due, timedelta(0))
    due.clock.advance(26 * HOUR)  # what Vault noted lies before the promote, and not in anybody's future
    due.engine.rotate("mm")
    superseded = due.journal().ledger[0].superseded_at
    assert superseded is not None
    assert superseded >= promoted


def test_a_promote_two_days_after_staging_is_not_dated_between_the_two_by_a_vault_that_is_behind(
    due: Harness,
) -> None:
    due.exchange.fail_next("list_as", ExchangeUnavailableError("away"))
    due.engine.rotate("mm")
    due.clock.advance(2 * DAY)
    at_promote(due, lambda: set_vault(due, -25 * HOUR))
    due.engine.rotate("mm")
    superseded = due.journal().ledger[0].superseded_at
    assert superseded is not None
    assert abs(superseded - due.clock.now()) < MINUTE


def test_a_worker_that_is_behind_dates_no_promotion(due: Harness) -> None:
    """It may close what others opened; that must not look older than it is, or it is rotated again."""
    at_promote(due, _die, moment="after")
    with pytest.raises(Crash):
        due.engine.rotate("mm")
    due.vault.on_call = None
    due.new_engine(off_by=-8 * DAY).rotate("mm")
    sweeps(due, 5)
    assert len(due.exchange.issued) == 2


def _die() -> None:
    raise Crash


def test_a_rollback_under_a_vault_that_is_behind_gives_the_token_it_replaces_a_whole_grace() -> None:
    world = rotated_twice()
    replaced, now = world.served() or "", world.clock.now()
    at_promote(world, lambda: set_vault(world, -25 * HOUR))
    world.engine.ordered_by(ORDER).rollback("mm")
    record = world.journal().record_of(replaced)
    assert record is not None
    assert record.superseded_at is not None
    assert record.superseded_at >= now


def test_a_request_is_dated_by_this_workers_clock_when_vaults_is_off(due: Harness) -> None:
    set_vault(due, 8 * DAY)
    assert abs(due.engine.request_time("mm") - due.clock.now()) <= SKEW


# --- what was dated in the future is judged by the moment it was first seen


def from_the_future(world: Harness, change: Callable[[Journal, datetime], Journal], by: timedelta = MONTH) -> None:
    """Write to the journal as a worker whose clock is that far ahead did, before anybody compared clocks."""
    found = world.vault.journals.read(world.location())
    assert found is not None
    world.vault.journals.write(world.location(), change(found.journal, world.clock.now() + by), cas=found.version)


def opened(journal: Journal, now: datetime) -> Journal:
    return open_intent(
        journal, rotation_id="ahead", label="mm/ahead", scopes=("trading",), reason="x", now=now, expected_version=1
    )


def told(outcomes: list[Outcome]) -> list[tuple[str, str, Severity]]:
    return [(one.account, one.credential, one.severity) for one in outcomes if one.reason is Reason.FROM_THE_FUTURE]


def test_an_intent_from_the_future_is_abandoned_within_the_derive_deadline_and_rotation_goes_on(due: Harness) -> None:
    from_the_future(due, opened)
    old = due.served()
    sweeps(due, 5)
    assert (due.served() != old, len(due.exchange.issued)) == (True, 2)


def test_an_intent_from_the_future_is_left_alone_for_a_whole_derive_deadline(due: Harness) -> None:
    from_the_future(due, opened)
    due.engine.rotate("mm")
    due.clock.advance(due.policy.derive_deadline - timedelta(seconds=1))
    due.engine.rotate("mm")
    assert due.journal().intent is not None


def test_what_is_dated_in_the_future_is_told_once_with_its_credential_and_by_how_much(due: Harness) -> None:
    from_the_future(due, opened)
    sweeps(due, 3, apart=timedelta(seconds=10))
    assert told(due.outcomes.seen) == [("main", "mm", Severity.WARNING)]
    assert "30 d" in next(one.sentence for one in due.outcomes.seen if one.reason is Reason.FROM_THE_FUTURE)


def test_a_worker_that_was_not_the_first_to_see_it_alarms_nobody(due: Harness) -> None:
    from_the_future(due, opened)
    due.vault.fail_next(CasConflictError("somebody else was first"), port="journals", method="write")
    due.engine.rotate("mm")
    assert Result.FAILED not in [one.result for one in due.outcomes.seen]


def test_when_vault_does_not_take_the_new_date_that_is_told_with_its_credential(due: Harness) -> None:
    from_the_future(due, opened)
    due.vault.fail_next(VaultUnavailableError("sealed"), port="journals", method="write")
    due.engine.rotate("mm")
    failed = [one for one in due.outcomes.seen if one.result is Result.FAILED]
    assert (told(failed), "credential mm (account main)" in failed[0].sentence) == ([("main", "mm", WARNING)], True)


def test_a_token_that_a_worker_from_the_future_staged_is_promoted_and_due_a_period_later(due: Harness) -> None:
    due.exchange.fail_next("list_as", ExchangeUnavailableError("away"))
    due.engine.rotate("mm")

    def staged_ahead(journal: Journal, now: datetime) -> Journal:
        intent = journal.intent
        assert intent is not None
        assert intent.token is not None
        token = intent.token.model_copy(update={"staged_at": now})
        windows = tuple(one.model_copy(update={"opened_at": now}) for one in intent.windows)
        return journal.model_copy(
            update={"intent": intent.model_copy(update={"token": token, "opened_at": now, "windows": windows})}
        )

    from_the_future(due, staged_ahead)
    sweeps(due, 3)
    assert (due.served(), abs(promoted_at(due) - due.clock.now()) < 5 * MINUTE) == (
        due.exchange.issued[1].token_id,
        True,
    )


def test_a_back_off_from_the_future_keeps_its_length_and_no_more(due: Harness) -> None:
    def failed(journal: Journal, now: datetime) -> Journal:
        failures = journal.failures.model_copy(update={"count": 1, "last_at": now, "retry_at": now + MINUTE})
        return journal.model_copy(update={"failures": failures})

    from_the_future(due, failed)
    due.engine.rotate("mm")
    assert (len(due.exchange.issued), due.journal().failures.retry_at) == (1, due.clock.now() + MINUTE)
    due.clock.advance(MINUTE)
    due.engine.rotate("mm")
    assert len(due.exchange.issued) == 2


def test_a_mark_and_a_supersession_from_the_future_are_dated_when_they_are_first_seen() -> None:
    world = rotated_twice()
    old = world.journal().ledger[0]

    def superseded(journal: Journal, now: datetime) -> Journal:
        record = journal.ledger[0].model_copy(update={"superseded_at": now, "revoking_at": now})
        return journal.model_copy(update={"ledger": (record, *journal.ledger[1:])})

    from_the_future(world, superseded)
    world.engine.rotate("mm")
    seen = world.clock.now()
    record = world.journal().ledger[0]
    assert (record.token_id, record.superseded_at, record.revoking_at) == (old.token_id, seen, seen)


def test_a_promotion_from_the_future_does_not_stop_rotation_for_good(due: Harness) -> None:
    def ahead(journal: Journal, now: datetime) -> Journal:
        record = journal.ledger[0].model_copy(update={"promoted_at": now})
        return journal.model_copy(update={"ledger": (record,)})

    from_the_future(due, ahead, by=300 * DAY)
    sweeps(due, 2)
    due.clock.advance(due.policy.rotation_period or 7 * DAY)
    sweeps(due, 2)
    assert len(due.exchange.issued) == 2


def test_a_worker_that_is_behind_pulls_nothing_back_and_says_whose_clocks_differ(due: Harness) -> None:
    due.engine.rotate("mm")
    before = due.journal()
    due.outcomes.seen.clear()
    due.new_engine(off_by=-10 * DAY).rotate("mm")
    assert (due.journal(), Reason.CLOCKS_DIFFER in due.outcomes.reasons()) == (before, True)


def test_clocks_that_differ_are_told_once_by_the_account_and_not_by_what_is_dated_ahead(due: Harness) -> None:
    from_the_future(due, opened)
    due.outcomes.seen.clear()
    due.exchange.skew = -HOUR
    due.engine.rotate("mm")
    due.engine.revoke("main")
    differ = [one for one in due.outcomes.seen if one.reason is Reason.CLOCKS_DIFFER]
    assert [one.credential for one in differ if one.severity is not Severity.INFO] == [""]


@pytest.mark.parametrize("who", ["Vault", "the exchange"])
def test_nothing_is_dated_anew_while_a_clock_is_off(due: Harness, who: str) -> None:
    from_the_future(due, opened)
    before = due.journal()
    if who == "Vault":
        set_vault(due, -HOUR)
    else:
        due.exchange.skew = -HOUR
    due.engine.rotate("mm")
    assert (due.journal(), Reason.CLOCKS_DIFFER in due.outcomes.reasons()) == (before, True)


def test_a_worker_that_is_behind_asks_the_exchange_for_no_list_to_find_that_out(due: Harness) -> None:
    due.engine.rotate("mm")
    before = len(due.exchange.requests)
    due.new_engine(off_by=-3 * DAY).rotate("mm")
    assert len(due.exchange.requests) == before


def test_a_request_from_the_future_is_taken_as_made_now_and_told(due: Harness) -> None:
    due.engine.rotate("mm")
    due.clock.advance(HOUR)
    asked = due.clock.now() + MONTH
    due.engine.rotate("mm", requested_at=asked)
    assert (len(due.exchange.issued), told(due.outcomes.seen)) == (3, [("main", "mm", Severity.WARNING)])


def test_a_request_is_not_taken_for_satisfied_by_a_promotion_from_the_future(due: Harness) -> None:
    def ahead(journal: Journal, now: datetime) -> Journal:
        record = journal.ledger[0].model_copy(update={"promoted_at": now})
        return journal.model_copy(update={"ledger": (record,)})

    from_the_future(due, ahead)
    due.engine.rotate("mm", requested_at=due.engine.request_time("mm"))
    assert len(due.exchange.issued) == 2


# --- what an account is held back by


def doubted(*, by: timedelta = timedelta(0)) -> Harness:
    """Return a world in which a worker whose clock is off by that much was the first to see the list shrink."""
    world = Harness()
    world.engine.rotate("mm")
    others = [world.exchange.issue_by_person(f"other {number}") for number in range(5)]
    world.engine.revoke("main")
    for one in others:
        world.exchange.hide(one.token_id)
    world.new_engine(off_by=by).revoke("main")
    return world


def suspicion_of(world: Harness) -> Suspicion | None:
    return world.vault.accounts.read("main").ledger.suspicion


def test_a_worker_that_is_ahead_believes_no_doubted_list_before_its_time() -> None:
    world = doubted()
    world.new_engine(off_by=HOUR).revoke("main")
    assert suspicion_of(world) is not None


def test_a_worker_that_is_right_believes_it_when_it_is_time() -> None:
    world = doubted()
    world.clock.advance(5 * MINUTE)
    world.engine.revoke("main")
    assert suspicion_of(world) is None


def test_a_doubt_from_the_future_holds_an_account_back_no_longer_than_one_that_begins_now() -> None:
    world = doubted(by=MONTH)
    sweeps(world, 7)
    assert suspicion_of(world) is None


def test_an_outage_from_the_future_does_not_keep_tokens_from_being_quiet() -> None:
    world = Harness()
    world.engine.rotate("mm")
    world.exchange.fail_next("list", ExchangeUnavailableError("away"))
    world.new_engine(off_by=MONTH).revoke("main")
    sweeps(world, 3)
    outage = world.vault.accounts.read("main").ledger.outage
    assert outage is not None
    assert outage.until is not None
    assert outage.until <= world.clock.now()


@pytest.mark.parametrize("off_by", [MONTH, -MONTH, HOUR, -HOUR], ids=str)
def test_a_worker_whose_clock_is_off_beside_one_that_is_right_neither_adds_nor_takes_a_token(
    due: Harness, off_by: timedelta
) -> None:
    old = due.served()
    other = due.new_engine(off_by=off_by)
    for turn in range(60):
        for engine in (other, due.engine) if turn % 2 else (due.engine, other):
            engine.rotate("mm")
            engine.revoke("main")
            engine.flag("main")
        due.use_served()
        due.clock.advance(MINUTE)
    assert due.live() == {old, due.served()}
    assert len(due.exchange.issued) == 2


# --- what left a path while Vault's clock was wrong


def put_back_and_right(world: Harness, *, ahead: timedelta) -> str:
    """Put the superseded token back by hand, and right again while Vault's clock is off; return its id."""
    old = world.served() or ""
    world.engine.rotate("mm")
    world.clock.advance(3 * DAY)
    versions = {one.version: one.data for one in world.vault.versions(world.location())}
    world.vault.put_foreign(world.location(), dict(versions[1] or {}))
    world.clock.advance(HOUR)
    set_vault(world, ahead)
    world.vault.put_foreign(world.location(), dict(versions[2] or {}))
    set_vault(world, timedelta(0))
    return old


def test_a_token_that_was_put_back_and_left_while_vault_was_ahead_has_its_grace_from_then_on(due: Harness) -> None:
    old = put_back_and_right(due, ahead=MONTH)
    due.clock.advance(HOUR)
    due.use_served()
    due.engine.revoke("main")
    assert old in due.live()


def test_that_grace_ends_although_vault_dated_the_end_a_month_ahead(due: Harness) -> None:
    old = put_back_and_right(due, ahead=MONTH)
    due.clock.advance(HOUR)
    due.use_served()
    due.engine.revoke("main")
    due.clock.advance(25 * HOUR)
    due.use_served()
    due.clock.advance(MINUTE)
    due.engine.revoke("main")
    assert old not in due.live()
