"""Flag: begin and end verdicts in the account ledger, so that each is announced once."""

from collections.abc import Sequence

from worker.account_ledger import changed
from worker.engine.world import World
from worker.errors import AmbiguousError, RotatorError
from worker.policy.facts import AccountFacts
from worker.policy.late import waiting_after
from worker.policy.steps import Reason, Result, Step
from worker.policy.verdicts import flags_after


def flag_account(world: World, facts: AccountFacts, steps: Sequence[Step]) -> None:
    """Write all verdicts that begin or end at once, and announce them when that is durable.

    Which credentials could be rotated now is written with them: what waits at one sweep after the other is late.
    """
    if facts.state is None:
        return
    version, before = facts.state.versioned
    waiting = waiting_after(facts, before.waiting, world.clock.now())
    if not steps and waiting == before.waiting:
        return
    if world.stopping():
        for step in steps[:1]:
            world.recorder.interrupted(step)
        return
    flags = flags_after(before.flags, steps, world.clock.now())
    try:
        world.accounts.write(changed(before, flags=flags, waiting=waiting), cas=version)
    except AmbiguousError:
        pass  # If they landed, no later sweep tells them: twice is better than never.
    except RotatorError as error:
        sentence = f"The verdicts on account {facts.account} could not be written; they are told later: {error}"
        world.recorder.note(facts.account, "", Result.FAILED, Reason.FAILED, sentence)
        return
    for step in steps:
        world.recorder.done(step, step.sentence, severity=step.severity, evidence=step.evidence)
