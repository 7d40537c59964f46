"""Whether a list, or an identity, is of the profile that an account is bound to."""

from dataclasses import replace

from worker.account_ledger import AccountLedger
from worker.errors import UnknownProfileError, WrongProfileError
from worker.models import Profile
from worker.policy.facts import AccountFacts


def refusal_of(account: str, bound: Profile | None, found: Profile) -> WrongProfileError | UnknownProfileError | None:
    """Return (not raise) why an identity of profile `found` may not act for the account, or None when it may.

    Before first contact (`bound` None) whoever can be identified may.
    """
    if bound is None:
        return None if found != Profile() else UnknownProfileError(account, bound="unknown")
    if bound.contradicts(found):
        return WrongProfileError(account, bound=str(bound), found=str(found))
    return None if bound.confirms(found) else UnknownProfileError(account, bound=str(bound))


def bound_profile(ledger: AccountLedger) -> Profile | None:
    """Return the profile that the account is bound to, or None before first contact."""
    return ledger.profile.profile if ledger.profile else None


def without_strange_list(facts: AccountFacts) -> AccountFacts:
    """Return the facts without a list that is not, or perhaps not, of the account's own profile: it teaches nothing."""
    if facts.tokens is None or facts.state is None:
        return facts
    bound, found = bound_profile(facts.state.ledger), facts.tokens.profile or Profile()
    refusal = refusal_of(facts.account, bound, found) if bound is not None else None
    if refusal is None:
        return facts
    wrong = str(refusal) if isinstance(refusal, WrongProfileError) else None
    return replace(facts, tokens=None, list_error=str(refusal), other_profile=wrong)
