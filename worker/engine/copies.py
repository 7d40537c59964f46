"""Copies: a signed call tells whether another credential's path holds a token of ours with its secret."""

from dataclasses import replace
from datetime import datetime, timedelta

from worker.engine.world import World
from worker.errors import AuthenticationRefusedError, RotatorError, UnusableSecretError
from worker.journal import note_elsewhere, note_own_call
from worker.policy.copies import proved, to_note, to_prove
from worker.policy.departures import first_seen, why_held
from worker.policy.facts import AccountFacts, Copy, CredentialFacts
from worker.policy.steps import Step
from worker.promoted import promoted_secret

_LONGEST_CALL = timedelta(minutes=1)


def prove_copies(world: World, facts: AccountFacts) -> AccountFacts:
    """Return the facts with what signed calls told about the copies that nothing else tells about.

    A call that fails for another reason leaves it unknown. Each one is noted in the owner's journal before it is made:
    it may move the token's `lastUsedAt`, and is nobody's use.
    """
    for copy in to_prove(facts, world.clock.now()):
        if world.stopping():
            break
        credentials = {one.credential.name: one for one in facts.credentials}
        try:
            credentials[copy.owner] = _noted(world, credentials[copy.owner], copy.token_id)
            facts = replace(facts, credentials=tuple(credentials.values()))
            works = _works(world, credentials[copy.reader], copy)
        except RotatorError:
            continue  # told as unknown
        facts = proved(facts, copy, works=works)
    return facts


def note_copies(world: World, facts: AccountFacts) -> AccountFacts:
    """Return the facts with journals that say which copies were seen now: a grace counts from there once they are gone.

    Where that cannot be written it is seen, and noted, by the next sweep.
    """
    for copy in to_note(facts, world.clock.now()):
        credentials = {one.credential.name: one for one in facts.credentials}
        owner = credentials[copy.owner]
        if owner.journal is None:
            continue
        noted = note_elsewhere(owner.journal.journal, copy.token_id, copy.reader, world.clock.now())
        try:
            written = world.journals.write(owner.location, noted, cas=owner.journal.version)
        except RotatorError:
            continue
        credentials[copy.owner] = replace(owner, journal=written)
        facts = replace(facts, credentials=tuple(credentials.values()))
    return facts


def _noted(world: World, owner: CredentialFacts, token_id: str) -> CredentialFacts:
    if owner.journal is None:
        return owner
    policy, now = owner.credential.policy, world.clock.now()
    noted = note_own_call(
        owner.journal.journal,
        token_id,
        opened_at=now,
        closed_at=now + _LONGEST_CALL,
        gap=policy.lastused_lag + policy.max_clock_skew,
    )
    return replace(owner, journal=world.journals.write(owner.location, noted, cas=owner.journal.version))


def _works(world: World, reader: CredentialFacts, copy: Copy) -> bool:
    document = reader.path.document if reader.path else None
    if document is None or document.token_id != copy.token_id:
        return False
    try:
        world.exchange.list_tokens_as(document.token_id, document.secret)
    except (AuthenticationRefusedError, UnusableSecretError):
        return False
    return True


def why_held_elsewhere(
    world: World, owner: CredentialFacts, reader: CredentialFacts, step: Step, now: datetime
) -> str | None:
    """Return why that token is not revoked now, by the versions of another credential's path; None when nothing is.

    Raises RotatorError when the versions could not be read.
    """
    token_id, policy = step.token_id or "", owner.credential.policy
    if world.consumers.find(reader.location, token_id, prefer=None) is None:
        return None
    # An id alone keeps no token alive, where its secret is known.
    secret = promoted_secret(world.consumers, owner, token_id)
    if secret is None and reader.served_token_id == token_id:
        return None  # a signed call has told whether that one works
    departure = world.consumers.departure(reader.location, token_id, secret=secret, unreadable=secret is None)
    sentence = why_held(first_seen(departure, None, now, policy.max_clock_skew), step.label or "", policy, now)
    return None if sentence is None else f"{sentence} (Path {reader.location} of credential {reader.credential.name}.)"
