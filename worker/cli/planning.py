"""Gather and plan for commands that look and touch nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.errors import UnknownNameError
from worker.policy.facts import AccountFacts
from worker.policy.late import late_hold
from worker.policy.observation import observed
from worker.policy.plan import plan_flags, plan_revocations, plan_rotation
from worker.policy.steps import Hold, Plan, Step
from worker.wiring import Container


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was found and what would happen now."""

    at: datetime
    facts: tuple[AccountFacts, ...]
    plans: tuple[Plan, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step of every plan, in order."""
        return tuple(step for plan in self.plans for step in plan.steps)

    @property
    def holds(self) -> tuple[Hold, ...]:
        """Every hold of every plan, each once (several plans can hold back for the same reason)."""
        return tuple(dict.fromkeys(hold for plan in self.plans for hold in plan.holds))

    def about(self, names: Sequence[str]) -> "Outlook":
        """Return only what concerns those credentials, and their accounts as a whole; everything for no names."""
        if not names:
            return self
        accounts = {one.account for one in self.facts}
        return Outlook(self.at, self.facts, tuple(_only(plan, set(names), accounts) for plan in self.plans))


def look(container: Container, names: Sequence[str] = ()) -> Outlook:
    """Return what the worker would do now for those credentials (for all, when none are named).

    Raises UnknownNameError when no such credential is configured. What cannot be read becomes a hold.
    """
    settings = container.settings
    known = [one.name for one in settings.credentials]
    for name in names:
        if name not in known:
            raise UnknownNameError(f"No credential is named {name}. Configured: {', '.join(sorted(known)) or 'none'}.")
    wanted = {settings.credential(name).account for name in names}
    accounts = [one.name for one in settings.accounts if not names or one.name in wanted]
    gathered = tuple(container.gatherer.account(name) for name in accounts)
    now = container.clock.now()
    facts = tuple(observed(one, now) for one in gathered)
    return Outlook(now, facts, tuple(_plans(facts, now))).about(names)


def _plans(facts: Iterable[AccountFacts], now: datetime) -> Iterable[Plan]:
    for account in facts:
        yield from (plan_rotation(one, now) for one in account.credentials)
        yield plan_revocations(account, now)
        yield plan_flags(account, now)
        # Whoever looks is told even when no worker has flagged it, because none runs.
        late = (late_hold(one, account.late_after, now) for one in account.credentials)
        yield Plan(holds=tuple(one for one in late if one is not None))


def _only(plan: Plan, names: set[str], accounts: set[str]) -> Plan:
    return Plan(
        steps=tuple(step for step in plan.steps if step.credential in names),
        holds=tuple(
            hold
            for hold in plan.holds
            if hold.credential in names or (not hold.credential and hold.account in accounts)
        ),
    )
