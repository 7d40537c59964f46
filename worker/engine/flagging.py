"""Flag: begin and end stale verdicts in the journal, so that each is announced once."""

from collections.abc import Sequence

from worker.engine.world import World
from worker.errors import RotatorError
from worker.journal import set_stale_flag
from worker.models import Severity
from worker.policy.facts import AccountFacts
from worker.policy.steps import Action, Step
from worker.policy.usage import new_flag


def flag_account(world: World, facts: AccountFacts, steps: Sequence[Step]) -> None:
    """Carry out FLAG and UNFLAG steps; one credential's failure does not stop another's."""
    journals = {one.credential.name: one for one in facts.credentials}
    for step in steps:
        one = journals[step.credential]
        if one.journal is None:
            continue
        if world.stopping():
            world.recorder.interrupted(step)
            return
        try:
            changed = set_stale_flag(one.journal.journal, new_flag(step, world.clock.now()))
            world.journals.write(one.location, changed, cas=one.journal.version)
        except RotatorError as error:
            world.recorder.failed(step, error)
            continue
        last = step.last_used_by_others
        world.recorder.done(
            step,
            step.sentence,
            severity=Severity.WARNING if step.action is Action.FLAG else Severity.INFO,
            evidence={"last_used_by_others": last.isoformat() if last else "never"},
        )
