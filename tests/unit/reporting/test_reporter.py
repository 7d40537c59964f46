"""Who is told what: the log everything, the event stream and Sentry what matters."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sentry_sdk
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport
from structlog.testing import LogCapture

from config.schema import Infrastructure
from config.sentry import init_sentry
from tests.build import NOON
from tests.fakes.clock import FakeClock
from worker.models import Severity
from worker.policy.steps import Action, Outcome, Reason, Result
from worker.policy.verdict import ANNOUNCED
from worker.reporting import REMIND_AFTER, Reporter, alert_level, fingerprint

DONE = Outcome(
    at=NOON,
    account="main",
    credential="mm",
    action=Action.PROMOTE,
    result=Result.DONE,
    reason=Reason.PERIOD_REACHED,
    sentence="mm was promoted.",
    token_id="t1",
    rotation_id="r1",
    evidence={"version": "7"},
)
FAILED = replace(DONE, result=Result.FAILED, reason=Reason.FAILED, severity=Severity.ERROR, sentence="Vault is sealed.")
NOT_DUE = replace(DONE, action=None, result=Result.HELD, reason=Reason.NOT_DUE, token_id=None, rotation_id=None)
UNREADABLE = replace(NOT_DUE, reason=Reason.UNREADABLE, severity=Severity.ERROR, sentence="Its journal is damaged.")
STALE = replace(DONE, action=Action.FLAG, reason=Reason.STALE, severity=Severity.WARNING, sentence="Nobody uses it.")


INFRASTRUCTURE = Infrastructure(
    redis_url=SecretStr("redis://127.0.0.1"),
    vault_addr="http://127.0.0.1:8200",
    sentry_dsn=SecretStr("http://key@127.0.0.1:1/1"),
)
ALERTS = [replace(UNREADABLE, reason=reason) for reason in Reason if reason not in ANNOUNCED]
VERDICTS = [replace(STALE, reason=reason) for reason in Reason]


class Events:
    def __init__(self) -> None:
        self.seen: list[Outcome] = []

    def append(self, outcome: Outcome) -> None:
        self.seen.append(outcome)


class BrokenEvents:
    def append(self, outcome: Outcome) -> None:
        raise RuntimeError("a mistake of ours")


class Sink(Transport):
    """Keeps the events that would be sent to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            self.events.append(dict(event))


@pytest.fixture
def sentry() -> Iterator[Sink]:
    # As a worker starts it, so that what arrives is what operators get.
    sink = Sink()
    init_sentry(INFRASTRUCTURE, "1.2.3", sink)
    yield sink
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


@pytest.fixture
def log() -> Iterator[LogCapture]:
    capture = LogCapture()
    old = structlog.get_config()
    structlog.configure(processors=[capture], wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    yield capture
    structlog.configure(**old)


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def reporter(events: Events, clock: FakeClock) -> Reporter:
    return Reporter(events=events, clock=clock)


def test_what_was_done_is_an_event(reporter: Reporter, events: Events) -> None:
    reporter.record(DONE)
    assert events.seen == [DONE]


def test_routine_holds_are_no_events(reporter: Reporter, events: Events) -> None:
    reporter.record(NOT_DUE)
    assert events.seen == []


def test_routine_holds_are_logged_at_debug_level_only(reporter: Reporter, log: LogCapture) -> None:
    reporter.record(NOT_DUE)
    assert [entry["log_level"] for entry in log.entries] == ["debug"]


def test_a_log_line_carries_all_names(reporter: Reporter, log: LogCapture) -> None:
    reporter.record(DONE)
    line = log.entries[0]
    assert (line["account"], line["credential"], line["rotation_id"], line["token_id"]) == ("main", "mm", "r1", "t1")


def test_failures_are_logged_as_errors(reporter: Reporter, log: LogCapture) -> None:
    reporter.record(FAILED)
    assert [entry["log_level"] for entry in log.entries] == ["error"]


def test_what_was_done_alerts_nobody(reporter: Reporter, sentry: Sink) -> None:
    reporter.record(DONE)
    assert sentry.events == []


def test_a_failure_alerts_with_account_credential_and_rotation_id_as_tags(reporter: Reporter, sentry: Sink) -> None:
    reporter.record(FAILED)
    (event,) = sentry.events
    tags = {key: event["tags"][key] for key in ("account", "credential", "rotation_id")}
    assert tags == {"account": "main", "credential": "mm", "rotation_id": "r1"}


def test_a_failure_is_an_error(reporter: Reporter, sentry: Sink) -> None:
    reporter.record(FAILED)
    assert [event["level"] for event in sentry.events] == ["error"]


def test_a_stale_token_is_a_warning(reporter: Reporter, sentry: Sink) -> None:
    reporter.record(STALE)
    assert [event["level"] for event in sentry.events] == ["warning"]


def test_stale_tokens_are_grouped_per_token() -> None:
    assert fingerprint(STALE) == fingerprint(replace(STALE, at=NOON + timedelta(days=1), sentence="Still nobody."))
    assert fingerprint(STALE) != fingerprint(replace(STALE, token_id="t2"))


def test_holds_are_grouped_per_credential_and_reason() -> None:
    assert fingerprint(UNREADABLE) == fingerprint(replace(UNREADABLE, sentence="It says version 9 now."))
    assert fingerprint(UNREADABLE) != fingerprint(replace(UNREADABLE, credential="other"))
    assert fingerprint(UNREADABLE) != fingerprint(replace(UNREADABLE, reason=Reason.MOVED))


def test_a_lasting_hold_alerts_once(reporter: Reporter, sentry: Sink, events: Events, clock: FakeClock) -> None:
    for _ in range(10):
        reporter.record(UNREADABLE)
        clock.advance(timedelta(minutes=1))
    assert (len(sentry.events), len(events.seen)) == (1, 1)


@pytest.mark.parametrize("reason", sorted(ANNOUNCED))
def test_a_hold_that_a_verdict_tells_once_alerts_nobody(
    reporter: Reporter, sentry: Sink, events: Events, reason: Reason
) -> None:
    reporter.record(replace(UNREADABLE, reason=reason))
    assert (sentry.events, events.seen) == ([], [])


def test_a_verdict_is_told_with_its_evidence(reporter: Reporter, events: Events) -> None:
    reporter.record(replace(STALE, evidence={"rule": "stale_after"}))
    assert [one.evidence for one in events.seen] == [{"rule": "stale_after"}]


@pytest.mark.parametrize("told", [*ALERTS, FAILED, *VERDICTS], ids=lambda one: f"{one.result}-{one.reason}")
def test_every_kind_of_alert_reaches_operators_with_its_facts(reporter: Reporter, sentry: Sink, told: Outcome) -> None:
    reporter.record(replace(told, evidence={"limit": "14d", "version": "7"}))
    (event,) = sentry.events
    assert event["contexts"]["rotator"] == {"limit": "14d", "version": "7"}


def test_a_lasting_hold_is_told_again_later(reporter: Reporter, sentry: Sink, clock: FakeClock) -> None:
    reporter.record(UNREADABLE)
    clock.advance(REMIND_AFTER)
    reporter.record(UNREADABLE)
    assert len(sentry.events) == 2


@pytest.mark.parametrize(
    "told", [2, 1], ids=["a decision shows that it was over", "another worker's lease shows nothing"]
)
def test_a_hold_that_ended_and_begins_again_is_news(reporter: Reporter, sentry: Sink, told: int) -> None:
    between = NOT_DUE if told > 1 else replace(NOT_DUE, reason=Reason.LEASE_HELD)
    for outcome in (UNREADABLE, between, UNREADABLE):
        reporter.record(outcome)
    assert len(sentry.events) == told


def test_a_step_that_fails_ends_no_hold_for_it_may_have_been_decided_on_before(
    reporter: Reporter, sentry: Sink
) -> None:
    for outcome in (UNREADABLE, FAILED, UNREADABLE):
        reporter.record(outcome)
    assert [event["tags"]["reason"] for event in sentry.events] == ["unreadable", "failed"]


def test_a_decision_about_one_credential_ends_no_hold_of_another(reporter: Reporter, sentry: Sink) -> None:
    for outcome in (UNREADABLE, replace(NOT_DUE, credential="other"), UNREADABLE):
        reporter.record(outcome)
    assert len(sentry.events) == 1


def test_a_failure_that_every_sweep_meets_again_alerts_once(
    reporter: Reporter, sentry: Sink, events: Events, clock: FakeClock
) -> None:
    for number in range(10):
        reporter.record(replace(FAILED, rotation_id=f"r{number}"))
        clock.advance(timedelta(minutes=1))
    assert (len(sentry.events), len(events.seen)) == (1, 1)


def test_a_failure_that_every_sweep_meets_again_is_in_the_log_each_time(reporter: Reporter, log: LogCapture) -> None:
    reporter.record(FAILED)
    reporter.record(FAILED)
    assert len(log.entries) == 2


def test_a_lasting_failure_is_told_again_later(reporter: Reporter, sentry: Sink, clock: FakeClock) -> None:
    reporter.record(FAILED)
    clock.advance(REMIND_AFTER)
    reporter.record(FAILED)
    assert len(sentry.events) == 2


def test_a_failure_after_a_success_of_the_same_step_is_news(reporter: Reporter, sentry: Sink) -> None:
    for outcome in (FAILED, DONE, FAILED):
        reporter.record(outcome)
    assert len(sentry.events) == 2


def test_a_success_of_another_step_does_not_make_a_failure_news(reporter: Reporter, sentry: Sink) -> None:
    for outcome in (FAILED, replace(DONE, action=Action.VERIFY), FAILED):
        reporter.record(outcome)
    assert len(sentry.events) == 1


def test_a_failure_of_one_step_does_not_hide_anothers(reporter: Reporter, sentry: Sink) -> None:
    reporter.record(FAILED)
    reporter.record(replace(FAILED, action=Action.CLOSE))
    assert len(sentry.events) == 2


def test_one_credentials_hold_does_not_hide_anothers(reporter: Reporter, sentry: Sink) -> None:
    reporter.record(UNREADABLE)
    reporter.record(replace(UNREADABLE, credential="other"))
    assert len(sentry.events) == 2


def test_tags_of_one_alert_are_not_on_the_next(reporter: Reporter, sentry: Sink) -> None:
    reporter.record(FAILED)
    reporter.record(UNREADABLE)
    assert "rotation_id" not in sentry.events[1]["tags"]


def test_a_broken_event_stream_stops_neither_work_nor_alert(sentry: Sink, clock: FakeClock) -> None:
    Reporter(events=BrokenEvents(), clock=clock).record(FAILED)
    assert len(sentry.events) == 1


def test_without_an_event_stream_alerts_go_out(sentry: Sink, clock: FakeClock) -> None:
    Reporter(events=None, clock=clock).record(FAILED)
    assert len(sentry.events) == 1


@given(st.sampled_from(Severity), st.sampled_from(Result), st.sampled_from(Reason))
def test_no_warning_and_no_failure_goes_without_an_alert(severity: Severity, result: Result, reason: Reason) -> None:
    outcome = replace(DONE, severity=severity, result=result, reason=reason)
    quiet = severity is Severity.INFO and result is not Result.FAILED
    assert (alert_level(outcome) is None) == quiet
