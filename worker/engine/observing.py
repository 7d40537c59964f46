"""Observe: what a list teaches is written to the account ledger before anything is decided on it."""

from collections.abc import Sequence
from dataclasses import replace

from worker.account_ledger import Dangling, set_dangling
from worker.engine.profiles import list_of, require_profile
from worker.engine.world import World
from worker.errors import AuthenticationRefusedError, ConflictError, RotatorError
from worker.journal import LONGEST_OWN_CALL, note_own_call
from worker.models import Severity
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.observation import currents_of, observe, plan_probes, with_ledger
from worker.policy.steps import Reason, Result, Step


def observe_account(world: World, facts: AccountFacts) -> AccountFacts | None:
    """Return the facts with the account ledger as it is after this list; None when it could not be written."""
    # At the very moment for which the clocks were compared: this machine's may have been set since.
    ledger = observe(facts, facts.vault_read_at)
    if ledger is None or facts.state is None:
        return facts
    version, before = facts.state.versioned
    if ledger == before:
        return facts
    try:
        written = world.accounts.write(ledger, cas=version)
    except RotatorError as error:
        world.recorder.note(
            facts.account,
            "",
            Result.HELD,
            Reason.FAILED,
            f"What the list of account {facts.account} says could not be remembered; nothing is decided on it: {error}",
            severity=Severity.INFO if isinstance(error, ConflictError) else Severity.WARNING,
        )
        return None
    return with_ledger(facts, written.version, written.ledger)


def probe_account(world: World, facts: AccountFacts) -> AccountFacts:
    """Prove which current tokens that left the lists are refused; return the facts as they are after that.

    The proof: a call signed with the served secret is answered 401 with agreeing clocks, while a control call
    succeeds. The facts carry the proofs, and the journals in which our own calls were noted.
    """
    credentials = {one.credential.name: one for one in facts.credentials}
    proofs: list[Dangling] = []
    for step in plan_probes(facts, world.clock.now()):
        if world.stopping():
            world.recorder.interrupted(step)
            break
        try:
            noted = credentials[step.credential] = _note(world, credentials[step.credential])
            proof = _probe(world, noted, step)
        except RotatorError as error:
            world.recorder.failed(step, error)
            continue
        if proof is not None:
            proofs.append(proof)
    facts = replace(facts, credentials=tuple(credentials.values()))
    return _with_proofs(world, facts, proofs) if proofs else facts


def _with_proofs(world: World, facts: AccountFacts, proofs: Sequence[Dangling]) -> AccountFacts:
    if facts.state is None:
        return facts
    version, before = facts.state.versioned
    try:
        written = world.accounts.write(set_dangling(before, proofs, currents_of(facts)), cas=version)
    except RotatorError as error:
        sentence = f"The proof could not be remembered and is made anew: {error}"
        world.recorder.note(facts.account, "", Result.FAILED, Reason.DANGLING, sentence, severity=Severity.WARNING)
        return facts
    return with_ledger(facts, written.version, written.ledger)


def _note(world: World, facts: CredentialFacts) -> CredentialFacts:
    """Write our own call's window to the journal before it is made: it may move the token's `lastUsedAt`."""
    if facts.journal is None:
        return facts
    policy, now = facts.credential.policy, world.clock.now()
    noted = note_own_call(
        facts.journal.journal,
        facts.served_token_id or "",
        opened_at=now,
        closed_at=now + LONGEST_OWN_CALL,
        gap=policy.lastused_lag + policy.max_clock_skew,
    )
    return replace(facts, journal=world.journals.write(facts.location, noted, cas=facts.journal.version))


def _probe(world: World, facts: CredentialFacts, step: Step) -> Dangling | None:
    document = facts.path.document if facts.path else None
    if document is None:
        return None
    try:
        world.exchange.list_tokens_as(document.token_id, document.secret)
    except AuthenticationRefusedError:
        return _control(world, facts, step)
    # Found again at every sweep for as long as the list lacks it: routine, and no news for the event stream.
    sentence = f"{step.label} still works although no list shows it."
    world.recorder.stopped(step, Reason.CURRENT_NOT_LIVE, sentence, Severity.INFO)
    return None


def _control(world: World, facts: CredentialFacts, step: Step) -> Dangling:
    """Return the proof, once a call of the account itself has succeeded."""
    list_of(world, step.account, require_profile(world, step.account, facts.state))
    world.recorder.done(
        replace(step, reason=Reason.DANGLING),
        f"{step.label} of credential {step.credential} (account {step.account}) is refused by the exchange while other "
        f"calls succeed: services that use it are rejected. It is rotated at once, unless somebody paused it.",
        severity=Severity.ERROR,
    )
    return Dangling(credential=step.credential, token_id=step.token_id or "", proved_at=world.clock.now())
