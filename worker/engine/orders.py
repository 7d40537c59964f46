"""Orders: what a person has done to one credential. Each is a journal entry first, and rolled forward by any sweep."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Protocol

from worker.engine.adopting import adopt_credential, regain_compromised
from worker.engine.fencing import fence_path
from worker.engine.ordered import MOST_TRIES, revoke_ordered
from worker.engine.rotating import Rotation
from worker.engine.world import World
from worker.errors import ConflictError, RotatorError
from worker.journal import (
    Journal,
    VersionedJournal,
    open_rollback,
    order_revocations,
    retire,
    want_emergency,
)
from worker.models import Severity
from worker.policy.adoption import plan_adopt
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.observation import observed
from worker.policy.orders import (
    after_retire,
    after_revoke_all,
    is_replaced,
    known_tokens,
    plan_compromised,
    plan_retire,
    plan_revoke_all,
    plan_rollback,
)
from worker.policy.rotation import ROTATION
from worker.policy.safety import hands_off
from worker.policy.served import UNKNOWN, Served, look_at_served, may_be_looked_at
from worker.policy.steps import Action, Outcome, Plan, Reason, Step
from worker.ports import Clock
from worker.snapshot import Gatherer

_RETIRED = (
    "Credential {name} is retired: it is never rotated again. {path} Once nothing of it is left, take it out of the "
    "configuration and restart workers and beats."
)


class _Change(Protocol):
    def __call__(self, journal: Journal, *, now: datetime) -> Journal: ...


class Orders:
    """What a person can order, each as a plan (which touches nothing) and as an act.

    Every method raises UnknownNameError when no such credential is configured; all else that goes wrong is an outcome.
    """

    def __init__(
        self,
        *,
        gatherer: Gatherer,
        world_of: Callable[[str], World],
        clock: Clock,
        new_rotation_id: Callable[[], str],
    ) -> None:
        self._gatherer = gatherer
        self._world_of = world_of
        self._clock = clock
        self._new_rotation_id = new_rotation_id

    def plan_adopt(self, name: str, *, token_id: str | None = None, reclaim: bool = False) -> Plan:
        """Return what adopting would do."""
        account, elsewhere = self._accounts(name)
        return plan_adopt(account, name, elsewhere=elsewhere, token_id=token_id, reclaim=reclaim)

    def adopt(self, name: str, *, token_id: str | None = None, reclaim: bool = False) -> tuple[Outcome, ...]:
        """Take over what Vault serves; see `worker.policy.adoption`."""

        def act(world: World) -> None:
            account, elsewhere = self._accounts(name)
            plan = plan_adopt(account, name, elsewhere=elsewhere, token_id=token_id, reclaim=reclaim)
            world.recorder.holds(plan.holds)
            facts = next(one for one in account.credentials if one.credential.name == name)
            for step in plan.steps:
                if account.tokens is not None:
                    adopt_credential(world, facts, account.tokens, step, rotation_id=self._new_rotation_id())

        return self._carry_out(name, Action.ADOPT, Reason.RECLAIMED if reclaim else Reason.ADOPTED, act)

    def _accounts(self, name: str) -> tuple[AccountFacts, tuple[CredentialFacts, ...]]:
        """Return the credential's account as a sweep would judge it now, and the credentials of all others."""
        account = self._gatherer.settings_of(name).account
        return observed(self._gatherer.account(account), self._clock.now()), self._gatherer.elsewhere(account)

    def plan_emergency(self, name: str) -> Plan:
        """Return what an emergency would do."""
        return plan_compromised(*self._compromised(name))

    def _compromised(self, name: str) -> tuple[CredentialFacts, Served]:
        """Return the credential's facts, and whose the token is that its path serves where the journal does not say."""
        facts = self._gatherer.credential(name)
        if not may_be_looked_at(facts):
            return facts, UNKNOWN  # an emergency waits for no list
        account = observed(self._gatherer.account(facts.credential.account), self._clock.now())
        facts = next(one for one in account.credentials if one.credential.name == name)
        return facts, look_at_served(account, name)

    def emergency(self, name: str) -> tuple[Outcome, ...]:
        """Mint, verify and promote a fresh token, then revoke every other one of ours at once."""
        compromised: frozenset[str] | None = None

        def act(world: World) -> None:
            nonlocal compromised
            facts, served = self._compromised(name)
            if compromised is not None and is_replaced(facts.ledger, compromised):
                sentence = f"Another process has replaced every token of credential {name} since it was ordered here."
                step = Step(Action.EMERGENCY, facts.credential.account, name, Reason.COMPROMISED, "")
                world.recorder.done(step, sentence)
                revoke_ordered(world, self._gatherer, name)
                return
            compromised = compromised if compromised is not None else known_tokens(facts.ledger)
            plan = plan_compromised(facts, served)
            world.recorder.holds(plan.holds)
            if not plan.steps:
                return
            if plan.steps[0].action is Action.CLOSE:
                self._close(world, facts, plan.steps[0])
                act(world)  # what was read before is past: whoever acted meanwhile counts
                return
            facts = self._fence(world, facts)
            if served.ours is not None:
                facts = regain_compromised(world, facts, served.ours, served.lost)
            else:
                above = facts.path.document.sequence if served.is_nobodys and facts.path and facts.path.document else 0
                facts = self._written(world, facts, partial(want_emergency, above=above))
            mint = [step for step in plan.steps if step.action in ROTATION and step.reason is Reason.COMPROMISED]
            if Rotation(world, facts, self._new_rotation_id).run(mint):
                revoke_ordered(world, self._gatherer, name)
            else:
                self._offer_to_revoke(world, name)

        return self._carry_out(name, Action.EMERGENCY, Reason.COMPROMISED, act)

    def _offer_to_revoke(self, world: World, name: str) -> None:
        facts = self._gatherer.credential(name)
        step = Step(Action.EMERGENCY, facts.credential.account, name, Reason.COMPROMISED, "")
        if facts.ledger is not None and facts.ledger.emergency_at is None:
            world.recorder.done(step, f"Another process has finished the emergency of credential {name} meanwhile.")
            revoke_ordered(world, self._gatherer, name)
            return
        again = (
            "sweeps go on trying" if hands_off(facts) is None else "sweeps do not touch that path, so order it again"
        )
        world.recorder.stopped(
            step,
            Reason.COMPROMISED,
            f"No new token of credential {name} could be put in place, so the old ones are still alive; {again}. "
            f"To cut all of them off without a replacement: rotator revoke {name} --all",
            Severity.ERROR,
        )

    def plan_revoke_all(self, name: str) -> Plan:
        """Return what revoking everything would do."""
        return plan_revoke_all(self._gatherer.credential(name))

    def revoke_all(self, name: str) -> tuple[Outcome, ...]:
        """Mark every token of ours in one write, the served one included, and revoke them."""

        def mark(journal: Journal, *, now: datetime) -> Journal:
            return order_revocations(journal, reason=Reason.ORDERED.value, now=now)

        def act(world: World) -> None:
            facts = self._gatherer.credential(name)
            plan = plan_revoke_all(facts)
            world.recorder.holds(plan.holds)
            for step in _only(plan, Action.REVOKE_ALL):
                self._written(world, self._fence(world, facts), mark)
                world.recorder.done(
                    step,
                    f"Every token of credential {name} is marked for revocation. {after_revoke_all(facts)}",
                    severity=Severity.WARNING,
                )
                revoke_ordered(world, self._gatherer, name)

        return self._carry_out(name, Action.REVOKE_ALL, Reason.ORDERED, act)

    def plan_retire(self, name: str) -> Plan:
        """Return what retiring would do."""
        return plan_retire(self._gatherer.credential(name))

    def retire(self, name: str) -> tuple[Outcome, ...]:
        """End a credential's life: tokens revoked, its path emptied, secrets destroyed, the ledger kept."""

        def act(world: World) -> None:
            facts = self._gatherer.credential(name)
            plan = plan_retire(facts)
            for hold in plan.holds:
                if hold.reason is Reason.RETIRED:  # as it was asked for
                    done = Step(Action.RETIRE, hold.account, name, Reason.RETIRED, hold.sentence)
                    world.recorder.done(done, hold.sentence)
                else:
                    world.recorder.holds([hold])
            for step in _only(plan, Action.RETIRE):
                self._written(world, self._fence(world, facts), retire)
                world.recorder.done(step, _RETIRED.format(name=name, path=after_retire(facts)))
                revoke_ordered(world, self._gatherer, name)

        return self._carry_out(name, Action.RETIRE, Reason.RETIRED, act)

    def plan_rollback(self, name: str) -> Plan:
        """Return what rolling back would do."""
        return plan_rollback(self._gatherer.credential(name), self._clock.now())

    def rollback(self, name: str) -> tuple[Outcome, ...]:
        """Serve the predecessor again while it lives; the present token is revoked after a grace of its own."""

        def act(world: World) -> None:
            facts = self._gatherer.credential(name)
            plan = plan_rollback(facts, world.clock.now())
            world.recorder.holds(plan.holds)
            for step in _only(plan, Action.ROLLBACK):
                staged = self._stage_predecessor(world, facts, step)
                if staged is not None:
                    rest = [one for one in plan.steps if one.action is not Action.ROLLBACK]
                    # On the very version written: a sweep may roll it forward meanwhile, and then this run must stop.
                    rotation = Rotation(world, replace(facts, journal=staged), self._new_rotation_id)
                    if not rotation.run(rest) and rotation.lost_race:
                        self._tell_rolled_back(world, name, step)

        return self._carry_out(name, Action.ROLLBACK, Reason.ROLLED_BACK, act)

    def _tell_rolled_back(self, world: World, name: str, step: Step) -> None:
        current = self._gatherer.credential(name).current
        if current is not None and current.token_id == step.token_id:
            world.recorder.done(step, f"Another process has put {step.label} in place meanwhile.")

    def _stage_predecessor(self, world: World, facts: CredentialFacts, step: Step) -> VersionedJournal | None:
        record = facts.ledger.record_of(step.token_id or "") if facts.ledger else None
        prefer = record.promoted_version if record else None
        found = world.consumers.find(facts.location, step.token_id or "", prefer=prefer)
        if found is None or record is None or facts.journal is None:
            sentence = f"No version of {facts.location} holds the secret of {step.label} any more; it cannot be served."
            world.recorder.stopped(step, Reason.NO_PREDECESSOR, sentence, Severity.WARNING)
            return None
        opened = open_rollback(
            facts.journal.journal,
            record,
            found.document,
            rotation_id=self._new_rotation_id(),
            now=world.clock.now(),
            expected_version=facts.path.version if facts.path else 0,
        )
        staged = world.journals.write(facts.location, opened, cas=facts.journal.version)
        world.recorder.done(step, f"The secret of {step.label} is staged in the journal, to be served again.")
        return staged

    def _carry_out(
        self, name: str, action: Action, reason: Reason, act: Callable[[World], None]
    ) -> tuple[Outcome, ...]:
        account = self._gatherer.settings_of(name).account
        world = self._world_of(account)
        step = Step(action, account, name, reason, "")
        for left in reversed(range(MOST_TRIES)):
            try:
                act(world)
                break
            except ConflictError as error:
                if not left:
                    world.recorder.failed(step, error)
            except RotatorError as error:
                world.recorder.failed(step, error)
                break
        return world.recorder.outcomes

    def _written(self, world: World, facts: CredentialFacts, change: _Change) -> CredentialFacts:
        if facts.journal is None:
            return facts
        changed = change(facts.journal.journal, now=world.clock.now())
        return replace(facts, journal=world.journals.write(facts.location, changed, cas=facts.journal.version))

    def _close(self, world: World, facts: CredentialFacts, step: Step) -> None:
        if not Rotation(world, facts, self._new_rotation_id).run([step]):
            raise ConflictError(f"The open rotation of {step.credential} could not be closed first.")

    def _fence(self, world: World, facts: CredentialFacts) -> CredentialFacts:
        """Make the promote of an open intent impossible, and return the facts as they are after that.

        The intent itself is given up by the journal write of the order that follows.
        """
        intent, path = facts.intent, facts.path
        if intent is None or intent.token is None or path is None or path.version != intent.expected_version:
            return facts
        # Not read again: whatever another hand writes from here on must make the promote that follows fail.
        return replace(facts, path=fence_path(world, facts.location, expected=intent.expected_version))


def _only(plan: Plan, action: Action) -> tuple[Step, ...]:
    return tuple(step for step in plan.steps if step.action is action)
