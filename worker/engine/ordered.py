"""Revoke what a person ordered to end, whoever else is at work on the same journal."""

from worker.engine.profiles import list_of, require_profile
from worker.engine.revoking import revoke_credential
from worker.engine.world import World
from worker.errors import RotatorError
from worker.journal import RecordState
from worker.models import Severity
from worker.policy.facts import CredentialFacts
from worker.policy.revocation import plan_ordered, strays_of
from worker.policy.safety import hands_off
from worker.policy.steps import ORDERED, Action, Reason, Step
from worker.snapshot import Gatherer

MOST_TRIES = 4
"""Losing a race to a sweep is ordinary: the order is planned anew on what the winner left."""


def revoke_ordered(world: World, gatherer: Gatherer, name: str) -> None:
    """Revoke every token of that credential which an order has marked, and what else carries our labels."""
    for tries in range(MOST_TRIES):
        facts = gatherer.credential(name)
        steps = plan_ordered(facts)
        if tries and not steps:
            _tell_what_is_left(world, facts)
        if not revoke_credential(world, facts, steps):
            break
    try:
        account = facts.credential.account
        tokens = list_of(world, account, require_profile(world, account, facts.state))
    except RotatorError:
        return  # what else carries our labels is found by the next sweep that can list
    facts = gatherer.credential(name)
    revoke_credential(world, facts, strays_of(facts, tokens.tokens))


def _tell_what_is_left(world: World, facts: CredentialFacts) -> None:
    """Say whether somebody else revoked what this run lost to them, or whether it may still be alive."""
    name, account = facts.credential.name, facts.credential.account
    step = Step(Action.REVOKE, account, name, Reason.ORDERED, "")
    records, hold = facts.ledger.ledger if facts.ledger else (), hands_off(facts)
    left = [one for one in records if one.state is RecordState.REVOKING and one.revoking_reason in ORDERED]
    if not left and facts.unreadable is None:
        world.recorder.done(
            step, f"Another process has meanwhile revoked what was left of credential {name} (account {account})."
        )
        return
    reason = Reason.INTENT_OPEN if facts.intent is not None else hold.reason if hold is not None else Reason.ORDERED
    world.recorder.stopped(
        step,
        reason,
        f"{len(left)} tokens of credential {name} (account {account}) are marked for revocation and may still be "
        f"alive, because a sweep was faster. The next sweep revokes them. To see what becomes of them: rotator plan "
        f"{name}",
        Severity.ERROR,
    )
