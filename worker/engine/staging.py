"""Get a secret that is shown once into the journal, however Vault behaves, for as long as it can still help."""

from worker.engine.world import World
from worker.errors import AmbiguousError, CasConflictError, RotatorError, TransientError
from worker.journal import VersionedJournal, stage
from worker.models import DerivedToken, PathLocation

_PAUSES = (0.2, 0.5, 1.0, 2.0, 3.0)
"""Seconds between tries; the last one repeats until the intent's derive deadline."""


def stage_secret(
    world: World, location: PathLocation, opened: VersionedJournal, token: DerivedToken, *, give_up_at: float
) -> VersionedJournal:
    """Return the journal that holds the secret.

    While Vault is away the write is tried again until `give_up_at` (seconds on the monotonic clock), because the only
    copy of the secret is in this process; after that the attempt is lost, and its label is hunted for like that of
    any lost derive.

    Raises:
        CasConflictError: somebody abandoned the attempt first. The token, whose id never reached the journal, has been
            revoked here (and is found by its label should that have failed).
        RotatorError: Vault did not take it in time.
    """
    tries = 0
    while True:
        try:
            staged = stage(opened.journal, token, now=world.clock.now())
            return world.journals.write(location, staged, cas=opened.version)
        except CasConflictError:
            landed = world.journals.read(location)
            if landed is not None and _holds(landed, token):
                return landed
            _revoke_unstaged(world, token)
            raise
        except (TransientError, AmbiguousError):
            if world.clock.monotonic() >= give_up_at:
                raise
            world.clock.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1


def _holds(journal: VersionedJournal, token: DerivedToken) -> bool:
    intent = journal.journal.intent
    return intent is not None and intent.token is not None and intent.token.token_id == token.token_id


def _revoke_unstaged(world: World, token: DerivedToken) -> None:
    try:
        world.exchange.revoke_token(token.token_id, profile=token.profile)
    except RotatorError:
        return  # its label is in the ledger: the next sweep that sees it revokes it
