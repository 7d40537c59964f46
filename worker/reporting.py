"""Tell people what happened: every outcome to the log, what matters to the event stream and to Sentry."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Literal, Protocol

import sentry_sdk
import structlog

from config.sentry import CONTEXT_NAME
from worker.models import Severity
from worker.policy.steps import Action, Outcome, Reason, Result
from worker.policy.verdict import ANNOUNCED
from worker.ports import Clock

REMIND_AFTER = timedelta(hours=1)
"""What is found again at every sweep (a hold, a failure) is told to Sentry and the event stream this often."""

_ACT = 3
"""How many parts of a key in `_told` name the act: account, credential, action."""

_log = structlog.get_logger(__name__)
_HANDS_OFF = frozenset({Reason.UNREADABLE})
"""Told holds in front of every other decision about a credential: any decision shows that they are over."""
_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, None: logging.INFO}


class EventSink(Protocol):
    """Where events go; never raises."""

    def append(self, outcome: Outcome) -> None:
        """Take note of one outcome."""
        ...


class Reporter:
    """`worker.ports.OutcomeSink`: log line, event, alert.

    Args:
        events: the event stream, or None when there is none.
        clock: measures when a lasting hold or failure is told again.
        remind_after: how often that is.
    """

    def __init__(self, *, events: EventSink | None, clock: Clock, remind_after: timedelta = REMIND_AFTER) -> None:
        self._events = events
        self._clock = clock
        self._remind_after = remind_after.total_seconds()
        self._lock = threading.Lock()
        self._told: dict[tuple[str, ...], float] = {}

    def record(self, outcome: Outcome) -> None:
        """Write the log line, and pass on what is not mere routine. Never raises."""
        self._safely(_write_line, outcome)
        self._note_what_is_over(outcome)
        if _is_routine(outcome) or not self._is_news(outcome):
            return
        if self._events is not None:
            self._safely(self._events.append, outcome)
        if alert_level(outcome) is not None:
            self._safely(_alert, outcome)

    def _note_what_is_over(self, outcome: Outcome) -> None:
        if not outcome.credential or outcome.reason in _HANDS_OFF or outcome.reason is Reason.LEASE_HELD:
            return
        if outcome.result is Result.FAILED:
            return  # a step that fails was decided on earlier, maybe before the hold began
        over = {fingerprint(replace(outcome, reason=reason)) for reason in _HANDS_OFF}
        with self._lock:
            self._told = {one: at for one, at in self._told.items() if one[_ACT:] not in over}

    def _is_news(self, outcome: Outcome) -> bool:
        """Whether this is something that was done, or a hold or failure that was not told lately.

        A step that is done ends its failures: the next one is news again.
        """
        act, now = (outcome.account, outcome.credential, outcome.action or ""), self._clock.monotonic()
        key = (*act, *fingerprint(outcome))
        with self._lock:
            if outcome.result is Result.DONE:
                self._told = {one: at for one, at in self._told.items() if one[:_ACT] != act}
                return True
            told = self._told.get(key)
            if told is not None and now - told < self._remind_after:
                return False
            self._told = {one: at for one, at in self._told.items() if now - at < self._remind_after}
            self._told[key] = now
        return True

    @staticmethod
    def _safely(tell: Callable[[Outcome], None], outcome: Outcome) -> None:
        try:
            tell(outcome)
        except Exception as error:  # noqa: BLE001 - a broken log or alert must never stop a rotation half way
            logging.getLogger(__name__).warning("An outcome could not be reported (%s).", type(error).__name__)


def alert_level(outcome: Outcome) -> Literal["error", "warning"] | None:
    """Return Sentry's level for it ("error", "warning"), or None when nobody needs to be told."""
    match outcome.severity:
        case Severity.ERROR:
            return "error"
        case Severity.WARNING:
            return "warning"
        case Severity.INFO:
            return "error" if outcome.result is Result.FAILED else None


def fingerprint(outcome: Outcome) -> tuple[str, ...]:
    """Return what makes two outcomes the same problem: credential and reason, and the token for a verdict."""
    if outcome.action in {Action.FLAG, Action.UNFLAG}:
        return ("rotator", "verdict", outcome.reason, outcome.account, outcome.credential, outcome.token_id or "")
    return ("rotator", outcome.reason, outcome.account, outcome.credential)


def _is_routine(outcome: Outcome) -> bool:
    """Whether nobody needs to be told: an ordinary wait, or one that a verdict tells once for as long as it lasts."""
    return outcome.result is Result.HELD and (outcome.severity is Severity.INFO or outcome.reason in ANNOUNCED)


def _write_line(outcome: Outcome) -> None:
    _log.log(
        logging.DEBUG if _is_routine(outcome) else _LEVELS[alert_level(outcome)],
        "outcome",
        account=outcome.account,
        credential=outcome.credential,
        rotation_id=outcome.rotation_id,
        action=outcome.action.value if outcome.action else None,
        result=outcome.result.value,
        reason=outcome.reason.value,
        sentence=outcome.sentence,
        token_id=outcome.token_id,
        **{f"evidence_{key}": value for key, value in outcome.evidence.items()},
    )


def _alert(outcome: Outcome) -> None:
    with sentry_sdk.new_scope() as scope:
        scope.fingerprint = list(fingerprint(outcome))
        scope.set_tag("account", outcome.account)
        scope.set_tag("credential", outcome.credential)
        scope.set_tag("reason", outcome.reason.value)
        if outcome.rotation_id:
            scope.set_tag("rotation_id", outcome.rotation_id)
        if outcome.token_id:
            scope.set_tag("token_id", outcome.token_id)
        if outcome.evidence:
            scope.set_context(CONTEXT_NAME, dict(outcome.evidence))
        scope.capture_message(outcome.sentence, level=alert_level(outcome))
