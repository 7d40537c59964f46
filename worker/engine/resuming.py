"""Resume: a person has looked at a parked credential and wants it tried again."""

from worker.engine.world import World
from worker.errors import RotatorError
from worker.journal import forget_failures
from worker.models import Severity
from worker.policy.facts import CredentialFacts
from worker.policy.safety import hands_off
from worker.policy.steps import Action, Reason, Result, Step


def resume_credential(world: World, facts: CredentialFacts) -> None:
    """Write the journal without its failures, or record why that can not be done now."""
    account, name = facts.credential.account, facts.credential.name
    step = Step(Action.RESUME, account, name, Reason.RESUMED, f"Credential {name} is tried again.")
    hold = hands_off(facts)
    if hold is not None:
        world.recorder.holds([hold])
        return
    if facts.journal is None or facts.ledger is None or facts.ledger.failures.attempts == 0:
        world.recorder.note(
            account, name, Result.DONE, Reason.RESUMED, f"Credential {name} has no failures: nothing to resume."
        )
        return
    if facts.intent is not None:
        sentence = f"Rotation {facts.intent.rotation_id} of {name} is under way; resume it when that has ended."
        world.recorder.stopped(step, Reason.INTENT_OPEN, sentence, Severity.WARNING)
        return
    try:
        world.journals.write(facts.location, forget_failures(facts.ledger), cas=facts.journal.version)
    except RotatorError as error:
        world.recorder.failed(step, error)
        return
    world.recorder.done(
        step, f"The {facts.ledger.failures.attempts} failures of {name} are forgotten; it is tried again."
    )
