"""Act: carry out plans step by step through the ports.

`Engine` is what tasks and the command line call. Each of its methods gathers facts, plans, acts, and answers with
outcomes; a failure is an outcome, not an exception, so that one credential never stops another.
"""

import random
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta

from config.schema import ROTATION_ID_ALPHABET, ROTATION_ID_LENGTH, Settings
from worker.engine.clocks import seen_now
from worker.engine.copies import note_copies, prove_copies
from worker.engine.edits import Edits, carry_out_edits, plan_edits
from worker.engine.flagging import flag_account
from worker.engine.freshness import reading_from
from worker.engine.observing import observe_account, probe_account
from worker.engine.orders import Orders
from worker.engine.pausing import lifts, scopes_of
from worker.engine.resuming import nothing_to_resume, plan_resume, resume_credential
from worker.engine.revoking import revoke_account
from worker.engine.rotating import Rotation
from worker.engine.world import Recorder, World
from worker.errors import RotatorError
from worker.models import PathLocation, Severity
from worker.policy.deadlines import longest_run
from worker.policy.facts import CredentialFacts
from worker.policy.observation import observed
from worker.policy.plan import plan_flags, plan_revocations, plan_rotation
from worker.policy.steps import Action, Order, Outcome, Plan, Reason, Result, Step
from worker.policy.wording import span
from worker.ports import AccountLedgers, Clock, ConsumersStore, Exchange, JournalStore, Leases, OutcomeSink
from worker.snapshot import Gatherer

__all__ = ["Engine", "random_rotation_id"]

_MOST_PASSES = 4
"""Roll forward or abandon, then rotate if still due, then look once more: a run that needs more is going in circles."""


def random_rotation_id() -> str:
    """Return a fresh rotation id with 100 random bits."""
    return "".join(secrets.choice(ROTATION_ID_ALPHABET) for _ in range(ROTATION_ID_LENGTH))


class Engine:
    """Carries out what the plans say, for one credential or one account at a time."""

    def __init__(
        self,
        *,
        gatherer: Gatherer,
        settings: Settings,
        exchanges: Mapping[str, Exchange],
        consumers: ConsumersStore,
        journals: JournalStore,
        accounts: AccountLedgers,
        leases: Leases,
        outcomes: OutcomeSink,
        clock: Clock,
        new_rotation_id: Callable[[], str] = random_rotation_id,
        jitter: Callable[[], float] = random.random,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._gatherer = gatherer
        self._settings = settings
        self._exchanges = exchanges
        self._consumers = consumers
        self._journals = journals
        self._accounts = accounts
        self._leases = leases
        self._outcomes = outcomes
        self._clock = clock
        self._new_rotation_id = new_rotation_id
        self._jitter = jitter
        self._stopping = stopping

    def request_time(self, credential: str) -> datetime:
        """Return the moment of a request that is made now, on Vault's clock, which promotions are stamped with.

        It is later than the promotion of the token that is current now, whatever the clocks say: that one was not asked
        for by this request. When Vault cannot be read, or its clock is off, our own is used.

        Raises UnknownNameError when no such credential is configured.
        """
        settings = self._gatherer.settings_of(credential)
        now = self._clock.now()
        try:
            vault = self._journals.server_time()
            found = self._journals.read(PathLocation(settings.mount, settings.path))
        except RotatorError:
            return now
        if abs(vault - now) <= settings.policy.max_clock_skew:
            now = vault
        current = found.journal.current if found else None
        promoted_at = current.promoted_at if current else None
        if promoted_at is None or promoted_at < now:
            return now
        return promoted_at + timedelta(microseconds=1)

    def rotate(
        self,
        credential: str,
        *,
        requested: bool = False,
        requested_at: datetime | None = None,
        order: Order | None = None,
    ) -> tuple[Outcome, ...]:
        """Roll an open intent forward, then rotate the credential if it is due (or was asked for).

        Args:
            credential: its name.
            requested: a person asks for it now: it is rotated once even though it is not due.
            requested_at: a person asked for it then; any promotion since satisfies the request.
            order: who asked, and why.

        Returns:
            What happened, in order. Raises UnknownNameError when no such credential is configured.
        """
        if requested and requested_at is None:
            requested_at = self.request_time(credential)
        settings = self._gatherer.settings_of(credential)
        recorder = Recorder(self._outcomes, self._clock, order)
        with self._leases.hold(f"rotate:{credential}", longest_run(settings.policy)) as held:
            if not held:
                recorder.note(
                    settings.account,
                    credential,
                    Result.HELD,
                    Reason.LEASE_HELD,
                    f"Another worker is at work on credential {credential}; nothing is done here.",
                )
                return recorder.outcomes
            world = self._world(settings.account, recorder)
            for _ in range(_MOST_PASSES):
                read_at = reading_from(self._clock)
                facts = seen_now(world, self._gatherer.credential(credential))
                if requested_at is not None:
                    requested_at = self._not_from_the_future(recorder, facts, requested_at)
                plan = plan_rotation(facts, self._clock.now(), requested_at=requested_at)
                recorder.holds(plan.holds)
                if not plan.steps:
                    break
                rotation = Rotation(world, facts, self._new_rotation_id, read_at=read_at)
                done = rotation.run(plan.steps)
                # What a person asks for is not over because a sweep wrote the journal first.
                lost = requested_at is not None and rotation.lost_race
                if not lost and (not done or plan.steps[0].action is Action.MINT):
                    break
        return recorder.outcomes

    def _not_from_the_future(self, recorder: Recorder, facts: CredentialFacts, requested_at: datetime) -> datetime:
        """Return when a request was made: one that is dated ahead is made now."""
        credential, ahead = facts.credential, requested_at - self._clock.now()
        if ahead <= credential.policy.max_clock_skew:
            return requested_at
        recorder.note(
            credential.account,
            credential.name,
            Result.DONE,
            Reason.FROM_THE_FUTURE,
            f"A request to rotate credential {credential.name} (account {credential.account}) is dated {span(ahead)} "
            f"ahead; it counts as made now. Correct the clock that is off.",
            severity=Severity.WARNING,
        )
        return self.request_time(credential.name)

    def resume(self, name: str, *, order: Order | None = None) -> tuple[Outcome, ...]:
        """Lift pauses and forget failures of a credential, of an account's parked ones, or of all.

        Raises UnknownNameError when nothing (or more than one thing) has that name.
        """
        recorder = Recorder(self._outcomes, self._clock, order)
        failed = carry_out_edits(self._accounts, lifts(self._settings, name), recorder, self._clock)
        for facts, plan in self._resumptions(name, without=failed):
            resume_credential(self._world(facts.credential.account, recorder), facts, plan)
        if not recorder.outcomes:
            for step in self._nothing_to_resume(name):
                recorder.done(step, step.sentence)
        return recorder.outcomes

    def ordered_by(self, order: Order) -> Orders:
        """Return what a person can have done to a credential; each outcome says who ordered it, and why."""
        recorder = Recorder(self._outcomes, self._clock, order)
        return Orders(
            gatherer=self._gatherer,
            world_of=lambda account: self._world(account, recorder),
            clock=self._clock,
            new_rotation_id=self._new_rotation_id,
        )

    def plan_resume(self, name: str) -> Plan:
        """Return what `resume` would do; raises as it does."""
        lifted = self.plan_edits(lifts(self._settings, name))
        failed = {hold.account for hold in lifted.holds if hold.reason is Reason.UNREADABLE}
        plans = [lifted, *(plan for _, plan in self._resumptions(name, without=failed))]
        steps, holds = tuple(s for one in plans for s in one.steps), tuple(h for one in plans for h in one.holds)
        return Plan(steps if steps or holds else self._nothing_to_resume(name), holds)

    def _nothing_to_resume(self, name: str) -> tuple[Step, ...]:
        return tuple(nothing_to_resume(one.account, one.credential) for one in scopes_of(self._settings, name))

    def _resumptions(self, name: str, *, without: Collection[str]) -> Iterator[tuple[CredentialFacts, Plan]]:
        # Where Vault does not answer for the account it is not asked, and waited for, once more for each credential.
        for scope in (one for one in scopes_of(self._settings, name) if one.account not in without):
            of_account = (one.name for one in self._settings.credentials_of(scope.account))
            for credential in (scope.credential,) if scope.credential else of_account:
                facts = self._gatherer.credential(credential)
                yield facts, plan_resume(facts, parked_only=scope.credential is None)

    def edit(self, edits: Edits, order: Order) -> tuple[Outcome, ...]:
        """Write a person's order (`worker.engine.pausing`) to the account ledgers; never raises RotatorError."""
        recorder = Recorder(self._outcomes, self._clock, order)
        carry_out_edits(self._accounts, edits, recorder, self._clock)
        return recorder.outcomes

    def plan_edits(self, edits: Edits) -> Plan:
        """Return what `edit` would do."""
        return plan_edits(self._accounts, edits, self._clock.now())

    def revoke(self, account: str) -> tuple[Outcome, ...]:
        """Revoke what the account's plan says, orphans first; raises UnknownNameError for an unknown account."""
        recorder = Recorder(self._outcomes, self._clock)
        with self._leases.hold(f"revoke:{account}", self._account_lease()) as held:
            if not held:
                return recorder.outcomes
            world = self._world(account, recorder)
            facts = observe_account(world, self._gatherer.account(account))
            if facts is None:
                return recorder.outcomes
            facts = note_copies(world, prove_copies(world, probe_account(world, facts)))
            # By the very reading that was compared with the other clocks: this machine's may have been set since.
            plan = plan_revocations(facts, facts.vault_read_at)
            recorder.holds(plan.holds)
            revoke_account(world, facts, plan.steps)
        return recorder.outcomes

    def flag(self, account: str) -> tuple[Outcome, ...]:
        """Begin and end the verdicts of an account; raises UnknownNameError for an unknown account."""
        recorder = Recorder(self._outcomes, self._clock)
        facts = observed(self._gatherer.account(account), self._clock.now())
        plan = plan_flags(facts, self._clock.now())
        if facts.tokens is None:
            sentence = f"Whether tokens of account {account} are used cannot be judged: {facts.list_error}"
            reason = Reason.OTHER_PROFILE if facts.other_profile else Reason.UNREADABLE
            recorder.note(account, "", Result.HELD, reason, sentence, severity=Severity.WARNING)
        recorder.holds(plan.holds)
        flag_account(self._world(account, recorder), facts, plan.steps)
        return recorder.outcomes

    def _account_lease(self) -> timedelta:
        return self._settings.schedule.revoke_every

    def _world(self, account: str, recorder: Recorder) -> World:
        return World(
            api_url=self._settings.account(account).api_url,
            exchange=self._exchanges[account],
            consumers=self._consumers,
            journals=self._journals,
            accounts=self._accounts,
            clock=self._clock,
            recorder=recorder,
            jitter=self._jitter,
            account=lambda: self._gatherer.account(account),
            stopping=self._stopping,
        )
