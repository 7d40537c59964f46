"""A current token that left the lists: what proves that it is refused, and what becomes of it then."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from config.schema import Policy
from tests.harness import ACCOUNT, Harness
from worker.account_ledger import AccountLedger, OrderedFreeze, Pause, changed
from worker.errors import (
    AuthenticationRefusedError,
    CasConflictError,
    ExchangeUnavailableError,
    VaultUnavailableError,
)
from worker.journal import Failures, RecordState
from worker.models import TokenList
from worker.policy.steps import Action, Order, Reason, Result

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def rotated(*names: str, policy: Policy | None = None) -> Harness:
    """Return a world in which every credential has a young token that is listed and in use, and one list was read."""
    world = Harness(*names, policy=policy)
    for credential in world.settings.credentials:
        world.engine.rotate(credential.name)
        world.use_served(credential.name)
    world.clock.advance(timedelta(hours=2))
    sweep(world)
    world.outcomes.seen.clear()
    return world


def sweep(world: Harness, count: int = 1) -> None:
    for _ in range(count):
        world.engine.revoke(ACCOUNT)
        world.clock.advance(MINUTE)


def revoked_by_hand(*names: str, policy: Policy | None = None) -> Harness:
    """Return that world with the token of `mm` revoked by a person."""
    world = rotated(*names, policy=policy)
    world.exchange.revoke_by_person(world.served() or "")
    return world


def ledger_of(world: Harness) -> AccountLedger:
    return world.vault.accounts.read(ACCOUNT).ledger


def order(world: Harness, **fields: object) -> None:
    """Write to the account ledger as a person's command does."""
    version, ledger = world.vault.accounts.read(ACCOUNT)
    world.vault.accounts.write(changed(ledger, **fields), cas=version)


def freeze(world: Harness) -> None:
    now = world.clock.now()
    order(world, freezes=(OrderedFreeze(since=now, until=now + DAY, by="ann", reason="election"),))


def pause(world: Harness) -> None:
    order(world, pauses=(Pause(credential="mm", since=world.clock.now(), by="ann", reason="migration"),))


def park(world: Harness) -> None:
    version, journal = world.vault.journals.read(world.location())  # type: ignore[misc] # it has one
    failures = Failures(count=5, last_at=world.clock.now(), last_reason="derive_refused")
    parked = journal.model_copy(update={"failures": failures, "sequence": journal.sequence + 1})
    world.vault.journals.write(world.location(), parked, cas=version)


def proofs(world: Harness) -> list[str]:
    return [one.token_id for one in ledger_of(world).dangling]


def probes(world: Harness) -> int:
    """Return how many calls were signed with the token that `mm` is served."""
    return sum(one.token_id == world.served() for one in world.exchange.calls("list_as"))


# --- the proof ------------------------------------------------------------------------------------------------------


def test_one_list_without_the_current_token_makes_no_call() -> None:
    world = revoked_by_hand()
    before = probes(world)
    sweep(world)
    assert probes(world) == before


def test_two_lists_and_a_refused_call_and_a_control_call_prove_that_a_token_is_refused() -> None:
    world = revoked_by_hand()
    sweep(world, 2)
    assert proofs(world) == [world.served()]


def test_what_was_proved_is_not_proved_again() -> None:
    world = revoked_by_hand()
    sweep(world, 2)
    before = probes(world)
    sweep(world, 3)
    assert probes(world) == before


def test_a_token_that_works_although_no_list_shows_it_is_not_refused() -> None:
    world = rotated()
    world.exchange.hide(world.served() or "")
    sweep(world, 5)
    assert (proofs(world), world.engine.rotate("mm")[-1].reason) == ([], Reason.NOT_DUE)


def told(world: Harness) -> list[tuple[Reason, Result]]:
    """Return what was told of the probes."""
    return [(one.reason, one.result) for one in world.outcomes.seen if one.action is Action.PROBE]


def test_that_a_token_works_although_no_list_shows_it_is_routine_and_no_news_at_every_sweep() -> None:
    world = rotated()
    world.exchange.hide(world.served() or "")
    sweep(world, 5)
    assert set(told(world)) == {(Reason.CURRENT_NOT_LIVE, Result.HELD)}


def test_a_proof_is_told_under_the_name_that_the_runbook_explains_it_by() -> None:
    world = revoked_by_hand()
    sweep(world, 2)
    assert told(world) == [(Reason.DANGLING, Result.DONE)]


def test_a_token_that_the_exchange_lists_is_never_probed_though_it_may_not_work() -> None:
    world = rotated()
    world.exchange.break_token(world.served() or "")
    before = probes(world)
    sweep(world, 3)
    assert probes(world) == before


UNPROVED: list[tuple[str, Callable[[Harness], None]]] = [
    ("the clocks differ", lambda world: setattr(world.exchange, "skew", timedelta(minutes=2))),
    (
        "the signed call can not be made",
        lambda world: world.exchange.fail_next("list_as", ExchangeUnavailableError("cut"), count=9),
    ),
    (
        "the control call fails",
        lambda world: world.exchange.after_next("list", lambda: _fail_the_control_call(world)),
    ),
    (
        "our own call can not be noted first",
        lambda world: world.vault.fail_next(VaultUnavailableError("sealed"), port="journals", method="write"),
    ),
]


def _fail_the_control_call(world: Harness) -> None:
    world.exchange.fail_next("list", ExchangeUnavailableError("cut"))


@pytest.mark.parametrize("case", UNPROVED, ids=[name for name, _ in UNPROVED])
def test_nothing_is_proved_when(case: tuple[str, Callable[[Harness], None]]) -> None:
    world = revoked_by_hand()
    sweep(world)
    case[1](world)
    world.engine.revoke(ACCOUNT)
    assert proofs(world) == []


@pytest.mark.parametrize("case", UNPROVED[1:], ids=[name for name, _ in UNPROVED[1:]])
def test_it_is_proved_by_the_sweep_after_the_one_in_which(case: tuple[str, Callable[[Harness], None]]) -> None:
    world = revoked_by_hand()
    sweep(world)
    case[1](world)
    sweep(world)
    world.exchange.recover()
    world.vault.recover()
    sweep(world)
    assert proofs(world) == [world.served()]


def test_a_call_that_can_not_be_noted_is_not_made() -> None:
    world = revoked_by_hand()
    sweep(world)
    before = probes(world)
    world.vault.fail_next(VaultUnavailableError("sealed"), port="journals", method="write")
    sweep(world)
    assert probes(world) == before


def test_a_proof_that_can_not_be_written_is_made_anew_by_the_next_sweep() -> None:
    world = revoked_by_hand()
    sweep(world)
    world.exchange.before_next(
        "list_as", lambda: world.vault.fail_next(VaultUnavailableError("sealed"), port="accounts", method="write")
    )
    sweep(world, 2)
    assert proofs(world) == [world.served()]


def test_nothing_is_decided_on_a_list_that_could_not_be_remembered() -> None:
    world = revoked_by_hand()
    world.vault.fail_next(CasConflictError("somebody was faster"), port="accounts", method="write")
    outcomes = world.engine.revoke(ACCOUNT)
    assert [(one.result, one.reason) for one in outcomes] == [(Result.HELD, Reason.FAILED)]


def test_our_own_call_is_no_use_by_a_service_that_would_end_a_verdict() -> None:
    world = Harness()
    world.engine.rotate("mm")
    world.clock.advance(timedelta(days=3))
    flagged = [one.reason for one in world.engine.flag(ACCOUNT) if one.action is Action.FLAG]
    world.exchange.hide(world.served() or "")
    sweep(world, 3)
    world.exchange.reveal()
    assert (flagged, world.engine.flag(ACCOUNT)) == ([Reason.UNUSED], ())


def test_a_token_that_is_probed_at_every_sweep_does_not_fill_its_journal() -> None:
    world = rotated()
    world.exchange.hide(world.served() or "")
    sweep(world, 60)
    current = world.journal().current
    assert current is not None
    assert len(current.windows) <= 2


def test_a_revocation_of_the_same_sweep_is_decided_on_the_journal_that_the_probe_wrote() -> None:
    world = rotated()
    old = world.served() or ""
    # An emergency whose revocation the exchange did not take yet, and a fresh token that is in no list yet.
    world.exchange.hide_next_tokens()
    world.exchange.fail_next("revoke", ExchangeUnavailableError("503"), count=2)
    world.engine.ordered_by(Order(by="ann")).emergency("mm")
    sweep(world)
    before = probes(world)
    world.outcomes.seen.clear()
    world.engine.revoke(ACCOUNT)
    assert (probes(world), old in world.live()) == (before + 1, False)


def test_one_refused_token_does_not_keep_another_credential_from_being_probed() -> None:
    world = rotated("mm", "taker", "third", "fourth", "fifth")
    for name in ("mm", "taker"):
        world.exchange.revoke_by_person(world.served(name) or "")
    sweep(world)
    # The first signed call is cut off; the second credential's is made all the same.
    world.exchange.fail_next("list_as", ExchangeUnavailableError("cut"))
    sweep(world)
    assert proofs(world) == [world.served("taker")]


# --- what becomes of it ---------------------------------------------------------------------------------------------


def _freeze_and_park(world: Harness) -> None:
    freeze(world)
    park(world)


NIGHTLY = Policy(rotation_period=None, rotation_schedule="0 3 * * *", rotation_window=timedelta(minutes=30))
IN_SPITE_OF: list[tuple[str, Policy | None, Callable[[Harness], None]]] = [
    ("nothing", None, lambda _world: None),
    ("a freeze", None, freeze),
    ("parking", None, park),
    ("a window that is closed", NIGHTLY, lambda _world: None),
    ("a freeze, parking and a closed window together", NIGHTLY, _freeze_and_park),
]


@pytest.mark.parametrize("case", IN_SPITE_OF, ids=[name for name, *_ in IN_SPITE_OF])
def test_a_credential_whose_token_is_refused_is_rotated_at_once_in_spite_of(
    case: tuple[str, Policy | None, Callable[[Harness], None]],
) -> None:
    _, policy, hinder = case
    world = revoked_by_hand(policy=policy)
    dead = world.served()
    hinder(world)
    sweep(world, 2)
    world.engine.rotate("mm")
    assert world.served() != dead
    assert world.served() in world.live()


def test_it_is_rotated_although_the_list_that_lacks_it_is_doubted() -> None:
    world = revoked_by_hand()  # its only token: the list is empty all at once
    sweep(world, 2)
    assert ledger_of(world).suspicion is not None
    world.engine.rotate("mm")
    assert world.served() in world.live()


def test_it_is_not_rotated_while_somebody_paused_it() -> None:
    world = revoked_by_hand()
    dead = world.served()
    pause(world)
    sweep(world, 2)
    assert (world.engine.rotate("mm")[-1].reason, world.served()) == (Reason.PAUSED, dead)


def test_it_is_rotated_once_the_pause_is_over() -> None:
    world = revoked_by_hand()
    pause(world)
    sweep(world, 2)
    world.engine.rotate("mm")
    order(world, pauses=())
    world.engine.rotate("mm")
    assert world.served() in world.live()


def test_it_is_rotated_once_and_not_again() -> None:
    world = revoked_by_hand()
    for _ in range(6):
        sweep(world)
        world.engine.rotate("mm")
    assert len(world.exchange.issued) == 2


def test_a_staged_successor_is_promoted_in_spite_of_a_freeze_when_the_served_token_is_refused() -> None:
    world = rotated()
    dead = world.served() or ""
    world.exchange.fail_next("list_as", ExchangeUnavailableError("cut"), count=1)
    world.engine.rotate("mm", requested=True)  # stops before it has verified what it staged
    assert world.journal().intent is not None
    world.exchange.revoke_by_person(dead)
    freeze(world)
    world.clock.advance(timedelta(minutes=3))
    sweep(world, 2)
    world.engine.rotate("mm")
    assert world.served() != dead
    assert world.served() in world.live()


def test_the_ledger_ends_with_the_refused_token_revoked_and_one_current_one() -> None:
    world = revoked_by_hand()
    dead = world.served()
    sweep(world, 2)
    world.settle(sweeps=3)
    world.clock.advance(timedelta(days=15))
    world.use_served()
    world.settle(sweeps=3)
    assert dict(world.states())[dead] is RecordState.REVOKED


# --- what people are told -------------------------------------------------------------------------------------------


def verdicts(world: Harness) -> list[tuple[Action | None, str | None]]:
    """Return what was told of the DANGLING verdict, in order."""
    told: list[tuple[Action | None, str | None]] = []
    for one in world.outcomes.seen:
        if one.action is Action.FLAG and one.reason is Reason.DANGLING:
            told.append((one.action, one.token_id))
        if one.action is Action.UNFLAG and one.sentence.startswith(Reason.DANGLING):
            told.append((one.action, one.token_id))
    return told


def test_the_verdict_is_told_once_when_it_begins_and_once_when_it_ends() -> None:
    world = revoked_by_hand()
    dead = world.served()
    pause(world)
    for _ in range(4):
        sweep(world)
        world.engine.flag(ACCOUNT)
        world.engine.rotate("mm")
    order(world, pauses=())
    for _ in range(4):
        world.engine.rotate("mm")
        sweep(world)
        world.engine.flag(ACCOUNT)
    assert verdicts(world) == [(Action.FLAG, dead), (Action.UNFLAG, dead)]


def test_the_verdict_ends_when_the_exchange_lists_the_token_again() -> None:
    world = rotated()
    token = world.served() or ""
    pause(world)
    world.exchange.hide(token)
    world.exchange.fail_next("list_as", AuthenticationRefusedError("401", status=401))
    sweep(world, 2)
    world.engine.flag(ACCOUNT)
    world.exchange.reveal()
    sweep(world)
    world.engine.flag(ACCOUNT)
    assert verdicts(world) == [(Action.FLAG, token), (Action.UNFLAG, token)]


def test_a_process_that_is_told_to_end_begins_no_probe() -> None:
    world = revoked_by_hand()
    sweep(world)
    before = probes(world)
    world.stopping = True
    world.engine.revoke(ACCOUNT)
    assert probes(world) == before


# --- an exchange that refuses every new token, too


def test_services_that_are_rejected_do_not_make_it_derive_without_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_token_id: str, _secret: object) -> TokenList:
        raise AuthenticationRefusedError("account main: Invalid HMAC authentication", status=401)

    world = revoked_by_hand(policy=Policy(verify_deadline=timedelta(seconds=1)))
    monkeypatch.setattr(world.exchange, "list_tokens_as", refuse)
    sweep(world, 2)

    for _ in range(6 * 60):
        world.engine.rotate("mm")
        sweep(world)

    assert len(world.exchange.calls("derive")) < 40
