"""What every act of the engine needs at hand: the ports, and a recorder for what became of each step."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from worker.errors import ConflictError, RotatorError, TransientError, WrongProfileError
from worker.models import Severity
from worker.policy.facts import AccountFacts
from worker.policy.steps import Action, Hold, Order, Outcome, Reason, Result, Step
from worker.ports import AccountLedgers, Clock, ConsumersStore, Exchange, JournalStore, OutcomeSink


class Recorder:
    """Collects the outcomes of one run and passes each one on the moment it is known."""

    def __init__(self, sink: OutcomeSink, clock: Clock, order: Order | None = None) -> None:
        """Record for a sweep, or for an order: then each outcome says who gave it and why."""
        self._sink = sink
        self._clock = clock
        self._ordered = order.evidence if order else {}
        self._outcomes: list[Outcome] = []

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What was recorded so far, in order."""
        return tuple(self._outcomes)

    def note(
        self,
        account: str,
        credential: str,
        result: Result,
        reason: Reason,
        sentence: str,
        *,
        severity: Severity = Severity.INFO,
        action: Action | None = None,
        token_id: str | None = None,
        rotation_id: str | None = None,
        evidence: dict[str, str] | None = None,
    ) -> None:
        """Record one outcome, stamped with the present."""
        outcome = Outcome(
            at=self._clock.now(),
            account=account,
            credential=credential,
            action=action,
            result=result,
            reason=reason,
            sentence=sentence,
            severity=severity,
            token_id=token_id,
            rotation_id=rotation_id,
            evidence={**self._ordered, **(evidence or {})},
        )
        self._outcomes.append(outcome)
        self._sink.record(outcome)

    def holds(self, holds: Iterable[Hold]) -> None:
        """Record what the plan holds back."""
        for hold in holds:
            self.note(
                hold.account,
                hold.credential,
                Result.HELD,
                hold.reason,
                hold.sentence,
                severity=hold.severity,
                token_id=hold.token_id,
            )

    def done(
        self, step: Step, sentence: str, *, severity: Severity = Severity.INFO, evidence: dict[str, str] | None = None
    ) -> None:
        """Record that a step was carried out."""
        self._step(step, Result.DONE, step.reason, sentence, severity, evidence)

    def stopped(self, step: Step, reason: Reason, sentence: str, severity: Severity) -> None:
        """Record that a step was not carried out, for a reason that is not an error of ours."""
        self._step(step, Result.HELD, reason, sentence, severity, None)

    def interrupted(self, step: Step) -> None:
        """Record that a step was not begun because the process was told to end."""
        sentence = f"Told to end before {step.action.value} was begun; the next run goes on from here."
        self.stopped(step, Reason.STOPPING, sentence, Severity.INFO)

    def failed(self, step: Step, error: RotatorError, *, reason: Reason = Reason.FAILED) -> None:
        """Record that a step failed. Losing a race is an ordinary outcome, a transient failure a warning."""
        if isinstance(error, ConflictError):
            self._step(step, Result.HELD, Reason.SUPERSEDED_BY_OTHER, str(error), Severity.INFO, None)
            return
        if isinstance(error, WrongProfileError):
            self._step(step, Result.HELD, Reason.OTHER_PROFILE, str(error), Severity.ERROR, None)
            return
        severity = Severity.WARNING if isinstance(error, TransientError) else Severity.ERROR
        self._step(step, Result.FAILED, reason, str(error), severity, None)

    def _step(
        self,
        step: Step,
        result: Result,
        reason: Reason,
        sentence: str,
        severity: Severity,
        evidence: dict[str, str] | None,
    ) -> None:
        self.note(
            step.account,
            step.credential,
            result,
            reason,
            sentence,
            severity=severity,
            action=step.action,
            token_id=step.token_id,
            rotation_id=step.rotation_id,
            evidence=evidence,
        )


@dataclass(frozen=True, slots=True)
class World:
    """The ports of one account's run, and the address that its services are told."""

    api_url: str
    exchange: Exchange
    consumers: ConsumersStore
    journals: JournalStore
    accounts: AccountLedgers
    clock: Clock
    recorder: Recorder
    jitter: Callable[[], float]
    """Draws from 0 to 1: which part of the longest back-off a failed attempt waits."""
    account: Callable[[], AccountFacts]
    """Reads the whole account, as a sweep does."""
    stopping: Callable[[], bool]
    """Whether the process was told to end: the step in hand is finished, no further one is begun."""
