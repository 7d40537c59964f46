"""What tells two profiles apart, and how an account is bound to one."""

from dataclasses import asdict
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.build import NOON
from worker.account_ledger import AccountLedger, forget_profile, learn_profile
from worker.errors import UnknownProfileError, WrongProfileError
from worker.models import Profile
from worker.policy.profile import refusal_of

EMPTY = AccountLedger(account="main")
NOBODY = Profile()

profiles = st.builds(
    Profile,
    partner_profile_id=st.none() | st.integers(1, 2),
    profile_id=st.none() | st.integers(1, 2),
    address=st.none() | st.sampled_from(["0xa", "0xb"]),
    subject=st.none() | st.sampled_from(["did:privy:a", "did:privy:b"]),
)


def known(profile: Profile) -> dict[str, object]:
    return {name: value for name, value in asdict(profile).items() if value is not None}


@given(one=profiles, other=profiles)
def test_two_profiles_are_told_apart_by_anything_that_is_known_of_both(one: Profile, other: Profile) -> None:
    both = known(one).keys() & known(other).keys()
    differ = any(known(one)[name] != known(other)[name] for name in both)
    assert (one.contradicts(other), one.confirms(other)) == (differ, bool(both) and not differ)


@given(one=profiles, other=profiles)
def test_what_is_learnt_takes_nothing_away(one: Profile, other: Profile) -> None:
    assert known(one.with_unknown_from(other)) == {**known(other), **known(one)}


@given(profile=profiles)
def test_a_profile_is_named_by_all_that_is_known_of_it(profile: Profile) -> None:
    assert all(str(value) in str(profile) for value in known(profile).values())


@given(found=profiles)
def test_before_first_contact_whoever_can_be_identified_may_act(found: Profile) -> None:
    assert (refusal_of("main", None, found) is None) == (found != NOBODY)


@given(bound=profiles, found=profiles)
def test_whoever_is_not_known_to_be_the_same_profile_may_not_act(bound: Profile, found: Profile) -> None:
    refusal = refusal_of("main", bound, found)
    expected = WrongProfileError if bound.contradicts(found) else UnknownProfileError
    assert refusal is None if bound.confirms(found) else type(refusal) is expected


@given(found=profiles)
def test_first_contact_binds_to_all_that_is_known(found: Profile) -> None:
    binding = learn_profile(EMPTY, found, NOON).profile
    assert (binding.profile if binding else NOBODY) == found


@given(bound=profiles, found=profiles)
def test_a_binding_grows_and_never_changes(bound: Profile, found: Profile) -> None:
    ledger = learn_profile(EMPTY, bound, NOON)
    if not bound.confirms(found):
        return
    grown = learn_profile(ledger, found, NOON + timedelta(days=1)).profile
    assert grown is not None
    assert (grown.since, known(grown.profile)) == (NOON, {**known(found), **known(bound)})


def test_a_ledger_is_never_bound_to_a_second_profile() -> None:
    ledger = learn_profile(EMPTY, Profile(subject="did:privy:a"), NOON)
    with pytest.raises(ValueError, match="did:privy:b"):
        learn_profile(ledger, Profile(subject="did:privy:b"), NOON)


def test_learning_what_is_known_already_changes_nothing() -> None:
    ledger = learn_profile(EMPTY, Profile(subject="did:privy:a", partner_profile_id=1), NOON)
    assert learn_profile(ledger, Profile(subject="did:privy:a"), NOON + timedelta(days=1)) == ledger


def test_a_forgotten_binding_is_gone() -> None:
    assert forget_profile(learn_profile(EMPTY, Profile(subject="did:privy:a"), NOON)).profile is None


@given(found=profiles)
def test_a_binding_survives_its_way_through_vault(found: Profile) -> None:
    ledger = learn_profile(EMPTY, found, NOON)
    assert AccountLedger.model_validate(ledger.to_document()) == ledger


def test_a_document_of_a_release_without_bindings_is_readable() -> None:
    document = {"schema_version": 1, "sequence": 7, "account": "main", "known": ["mm"]}
    assert AccountLedger.model_validate(document).profile is None
