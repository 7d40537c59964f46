"""An account is bound to its profile at first contact, and no other profile's identity ever acts for it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.exchange import MAIN_PROFILE, OTHER_PROFILE
from tests.harness import ACCOUNT, Harness
from tests.scenes import serve_by_hand
from worker.engine.pausing import rebinds
from worker.errors import ExchangeUnavailableError, VaultUnavailableError
from worker.journal import RecordState
from worker.models import Profile, Severity
from worker.policy.steps import Action, Order, Outcome, Reason, Result

ANN = Order(by="ann", why="a laptop was stolen")


@pytest.fixture
def world() -> Harness:
    """An account whose one credential was rotated and is in use."""
    world = Harness()
    world.engine.rotate("mm")
    world.engine.revoke(ACCOUNT)
    world.use_served()
    world.outcomes.seen.clear()
    return world


def bound(world: Harness) -> Profile | None:
    binding = world.vault.accounts.read(ACCOUNT).ledger.profile
    return binding.profile if binding else None


def make_due(world: Harness) -> None:
    """Let a week pass, and its sweeps with the right identity."""
    world.clock.advance(timedelta(days=8))
    world.use_served()


def make_revocable(world: Harness) -> str:
    """Rotate, and let the old token's grace end; return its id."""
    old = world.served()
    make_due(world)
    world.engine.rotate("mm")
    world.clock.advance(timedelta(hours=25))
    world.use_served()
    world.clock.advance(timedelta(minutes=1))
    world.outcomes.seen.clear()
    assert old is not None
    return old


def told(world: Harness) -> list[tuple[Reason, Severity]]:
    return [(one.reason, one.severity) for one in world.outcomes.seen]


# --- first contact


def test_the_first_derive_binds_the_account_before_it_is_sent() -> None:
    world = Harness()
    seen: list[Profile | None] = []
    world.exchange.before_next("derive", lambda: seen.append(bound(world)))
    world.engine.rotate("mm")
    assert seen == [replace(MAIN_PROFILE, profile_id=None, address=None)]


def test_a_derives_answer_completes_the_binding() -> None:
    world = Harness()
    world.engine.rotate("mm")
    assert bound(world) == MAIN_PROFILE


def test_the_first_list_of_a_sweep_binds_the_account() -> None:
    world = Harness()
    world.engine.revoke(ACCOUNT)
    assert bound(world) == replace(MAIN_PROFILE, profile_id=None, address=None)


def test_a_doubted_list_binds_nothing() -> None:
    world = Harness()
    kept = [world.exchange.issue_by_person(f"laptop {number}").token_id for number in range(4)]
    world.exchange.known_by = ()
    world.engine.revoke(ACCOUNT)
    for one in kept:
        world.exchange.hide(one)
    world.exchange.known_by = ("subject",)
    world.engine.revoke(ACCOUNT)
    assert bound(world) is None


def test_nothing_is_derived_when_the_binding_could_not_be_written() -> None:
    world = Harness()
    world.vault.fail_next(VaultUnavailableError("sealed"), port="accounts", method="write")
    world.engine.rotate("mm")
    assert world.exchange.issued == ()


def test_nothing_is_derived_for_a_profile_that_can_not_be_identified() -> None:
    world = Harness()
    world.exchange.known_by = ()
    world.engine.rotate("mm")
    assert (world.exchange.issued, world.outcomes.seen[-1].result) == ((), Result.FAILED)


def test_the_subject_alone_is_enough_when_capabilities_are_refused(world: Harness) -> None:
    world.exchange.known_by = ("subject",)
    make_due(world)
    world.engine.rotate("mm")
    assert world.served() == world.exchange.issued[-1].token_id


def test_nothing_is_revoked_while_whose_identity_it_is_is_unknown(world: Harness) -> None:
    old = make_revocable(world)
    world.exchange.known_by = ()
    world.engine.revoke(ACCOUNT)
    assert (old in world.live(), told(world)) == (True, [(Reason.UNREADABLE, Severity.WARNING)])


# --- another profile's identity


def test_no_token_of_another_profile_is_ever_derived(world: Harness) -> None:
    make_due(world)
    world.exchange.identity = OTHER_PROFILE
    world.engine.rotate("mm")
    assert len(world.exchange.issued) == 1


def test_a_rotation_with_another_profiles_identity_opens_no_intent(world: Harness) -> None:
    make_due(world)
    before = world.journal()
    world.exchange.identity = OTHER_PROFILE
    world.engine.rotate("mm")
    assert world.journal() == before


def test_a_rotation_with_another_profiles_identity_is_alerted_with_its_own_reason(world: Harness) -> None:
    make_due(world)
    world.exchange.identity = OTHER_PROFILE
    world.engine.rotate("mm")
    assert told(world) == [(Reason.OTHER_PROFILE, Severity.ERROR)]


def test_the_alert_says_what_was_expected_what_was_found_and_what_to_do(world: Harness) -> None:
    make_due(world)
    world.exchange.identity = OTHER_PROFILE
    world.engine.rotate("mm")
    sentence = world.outcomes.seen[-1].sentence
    for part in (ACCOUNT, "did:privy:main", "did:privy:other", "1001", "1002", f"rotator trust {ACCOUNT} --profile"):
        assert part in sentence


def test_rotation_goes_on_once_the_right_identity_is_back(world: Harness) -> None:
    make_due(world)
    world.exchange.identity = OTHER_PROFILE
    world.engine.rotate("mm")
    world.exchange.identity = MAIN_PROFILE
    world.engine.rotate("mm")
    assert world.served() == world.exchange.issued[-1].token_id


def test_an_identity_that_is_swapped_just_before_the_derive_signs_nothing(world: Harness) -> None:
    make_due(world)

    def swap() -> None:
        world.exchange.identity = OTHER_PROFILE

    world.exchange.before_next("derive", swap)
    world.engine.rotate("mm")
    assert (len(world.exchange.issued), world.journal().intent) == (1, None)
    assert (Reason.OTHER_PROFILE, Severity.ERROR) in told(world)


def test_an_emergency_does_not_derive_for_another_profile(world: Harness) -> None:
    world.exchange.identity = OTHER_PROFILE
    world.engine.ordered_by(ANN).emergency("mm")
    assert (len(world.exchange.issued), len(world.live())) == (1, 1)


def test_an_emergency_is_completed_once_the_right_identity_is_back(world: Harness) -> None:
    old = world.served()
    world.exchange.identity = OTHER_PROFILE
    world.engine.ordered_by(ANN).emergency("mm")
    world.exchange.identity = MAIN_PROFILE
    world.settle()
    assert (old in world.live(), world.served() in world.live()) == (False, True)


def test_a_sweep_with_another_profiles_identity_revokes_nothing(world: Harness) -> None:
    old = make_revocable(world)
    before = world.journal()
    world.exchange.identity = OTHER_PROFILE
    world.engine.revoke(ACCOUNT)
    assert (old in world.live(), world.journal()) == (True, before)


def test_a_sweep_with_another_profiles_identity_is_alerted_with_its_own_reason(world: Harness) -> None:
    make_revocable(world)
    world.exchange.identity = OTHER_PROFILE
    world.engine.revoke(ACCOUNT)
    assert told(world) == [(Reason.OTHER_PROFILE, Severity.ERROR)]


def test_another_profiles_list_teaches_nothing(world: Harness) -> None:
    make_revocable(world)
    world.engine.revoke(ACCOUNT)
    before = world.vault.accounts.read(ACCOUNT)
    world.exchange.identity = OTHER_PROFILE
    for _ in range(4):
        world.clock.advance(timedelta(minutes=10))
        world.engine.revoke(ACCOUNT)
        world.engine.flag(ACCOUNT)
    assert world.vault.accounts.read(ACCOUNT) == before


def test_an_identity_that_is_swapped_just_before_a_revocation_ends_nothing(world: Harness) -> None:
    old = make_revocable(world)

    def swap() -> None:
        world.exchange.identity = OTHER_PROFILE

    world.exchange.before_next("revoke", swap)
    world.engine.revoke(ACCOUNT)
    assert (old in world.live(), dict(world.states())[old]) == (True, RecordState.REVOKING)


def test_an_identity_that_is_wrong_for_the_moment_of_a_revocation_alone_does_not_sign_it(world: Harness) -> None:
    make_revocable(world)
    world.exchange.before_next("revoke", lambda: setattr(world.exchange, "identity", OTHER_PROFILE))
    world.exchange.after_next("revoke", lambda: setattr(world.exchange, "identity", MAIN_PROFILE))
    world.engine.revoke(ACCOUNT)
    assert told(world) == [(Reason.OTHER_PROFILE, Severity.ERROR)]


def test_a_404_is_not_believed_with_another_profiles_list(world: Harness) -> None:
    old = make_revocable(world)
    world.exchange.deny(old)

    def swap() -> None:
        world.exchange.identity = OTHER_PROFILE

    world.exchange.after_next("revoke", swap)
    world.engine.revoke(ACCOUNT)
    assert dict(world.states())[old] is RecordState.REVOKING


def revoke_all(world: Harness) -> tuple[Outcome, ...]:
    return world.engine.ordered_by(ANN).revoke_all("mm")


def retire(world: Harness) -> tuple[Outcome, ...]:
    return world.engine.ordered_by(ANN).retire("mm")


@pytest.mark.parametrize("act", [revoke_all, retire])
def test_an_order_given_with_another_profiles_identity_is_not_taken_for_done(
    world: Harness, act: Callable[[Harness], tuple[Outcome, ...]]
) -> None:
    token_id = world.exchange.issued[0].token_id
    world.clock.advance(timedelta(hours=1))
    world.exchange.identity = OTHER_PROFILE
    act(world)
    assert dict(world.states())[token_id] is RecordState.REVOKING
    assert (Reason.OTHER_PROFILE, Severity.ERROR) in told(world)


@pytest.mark.parametrize("act", [revoke_all, retire])
def test_an_order_given_with_another_profiles_identity_is_carried_out_once_the_right_one_is_back(
    world: Harness, act: Callable[[Harness], tuple[Outcome, ...]]
) -> None:
    token_id = world.exchange.issued[0].token_id
    world.clock.advance(timedelta(hours=1))
    world.exchange.identity = OTHER_PROFILE
    act(world)
    world.exchange.identity = MAIN_PROFILE
    world.engine.revoke(ACCOUNT)
    assert (token_id in world.live(), dict(world.states())[token_id]) == (False, RecordState.REVOKED)


def test_adopting_with_another_profiles_identity_is_refused(world: Harness) -> None:
    token = world.exchange.issue_by_person("by hand")
    serve_by_hand(world, token.token_id, token.secret)
    world.exchange.identity = OTHER_PROFILE
    outcomes = world.engine.ordered_by(ANN).adopt("mm", reclaim=True)
    assert [one.reason for one in outcomes] == [Reason.OTHER_PROFILE]


# --- bound anew


def test_an_account_that_a_person_bound_anew_takes_the_profile_in_place_once_its_list_is_believed(
    world: Harness,
) -> None:
    world.exchange.identity = OTHER_PROFILE
    world.engine.edit(rebinds(world.settings, ACCOUNT), ANN)
    world.engine.revoke(ACCOUNT)
    doubted = bound(world)
    world.clock.advance(timedelta(minutes=6))
    world.engine.revoke(ACCOUNT)
    assert (doubted, bound(world)) == (None, replace(OTHER_PROFILE, profile_id=None, address=None))


def test_an_account_whose_list_was_believed_before_is_bound_by_a_believed_list_alone(world: Harness) -> None:
    world.engine.edit(rebinds(world.settings, ACCOUNT), ANN)  # as after an upgrade from a release without bindings
    make_due(world)
    world.exchange.identity = OTHER_PROFILE
    world.engine.rotate("mm")
    assert (len(world.exchange.issued), bound(world)) == (1, None)


# --- a derive's answer that names another profile


def test_a_token_that_was_derived_for_another_profile_is_revoked_at_once(world: Harness) -> None:
    make_due(world)
    world.exchange.derives_for = OTHER_PROFILE
    world.engine.rotate("mm")
    assert world.exchange.issued[-1].token_id not in world.live()


def test_a_token_that_was_derived_for_another_profile_is_never_staged_nor_served(world: Harness) -> None:
    make_due(world)
    served = world.served()
    world.exchange.derives_for = OTHER_PROFILE
    world.engine.rotate("mm")
    assert (world.served(), world.journal().intent) == (served, None)
    assert world.exchange.issued[-1].token_id not in [token_id for token_id, _ in world.states()]


def test_a_strange_token_that_can_not_be_revoked_is_named_in_the_alert(world: Harness) -> None:
    make_due(world)
    world.exchange.derives_for = OTHER_PROFILE
    world.exchange.fail_next("revoke", ExchangeUnavailableError("503 maintenance"))
    world.engine.rotate("mm")
    alert = next(one for one in world.outcomes.seen if one.reason is Reason.OTHER_PROFILE)
    assert (alert.severity, world.exchange.issued[-1].token_id in alert.sentence) == (Severity.ERROR, True)


# --- dangling


def test_a_control_call_by_another_profile_proves_nothing(world: Harness) -> None:
    served = world.served()
    assert served is not None
    world.exchange.revoke_by_person(served)
    world.engine.revoke(ACCOUNT)

    def swap() -> None:
        world.exchange.identity = OTHER_PROFILE

    world.exchange.before_next("list_as", swap)
    world.clock.advance(timedelta(minutes=1))
    world.engine.revoke(ACCOUNT)
    assert world.vault.accounts.read(ACCOUNT).ledger.dangling == ()
    assert Action.PROBE in [one.action for one in world.outcomes.seen]
