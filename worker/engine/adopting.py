"""Adopt: prove the secret that Vault serves and write its token to the ledger. Read-only at the exchange."""

from collections.abc import Sequence
from dataclasses import replace

from worker.engine.fencing import fence_path
from worker.engine.profiles import require_profile
from worker.engine.world import World
from worker.errors import AuthenticationRefusedError
from worker.journal import Journal, Owner, VerifyWindow, VersionedJournal, new_journal, take_over, want_emergency
from worker.models import ListedToken, Severity, TokenList
from worker.policy.ahead import is_ahead
from worker.policy.facts import CredentialFacts
from worker.policy.steps import Action, Reason, Step

_MOST_NAMED = 10
"""Labels in one sentence."""


def adopt_credential(world: World, facts: CredentialFacts, tokens: TokenList, step: Step, *, rotation_id: str) -> None:
    """Carry the ADOPT step out, or record what refuses it.

    Args:
        world: the account's ports.
        facts: of the credential, read after the list.
        tokens: the account's list.
        step: planned on those facts.
        rotation_id: fresh; names the token in our ledger.

    Raises:
        RotatorError: it could not be done; of its kinds, ConflictError says that journal or path changed meanwhile.
    """
    path = facts.path
    document = path.document if path else None
    listed = tokens.by_id(step.token_id or "")
    if document is None or listed is None:
        raise ValueError(f"{step.credential}: adoption was planned without a served and listed token")
    require_profile(world, step.account, facts.state)
    opened_at = world.clock.now()
    try:
        world.exchange.list_tokens_as(document.token_id, document.secret)
    except AuthenticationRefusedError as error:
        world.recorder.stopped(
            step,
            Reason.SECRET_REFUSED,
            f"The secret at {facts.location} does not work, so credential {step.credential} (account {step.account}) "
            f"is not taken over: {error} Put a token id and the secret that belongs to it there, and adopt that.",
            Severity.ERROR,
        )
        return
    version = _fenced_version(world, facts)
    journal_version, journal = _journal_of(facts)
    taken = take_over(
        journal,
        owner=Owner(facts.credential.name, facts.credential.account, facts.location),
        served=document,
        version=version,
        listed=listed,
        tokens=tokens.tokens,
        rotation_id=rotation_id,
        window=VerifyWindow(opened_at=opened_at, closed_at=world.clock.now()),
        counts=is_ahead(facts),
        now=world.clock.now(),
    )
    world.journals.write(facts.location, taken, cas=journal_version)
    world.recorder.done(
        step,
        f"Token {listed.token_id} ({listed.label or 'no label'}) at {facts.location} is managed as credential "
        f"{step.credential} from now on. Nothing was derived or revoked.{_if_compromised(taken)}",
        evidence=_evidence(listed, version),
    )


def regain_compromised(
    world: World, facts: CredentialFacts, served: ListedToken, lost: Sequence[str]
) -> CredentialFacts:
    """Write in one that the served token is ours although the journal was behind, and that all is to be replaced.

    Args:
        world: the account's ports.
        facts: of the credential; they are returned with the journal as it is then.
        served: the exchange's row of that token (`worker.policy.served.look_at_served`).
        lost: labels of tokens that the journal may have lost; they are told, and left alone.

    Raises:
        RotatorError: it could not be written; ConflictError when the journal changed meanwhile.
    """
    path = facts.path
    if path is None or path.document is None:
        raise ValueError(f"{facts.credential.name}: nothing is served that could be ours")
    version, journal, now = *_journal_of(facts), world.clock.now()
    taken = take_over(
        journal,
        owner=Owner(facts.credential.name, facts.credential.account, facts.location),
        served=path.document,
        version=path.version,
        listed=served,
        tokens=(),
        rotation_id=path.document.label.rpartition("/")[2],
        window=None,
        counts=True,
        now=now,
    )
    written = world.journals.write(facts.location, want_emergency(taken, now=now), cas=version)
    if lost:
        name, account = facts.credential.name, facts.credential.account
        world.recorder.stopped(
            Step(Action.EMERGENCY, account, name, Reason.COMPROMISED, ""),
            Reason.LOOKS_OURS,
            f"The journal of credential {name} (account {account}) is older than its path. Tokens "
            f"{', '.join(lost[:_MOST_NAMED])} look like ones that it lost, and no journal knows them: this emergency "
            f"leaves them alone. If they are compromised as well, revoke them by hand at the exchange.",
            Severity.ERROR,
        )
    return replace(facts, journal=written)


def _journal_of(facts: CredentialFacts) -> VersionedJournal:
    credential = facts.credential
    return facts.journal or VersionedJournal(0, new_journal(credential.name, credential.account, facts.location))


def _fenced_version(world: World, facts: CredentialFacts) -> int:
    """Return the path's version after any promote of an open intent was made impossible."""
    path, intent = facts.path, facts.intent
    version = path.version if path else 0
    if intent is None or intent.token is None or version != intent.expected_version:
        return version
    return fence_path(world, facts.location, expected=version).version


def _if_compromised(taken: Journal) -> str:
    if taken.emergency_at is None:
        return ""
    return (
        f" The emergency of {taken.emergency_at:%Y-%m-%d %H:%M} UTC is still open: the next sweep issues a fresh token "
        f"and then revokes every other one at once, the one just taken over included."
    )


def _evidence(listed: ListedToken, version: int) -> dict[str, str]:
    return {"label": listed.label or "", "created_at": listed.created_at.isoformat(), "version": str(version)}
