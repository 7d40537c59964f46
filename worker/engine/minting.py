"""What is looked at before an intent is opened: a list, the clocks, and whether that list is to be believed."""

from dataclasses import replace

from worker.engine.clocks import exchange_skew, vault_skew
from worker.engine.world import World
from worker.models import Severity, TokenList
from worker.policy.clocks import clocks_hold
from worker.policy.facts import CredentialFacts
from worker.policy.guards import credential_held_back
from worker.policy.observation import lacks_known, observed
from worker.policy.rotation import plan_rotation
from worker.policy.safety import hands_off
from worker.policy.steps import Hold, Reason

_BY_DATE = frozenset({Reason.PERIOD_REACHED, Reason.OVERDUE})


def why_not_mint(world: World, facts: CredentialFacts, reason: Reason) -> Hold | None:
    """Return why no token may be derived for that reason now, or None.

    An emergency waits for nothing. Where services are rejected already neither Vault's clock nor a list that shrank
    stands in the way.

    Raises:
        RotatorError: the exchange gives no list. An attempt would only make an orphan and bring parking nearer.
    """
    if reason is Reason.COMPROMISED:
        return None
    rejected = reason is Reason.DANGLING
    tokens, hold = _list_by_the_clocks(world, facts, with_vault=not rejected)
    if hold is not None and hold.reason is Reason.CLOCKS_DIFFER:
        # An answer that was held up on its way tells a time that has passed; two in a row are no accident.
        tokens, hold = _list_by_the_clocks(world, facts, with_vault=not rejected)
    if hold is not None:
        # The sweeps of the account tell it, once for all of its credentials; who asked is answered here.
        return hold if reason is Reason.REQUESTED else replace(hold, severity=Severity.INFO)
    if reason in _BY_DATE:
        # It was decided by a reading of the clock that was compared with no other one.
        again = plan_rotation(facts, world.clock.now())
        if not again.steps:
            return next(iter(again.holds), None)
    if rejected or not lacks_known(facts, tokens):
        return None
    return _why_shrunk(world, facts)


def _list_by_the_clocks(world: World, facts: CredentialFacts, *, with_vault: bool) -> tuple[TokenList, Hold | None]:
    credential, tokens = facts.credential, world.exchange.list_tokens()
    skews = {"the exchange": exchange_skew(world, tokens)}
    if with_vault:
        skews["Vault"] = vault_skew(world)
    hold = clocks_hold(
        skews,
        credential.policy.max_clock_skew,
        account=credential.account,
        credential=credential.name,
        what=f"No token is derived for credential {credential.name} (account {credential.account})",
    )
    return tokens, hold


def _why_shrunk(world: World, facts: CredentialFacts) -> Hold | None:
    """Return why the list is not believed, as a sweep over the whole account would judge it now.

    Only here every journal of the account is read: what we have ended ourselves may be in any of them.
    """
    account, now = observed(world.account(), world.clock.now()), world.clock.now()
    name, whose = facts.credential.name, facts.credential.account
    if account.tokens is None:
        sentence = f"No token is derived for credential {name} (account {whose}): {account.list_error}"
        return Hold(whose, name, Reason.UNREADABLE, sentence, Severity.WARNING)
    own = next(one for one in account.credentials if one.credential.name == name)
    return hands_off(own) or credential_held_back(own, now)
