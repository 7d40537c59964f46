"""Bind an account to its profile at first contact, and let nothing act for it with the identity of another one."""

from worker.account_ledger import VersionedLedger, learn_profile
from worker.engine.world import World
from worker.errors import ConflictError, RotatorError, UnknownProfileError
from worker.models import Profile, TokenList
from worker.policy.facts import AccountState
from worker.policy.profile import bound_profile, refusal_of

_MOST_TRIES = 4
"""A sweep or a person writes the account ledger at the same time: ordinary."""


def require_profile(world: World, account: str, state: AccountState | None) -> Profile:
    """Return the profile that the account is bound to, once the identity in place is known to be of it.

    At first contact the binding is written before this returns, so that it is durable before the act that follows. An
    account whose tokens are known already, and that is bound to no profile, waits for a list that is believed.

    Args:
        world: the account's ports.
        account: its name.
        state: the account ledger as it was read last; None reads it here.

    Raises:
        WrongProfileError: the identity in place is another profile's.
        UnknownProfileError: whose it is cannot be found out.
        RotatorError: the account ledger could not be read or written.
    """
    found = world.exchange.profile()
    bound = bound_profile(state.ledger) if state else None
    if bound is None:
        return _bind(world, account, found)
    refusal = refusal_of(account, bound, found)
    if refusal is not None:
        raise refusal
    return bound


def list_of(world: World, account: str, profile: Profile) -> TokenList:
    """Return the account's list, signed by an identity of that profile; raises as `require_profile` does."""
    tokens = world.exchange.list_tokens()
    refusal = refusal_of(account, profile, tokens.profile or Profile())
    if refusal is not None:
        raise refusal
    return tokens


def remember_profile(world: World, account: str, found: Profile) -> None:
    """Add to the binding what a derive's answer says besides; should that fail, the next one says it again."""
    try:
        _bind(world, account, found)
    except RotatorError:
        return


def _bind(world: World, account: str, found: Profile) -> Profile:
    for left in reversed(range(_MOST_TRIES)):
        version, ledger = world.accounts.read(account)
        refusal = refusal_of(account, bound_profile(ledger), found)
        if refusal is not None:
            raise refusal
        if ledger.profile is None and ledger.baseline is not None:
            # Its tokens are known, so a list can tell whether the identity is the account's; an act cannot.
            raise UnknownProfileError(account, bound="nothing yet; the next list that is believed binds it")
        learnt = learn_profile(ledger, found, world.clock.now())
        if learnt == ledger:
            return _known(VersionedLedger(version, ledger))
        try:
            return _known(world.accounts.write(learnt, cas=version))
        except ConflictError:
            if not left:
                raise
    raise AssertionError  # the last try returns or raises


def _known(versioned: VersionedLedger) -> Profile:
    return bound_profile(versioned.ledger) or Profile()
