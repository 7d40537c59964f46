"""What a person orders for one credential: what it does, what refuses it, and that it comes right wherever it dies."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr

from tests.fakes.vault import Call
from tests.harness import ACCOUNT, Harness, died
from tests.scenes import ORDER, behind, by_hand, drifted, reasons, rotated_twice, serve_by_hand
from worker.account_ledger import OrderedFreeze, Pause
from worker.errors import ExchangeRefusedError, ExchangeUnavailableError
from worker.journal import RecordState
from worker.models import PathContent, ServedDocument
from worker.policy.steps import Action, Reason, Result

MOST_MOMENTS = 80


# --- adopt


def test_an_adopted_token_is_current_and_nothing_is_derived_or_revoked() -> None:
    world = by_hand()
    served = world.served()
    world.engine.ordered_by(ORDER).adopt("mm")
    assert (world.states(), world.live()) == ([(served, RecordState.CURRENT)], {served})


def test_an_adopted_credential_is_rotated_one_period_later_and_not_at_once() -> None:
    world = by_hand()
    world.engine.ordered_by(ORDER).adopt("mm")
    world.settle(sweeps=3)
    assert len(world.exchange.issued) == 1
    world.clock.advance(timedelta(days=7))
    world.engine.rotate("mm")
    assert world.served() == world.exchange.issued[-1].token_id


def test_an_adopted_token_is_revoked_after_its_grace_when_its_successor_is_used() -> None:
    world = by_hand()
    adopted = world.served()
    world.engine.ordered_by(ORDER).adopt("mm")
    world.clock.advance(timedelta(days=7))
    world.engine.rotate("mm")
    for _ in range(30):
        world.clock.advance(timedelta(hours=1))
        world.use_served()
        world.engine.revoke(ACCOUNT)
    assert adopted not in world.live()


def test_another_token_with_the_adopted_ones_label_stays_foreign() -> None:
    world = by_hand()
    world.engine.ordered_by(ORDER).adopt("mm")
    twin = world.exchange.issue_by_person("old bot")
    world.settle()
    assert twin.token_id in world.live()


def test_adopting_says_who_ordered_it_and_why() -> None:
    world = by_hand()
    (outcome,) = world.engine.ordered_by(ORDER).adopt("mm")
    assert (outcome.result, outcome.evidence["by"], outcome.evidence["why"]) == (Result.DONE, "kim", "drill")


def test_a_plan_to_adopt_touches_nothing() -> None:
    world = by_hand()
    plan = world.engine.ordered_by(ORDER).plan_adopt("mm")
    assert [step.action for step in plan.steps] == [Action.ADOPT]
    assert world.vault.journals.read(world.location()) is None


def revoked_meanwhile() -> Harness:
    world = by_hand()
    world.exchange.revoke_by_person(world.served() or "")
    return world


def with_a_wrong_secret() -> Harness:
    world = by_hand()
    serve_by_hand(world, world.served() or "", SecretStr("d3Jvbmc="))
    return world


def unlistable() -> Harness:
    world = by_hand()
    world.exchange.fail_next("list", ExchangeUnavailableError("503"))
    return world


REFUSED_ADOPTIONS: list[tuple[str, Callable[[], Harness], Reason]] = [
    ("it is managed already", rotated_twice, Reason.ALREADY_MANAGED),
    ("its path holds nothing", Harness, Reason.NOTHING_TO_ADOPT),
    ("its token is in no list", revoked_meanwhile, Reason.NOT_LISTED),
    ("its secret does not work", with_a_wrong_secret, Reason.SECRET_REFUSED),
    ("the tokens can not be listed", unlistable, Reason.UNREADABLE),
]


@pytest.mark.parametrize("case", REFUSED_ADOPTIONS, ids=[name for name, *_ in REFUSED_ADOPTIONS])
def test_a_credential_is_not_adopted_when(case: tuple[str, Callable[[], Harness], Reason]) -> None:
    _, made, reason = case
    world = made()
    before = world.vault.journals.read(world.location())
    outcomes = world.engine.ordered_by(ORDER).adopt("mm")
    assert reasons(outcomes) == [reason]
    assert world.vault.journals.read(world.location()) == before


def test_a_token_that_is_not_the_expected_one_is_not_adopted() -> None:
    outcomes = by_hand().engine.ordered_by(ORDER).adopt("mm", token_id="another")
    assert reasons(outcomes) == [Reason.OTHER_TOKEN]


def test_a_token_of_another_credential_is_not_adopted() -> None:
    world = Harness("mm", "hedge")
    world.engine.rotate("hedge")
    document = world.path("hedge").document
    assert document is not None
    serve_by_hand(world, document.token_id, document.secret)
    assert reasons(world.engine.ordered_by(ORDER).adopt("mm")) == [Reason.ALREADY_MANAGED]


# --- reclaim


@pytest.mark.parametrize("made", [behind, drifted], ids=["the journal is behind", "another hand wrote the path"])
def test_what_was_left_alone_is_reclaimed_and_nothing_is_revoked_by_it(made: Callable[[], Harness]) -> None:
    world = made()
    served, live = world.served(), world.live()
    world.engine.rotate("mm")
    world.engine.revoke(ACCOUNT)
    world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)
    current = world.journal().current
    assert current is not None
    assert (current.token_id, world.live()) == (served, live)


@pytest.mark.parametrize("made", [behind, drifted], ids=["the journal is behind", "another hand wrote the path"])
def test_grace_starts_anew_for_the_other_tokens_of_what_was_reclaimed(made: Callable[[], Harness]) -> None:
    world = made()
    world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)
    live = world.live()
    world.clock.advance(timedelta(hours=22))
    world.use_served()
    world.clock.advance(timedelta(hours=1, minutes=59))
    world.engine.revoke(ACCOUNT)
    assert world.live() == live


@pytest.mark.parametrize("made", [behind, drifted], ids=["the journal is behind", "another hand wrote the path"])
def test_without_reclaim_it_is_not_taken_over(made: Callable[[], Harness]) -> None:
    world = made()
    before = world.journal()
    world.engine.ordered_by(ORDER).adopt("mm")
    assert world.journal() == before


def test_a_reclaimed_credential_is_rotated_again_when_due() -> None:
    world = behind()
    world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)
    world.clock.advance(timedelta(days=7))
    world.engine.rotate("mm")
    assert world.served() == world.exchange.issued[-1].token_id


# --- emergency


def test_an_emergency_leaves_only_the_new_token_alive() -> None:
    world = rotated_twice()
    world.engine.ordered_by(ORDER).emergency("mm")
    assert world.live() == {world.served()}
    assert world.served() == world.exchange.issued[-1].token_id


def test_an_emergency_revokes_the_old_tokens_only_once_the_new_one_is_served() -> None:
    world = rotated_twice()
    served: list[str | None] = []
    world.exchange.before_next("revoke", lambda: served.append(world.served()))
    world.engine.ordered_by(ORDER).emergency("mm")
    assert served == [world.exchange.issued[-1].token_id]


def test_an_emergency_leaves_foreign_tokens_alone() -> None:
    world = rotated_twice()
    foreign = world.exchange.issue_by_person("mobile app")
    world.engine.ordered_by(ORDER).emergency("mm")
    assert foreign.token_id in world.live()


def paused(world: Harness) -> None:
    pause = Pause(since=world.clock.now(), by="kim", reason="audit")
    write_ledger(world, pauses=(pause,))


def frozen(world: Harness) -> None:
    now = world.clock.now()
    freeze = OrderedFreeze(since=now, until=now + timedelta(days=3), by="kim", reason="launch")
    write_ledger(world, freezes=(freeze,))


def parked(world: Harness) -> None:
    for _ in range(5):
        world.exchange.fail_next("derive", ExchangeRefusedError("403", status=403))
        world.engine.rotate("mm", requested=True)


def unlisted(world: Harness) -> None:
    world.exchange.fail_next("list", ExchangeUnavailableError("503"), count=2)


def write_ledger(world: Harness, **changes: object) -> None:
    version, ledger = world.vault.accounts.read(ACCOUNT)
    world.vault.accounts.write(ledger.model_copy(update=changes), cas=version)


@pytest.mark.parametrize("hindrance", [paused, frozen, parked, unlisted])
def test_an_emergency_is_not_held_back_when_it_is(hindrance: Callable[[Harness], None]) -> None:
    world = rotated_twice()
    hindrance(world)
    world.engine.ordered_by(ORDER).emergency("mm")
    assert world.live() == {world.served()}


def test_an_emergency_never_rolls_an_open_intent_forward() -> None:
    world = rotated_twice()
    world.clock.advance(timedelta(days=7))
    world.exchange.fail_next("list_as", ExchangeUnavailableError("503"))
    world.engine.rotate("mm")
    staged = world.exchange.issued[-1].token_id
    world.exchange.recover()
    world.engine.ordered_by(ORDER).emergency("mm")
    assert world.live() == {world.served()}
    assert world.served() != staged


def test_an_emergency_that_can_not_mint_says_so_and_offers_to_revoke() -> None:
    world = rotated_twice()
    served = world.served()
    world.exchange.fail_next("derive", ExchangeRefusedError("403", status=403))
    outcomes = world.engine.ordered_by(ORDER).emergency("mm")
    assert "rotator revoke mm --all" in outcomes[-1].sentence
    assert (world.served(), served in world.live()) == (served, True)


def test_an_emergency_that_could_not_mint_is_finished_by_a_later_sweep() -> None:
    world = rotated_twice()
    world.exchange.fail_next("derive", ExchangeRefusedError("403", status=403))
    world.engine.ordered_by(ORDER).emergency("mm")
    world.clock.advance(timedelta(minutes=2))
    world.settle(sweeps=2)
    assert world.live() == {world.served()}


def test_an_emergency_overwrites_nothing_that_another_hand_wrote() -> None:
    world = drifted()
    before, live = world.path(), world.live()
    outcomes = world.engine.ordered_by(ORDER).emergency("mm")
    assert (reasons(outcomes), world.path(), world.live()) == ([Reason.DRIFTED], before, live)
    assert "--all" in outcomes[0].sentence


def test_an_emergency_does_not_take_for_its_own_what_another_hand_wrote_right_after_its_fence() -> None:
    world = rotated_twice()
    world.exchange.fail_next("list_as", ExchangeUnavailableError("503"))
    world.engine.rotate("mm", requested=True)
    world.exchange.recover()

    def write_once(call: Call) -> None:
        if (call.port, call.method, call.moment) == ("consumers", "write", "after"):
            world.vault.on_call = None
            world.vault.put_foreign(world.location(), {"written": "by hand"})

    world.vault.on_call = write_once
    world.engine.ordered_by(ORDER).emergency("mm")
    assert world.vault.versions(world.location())[-1].data == {"written": "by hand"}


# --- revoke --all


def test_revoking_all_leaves_no_token_of_ours_alive() -> None:
    world = rotated_twice()
    foreign = world.exchange.issue_by_person("mobile app")
    world.engine.ordered_by(ORDER).revoke_all("mm")
    assert world.live() == {foreign.token_id}


def test_after_revoking_all_the_next_sweep_issues_a_new_token() -> None:
    world = rotated_twice()
    world.engine.ordered_by(ORDER).revoke_all("mm")
    world.settle(sweeps=2)
    assert world.live() == {world.served()}


def test_a_freeze_does_not_keep_services_rejected_after_revoking_all() -> None:
    world = rotated_twice()
    frozen(world)
    world.engine.ordered_by(ORDER).revoke_all("mm")
    world.settle(sweeps=2)
    assert world.live() == {world.served()}


def test_a_paused_credential_gets_no_new_token_after_revoking_all() -> None:
    world = rotated_twice()
    paused(world)
    world.engine.ordered_by(ORDER).revoke_all("mm")
    world.settle(sweeps=2)
    assert world.live() == set()


def test_there_is_nothing_to_revoke_where_nothing_was_issued() -> None:
    outcomes = Harness().engine.ordered_by(ORDER).revoke_all("mm")
    assert reasons(outcomes) == [Reason.NOTHING_LIVE]


# --- rollback


def test_a_rollback_serves_the_predecessor_again() -> None:
    world = rotated_twice()
    first, second = world.exchange.issued
    world.engine.ordered_by(ORDER).rollback("mm")
    document = world.path().document
    assert document is not None
    assert (document.token_id, document.secret) == (first.token_id, first.secret)
    assert world.live() == {first.token_id, second.token_id}


def test_after_a_rollback_the_bad_successor_is_revoked_after_a_grace_of_its_own() -> None:
    world = rotated_twice()
    first, second = world.exchange.issued
    world.engine.ordered_by(ORDER).rollback("mm")
    for hour in range(27):
        world.use_served()
        world.engine.revoke(ACCOUNT)
        assert (second.token_id in world.live()) or hour >= 24
        world.clock.advance(timedelta(hours=1))
    assert world.live() == {first.token_id}


def test_an_adopted_predecessor_is_served_again_too() -> None:
    world = by_hand()
    adopted = world.served()
    world.engine.ordered_by(ORDER).adopt("mm")
    world.clock.advance(timedelta(days=7))
    world.engine.rotate("mm")
    world.engine.ordered_by(ORDER).rollback("mm")
    assert world.served() == adopted


def test_after_a_rollback_the_period_starts_anew() -> None:
    world = rotated_twice()
    world.engine.ordered_by(ORDER).rollback("mm")
    rolled_back = world.clock.now()
    current = world.journal().current
    assert current is not None
    assert current.promoted_at == rolled_back


def test_a_rollback_that_dies_is_finished_by_the_next_sweep() -> None:
    world = rotated_twice()
    world.exchange.fail_next("list_as", ExchangeUnavailableError("503"))
    world.engine.ordered_by(ORDER).rollback("mm")
    world.exchange.recover()
    world.engine.rotate("mm")
    assert world.served() == world.exchange.issued[0].token_id


def gone() -> Harness:
    world = rotated_twice()
    world.clock.advance(timedelta(hours=25))
    world.use_served()
    world.clock.advance(timedelta(minutes=1))
    world.engine.revoke(ACCOUNT)
    return world


def under_way() -> Harness:
    world = rotated_twice()
    world.exchange.lose_next("derive")
    world.engine.rotate("mm", requested=True)
    return world


def frozen_world() -> Harness:
    world = rotated_twice()
    frozen(world)
    return world


def paused_world() -> Harness:
    world = rotated_twice()
    paused(world)
    return world


REFUSED_ROLLBACKS: list[tuple[str, Callable[[], Harness], Reason]] = [
    ("the predecessor is revoked", gone, Reason.NO_PREDECESSOR),
    ("there never was a predecessor", Harness, Reason.NO_PREDECESSOR),
    ("a rotation is under way", under_way, Reason.INTENT_OPEN),
    ("it is frozen", frozen_world, Reason.FROZEN),
    ("it is paused", paused_world, Reason.PAUSED),
    ("another hand wrote the path", drifted, Reason.DRIFTED),
]


@pytest.mark.parametrize("case", REFUSED_ROLLBACKS, ids=[name for name, *_ in REFUSED_ROLLBACKS])
def test_nothing_is_rolled_back_when(case: tuple[str, Callable[[], Harness], Reason]) -> None:
    _, made, reason = case
    world = made()
    before = world.path()
    outcomes = world.engine.ordered_by(ORDER).rollback("mm")
    assert (reasons(outcomes), world.path()) == ([reason], before)


def test_a_predecessor_that_no_longer_works_is_not_served_again() -> None:
    world = rotated_twice()
    first, second = world.exchange.issued
    world.exchange.break_token(first.token_id)
    outcomes = world.engine.ordered_by(ORDER).rollback("mm")
    assert (world.served(), reasons(outcomes)[-1]) == (second.token_id, Reason.VERIFY_REFUSED)


# --- retire


def test_a_retired_credential_has_no_live_token_no_secret_and_a_ledger() -> None:
    world = rotated_twice()
    world.engine.ordered_by(ORDER).retire("mm")
    stored = str([one.data for one in world.vault.versions(world.location())])
    assert (world.live(), world.path().content) == (set(), PathContent.TOMBSTONE)
    assert not [one for one in world.exchange.issued if one.secret.get_secret_value() in stored]
    assert len(world.journal().ledger) == 2


def test_a_retired_credential_is_never_rotated_again() -> None:
    world = rotated_twice()
    world.engine.ordered_by(ORDER).retire("mm")
    world.clock.advance(timedelta(days=30))
    world.engine.rotate("mm", requested=True)
    assert (len(world.exchange.issued), world.outcomes.reasons()[-1]) == (2, Reason.RETIRED)


def test_retiring_again_has_nothing_left_to_do() -> None:
    world = rotated_twice()
    world.engine.ordered_by(ORDER).retire("mm")
    assert reasons(world.engine.ordered_by(ORDER).retire("mm")) == [Reason.RETIRED]


# --- wherever it dies

ACTS: dict[str, tuple[Callable[[], Harness], Callable[[Harness], object]]] = {
    "an adoption": (by_hand, lambda world: world.engine.ordered_by(ORDER).adopt("mm")),
    "a reclaim": (behind, lambda world: world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)),
    "an emergency": (rotated_twice, lambda world: world.engine.ordered_by(ORDER).emergency("mm")),
    "revoking all": (rotated_twice, lambda world: world.engine.ordered_by(ORDER).revoke_all("mm")),
    "a rollback": (rotated_twice, lambda world: world.engine.ordered_by(ORDER).rollback("mm")),
    "retiring": (rotated_twice, lambda world: world.engine.ordered_by(ORDER).retire("mm")),
}


def begun(world: Harness, name: str) -> bool:
    """Whether the order was durable when the process died."""
    journal = world.journal()
    if name == "an emergency":
        return journal.emergency_at is not None or any(one.revoking_reason == "compromised" for one in journal.ledger)
    marked = any(one.revoking_reason in {"ordered", "retired"} for one in journal.ledger)
    return marked or journal.retired_at is not None


@pytest.mark.parametrize("name", ["an emergency", "revoking all", "a rollback", "retiring"])
def test_wherever_an_order_dies_sweeps_finish_what_was_begun(name: str) -> None:
    made, act = ACTS[name]
    for moment in range(MOST_MOMENTS):
        world = made()
        old = world.live()
        if not died(world, act, moment):
            return
        was_begun = name != "a rollback" and begun(world, name)
        world.clock.advance(timedelta(minutes=3))
        world.settle(sweeps=3)
        served = world.served()
        if was_begun:
            assert not world.live() & old, f"died at {moment}"
            assert world.live() == (set() if name == "retiring" else {served}), f"died at {moment}"
        else:
            assert served in world.live(), f"died at {moment}"
        assert world.journal().intent is None, f"died at {moment}"
    pytest.fail("the order never came to an end")


@pytest.mark.parametrize("name", list(ACTS))
def test_wherever_an_order_dies_it_can_be_given_again(name: str) -> None:
    made, act = ACTS[name]
    for moment in range(MOST_MOMENTS):
        world = made()
        if not died(world, act, moment):
            return
        world.clock.advance(timedelta(minutes=3))
        act(world)
        world.settle(sweeps=3)
        assert world.served() in world.live() | ({None} if name == "retiring" else set()), f"died at {moment}"
        assert world.journal().intent is None, f"died at {moment}"
    pytest.fail("the order never came to an end")


def test_a_document_that_people_wrote_is_kept_as_it_is_by_adoption() -> None:
    world = by_hand()
    before = world.path()
    world.engine.ordered_by(ORDER).adopt("mm")
    assert world.path() == before
    assert isinstance(before.document, ServedDocument)
