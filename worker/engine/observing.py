"""Observe: what a list teaches is written to the account ledger before anything is decided on it."""

from collections.abc import Sequence
from datetime import timedelta

from worker.account_ledger import Dangling, set_dangling
from worker.engine.world import World
from worker.errors import AuthenticationRefusedError, RotatorError
from worker.journal import note_own_call
from worker.models import Severity
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.observation import observe, plan_probes, with_ledger
from worker.policy.steps import Reason, Result, Step

_LONGEST_PROBE = timedelta(minutes=1)


def observe_account(world: World, facts: AccountFacts) -> AccountFacts | None:
    """Return the facts with the account ledger as it is after this list; None when it could not be written."""
    ledger = observe(facts, world.clock.now())
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
            severity=Severity.WARNING,
        )
        return None
    return with_ledger(facts, written.version, written.ledger)


def probe_account(world: World, facts: AccountFacts) -> AccountFacts:
    """Prove which current tokens that left the lists are refused; return the facts with the proofs.

    The proof: a call signed with the served secret is answered 401 with agreeing clocks, while a control call
    succeeds.
    """
    by_name = {one.credential.name: one for one in facts.credentials}
    proofs = [proof for step in plan_probes(facts) for proof in _probe(world, by_name[step.credential], step)]
    if not proofs or facts.state is None:
        return facts
    currents = {one.current.token_id for one in facts.credentials if one.current and one.current.token_id}
    version, before = facts.state.versioned
    ledger = set_dangling(before, proofs, currents)
    try:
        written = world.accounts.write(ledger, cas=version)
    except RotatorError as error:
        world.recorder.note(facts.account, "", Result.FAILED, Reason.DANGLING, str(error), severity=Severity.WARNING)
        return facts
    return with_ledger(facts, written.version, written.ledger)


def _probe(world: World, facts: CredentialFacts, step: Step) -> Sequence[Dangling]:
    document = facts.path.document if facts.path else None
    if document is None or facts.journal is None:
        return ()
    now = world.clock.now()
    try:
        # Our own call may move lastUsedAt: its window is in the journal before it is made.
        noted = note_own_call(facts.journal.journal, document.token_id, opened_at=now, closed_at=now + _LONGEST_PROBE)
        world.journals.write(facts.location, noted, cas=facts.journal.version)
        world.exchange.list_tokens_as(document.token_id, document.secret)
    except AuthenticationRefusedError:
        return _control(world, step)
    except RotatorError as error:
        world.recorder.failed(step, error)
        return ()
    world.recorder.done(step, f"{step.label} still works although no list shows it.")
    return ()


def _control(world: World, step: Step) -> Sequence[Dangling]:
    try:
        world.exchange.list_tokens()
    except RotatorError as error:
        world.recorder.failed(step, error)
        return ()
    world.recorder.done(
        step,
        f"{step.label} of credential {step.credential} (account {step.account}) is refused by the exchange while other "
        f"calls succeed: services that use it are rejected. It is rotated at once.",
        severity=Severity.ERROR,
    )
    return (Dangling(credential=step.credential, token_id=step.token_id or "", proved_at=world.clock.now()),)
