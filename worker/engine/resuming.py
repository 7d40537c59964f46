"""Resume: a person has looked at a parked credential and wants it tried again."""

from worker.engine.world import World
from worker.errors import RotatorError
from worker.journal import Failures, forget_failures
from worker.models import Severity
from worker.policy.facts import CredentialFacts
from worker.policy.rotation import is_parked
from worker.policy.safety import hands_off
from worker.policy.steps import Action, Hold, Plan, Reason, Step


def plan_resume(facts: CredentialFacts, *, parked_only: bool = False) -> Plan:
    """Return a RESUME step when the credential has failures to forget, or a hold that says why that can not be now.

    Args:
        facts: of the credential.
        parked_only: leave one alone that is merely backing off.
    """
    account, name = facts.credential.account, facts.credential.name
    failures = facts.ledger.failures if facts.ledger else Failures()
    if parked_only and facts.unreadable is None and not is_parked(failures, facts.credential.policy):
        return Plan()
    hold = hands_off(facts)
    if hold is not None:
        return Plan(holds=(hold,))
    if failures.attempts == 0:
        return Plan()
    if facts.intent is not None:
        sentence = f"Rotation {facts.intent.rotation_id} of {name} is under way; resume it when that has ended."
        return Plan(holds=(Hold(account, name, Reason.INTENT_OPEN, sentence, Severity.WARNING),))
    sentence = f"The {failures.attempts} failures of {name} are forgotten; it is tried again."
    return Plan(steps=(Step(Action.RESUME, account, name, Reason.RESUMED, sentence),))


def nothing_to_resume(account: str, credential: str | None) -> Step:
    """Return the step that says so, of a credential or a whole account: asking for what is so already is no failure."""
    whose = f"Credential {credential}" if credential else f"Account {account}"
    sentence = f"{whose} is not paused and nothing of it is parked or failing: nothing to resume."
    return Step(Action.RESUME, account, credential or "", Reason.RESUMED, sentence)


def resume_credential(world: World, facts: CredentialFacts, plan: Plan) -> None:
    """Write the journal without its failures, or record why that can not be done now."""
    world.recorder.holds(plan.holds)
    for step in plan.steps:
        if facts.journal is None:
            continue
        try:
            forgotten = forget_failures(facts.journal.journal)
            world.journals.write(facts.location, forgotten, cas=facts.journal.version)
        except RotatorError as error:
            world.recorder.failed(step, error)
            continue
        world.recorder.done(step, step.sentence)
