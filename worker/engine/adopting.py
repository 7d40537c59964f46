"""Adopt: prove the secret that Vault serves and write its token to the ledger. Read-only at the exchange."""

from worker.engine.fencing import fence_path
from worker.engine.profiles import require_profile
from worker.engine.world import World
from worker.errors import AuthenticationRefusedError
from worker.journal import Journal, Owner, VerifyWindow, VersionedJournal, new_journal, take_over
from worker.models import ListedToken, Severity, TokenList
from worker.policy.facts import CredentialFacts
from worker.policy.steps import Reason, Step


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
            f"is not taken over: {error} Put a token id and the secret that belongs to it there, then: rotator adopt "
            f"{step.credential}",
            Severity.ERROR,
        )
        return
    version = _fenced_version(world, facts)
    journal_version, journal = facts.journal or VersionedJournal(
        0, new_journal(facts.credential.name, facts.credential.account, facts.location)
    )
    taken = take_over(
        journal,
        owner=Owner(facts.credential.name, facts.credential.account, facts.location),
        served=document,
        version=version,
        listed=listed,
        tokens=tokens.tokens,
        rotation_id=rotation_id,
        window=VerifyWindow(opened_at=opened_at, closed_at=world.clock.now()),
        now=world.clock.now(),
    )
    world.journals.write(facts.location, taken, cas=journal_version)
    world.recorder.done(
        step,
        f"Token {listed.token_id} ({listed.label or 'no label'}) at {facts.location} is managed as credential "
        f"{step.credential} from now on. Nothing was derived or revoked.{_if_compromised(journal, taken)}",
        evidence=_evidence(listed, version),
    )


def _fenced_version(world: World, facts: CredentialFacts) -> int:
    """Return the path's version after any promote of an open intent was made impossible."""
    path, intent = facts.path, facts.intent
    version = path.version if path else 0
    if intent is None or intent.token is None or version != intent.expected_version:
        return version
    return fence_path(world, facts.location, expected=version).version


def _if_compromised(before: Journal, taken: Journal) -> str:
    if before.emergency_at is None or taken.emergency_at is not None:
        return ""
    return (
        f" The emergency of {before.emergency_at:%Y-%m-%d %H:%M} UTC is taken for done, because services are served a "
        f"later token; should one of the older ones be alive: rotator rotate {taken.credential} --compromised"
    )


def _evidence(listed: ListedToken, version: int) -> dict[str, str]:
    return {"label": listed.label or "", "created_at": listed.created_at.isoformat(), "version": str(version)}
