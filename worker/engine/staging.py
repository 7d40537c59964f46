"""Get a secret that is shown once into the journal, however Vault behaves, for as long as it can still help."""

from worker.engine.world import World
from worker.errors import AmbiguousError, CasConflictError, RotatorError, TransientError
from worker.journal import Journal, VersionedJournal, is_unstaged, stage
from worker.models import DerivedToken, PathLocation

_PAUSES = (0.2, 0.5, 1.0, 2.0, 3.0)
"""Seconds between tries; the last one repeats until the intent's derive deadline."""


def stage_secret(
    world: World,
    location: PathLocation,
    opened: VersionedJournal,
    token: DerivedToken,
    *,
    label: str,
    give_up_at: float,
) -> VersionedJournal:
    """Return the journal that holds the secret.

    While Vault is away the write is tried again until `give_up_at` (seconds on the monotonic clock), because the only
    copy of the secret is in this process; after that the attempt is lost, and its label is hunted for like that of
    any lost derive.

    Args:
        world: the account's ports.
        location: the consumers' path that the journal belongs to.
        opened: the journal with the intent, as it was written.
        token: what the derive answered.
        label: with which it was asked for.
        give_up_at: see above; before anybody may abandon the attempt.

    Raises:
        CasConflictError: somebody was faster. When they abandoned the attempt, the token, whose id never reached the
            journal and which no version of the path holds, has been revoked here (and is found by its label should
            that have failed). In any other case it is left as the journal says.
        RotatorError: Vault did not take it in time, or could not be read again.
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
            if landed is not None:
                _revoke_unstaged(world, location, landed.journal, token, label=label)
            raise
        except (TransientError, AmbiguousError):
            pause = _PAUSES[min(tries, len(_PAUSES) - 1)]
            if world.clock.monotonic() + pause >= give_up_at:
                raise
            world.clock.sleep(pause)
            tries += 1


def _holds(journal: VersionedJournal, token: DerivedToken) -> bool:
    intent = journal.journal.intent
    return intent is not None and intent.token is not None and intent.token.token_id == token.token_id


def _revoke_unstaged(
    world: World, location: PathLocation, journal: Journal, token: DerivedToken, *, label: str
) -> None:
    if not is_unstaged(journal, token.token_id, label):
        return
    try:
        if world.consumers.departure(location, token.token_id) is None:
            world.exchange.revoke_token(token.token_id, profile=token.profile)
    except RotatorError:
        return  # its label is in the ledger: the next sweep that sees it revokes it
