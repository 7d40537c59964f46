"""What is the matter with one credential: its use, its rotation, its revocations."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from config.schema import Policy
from worker.journal import RecordState, TokenRecord
from worker.models import Severity, TokenList
from worker.policy.due import age_of, is_overdue, judge_due
from worker.policy.facts import AccountState, CredentialFacts
from worker.policy.guards import Interval, freezes_of, pause_of
from worker.policy.late import late_hold, late_since
from worker.policy.rotation import is_parked
from worker.policy.steps import Reason
from worker.policy.usage import stale_verdict
from worker.policy.verdict import Verdict
from worker.policy.wording import span

STUCK_AFTER = timedelta(days=1)
"""How long a revocation may fail before a person is told."""


def _when(last: datetime | None) -> dict[str, str]:
    return {"last_tried": last.isoformat()} if last else {}


def _name(facts: CredentialFacts) -> str:
    return f"credential {facts.credential.name} (account {facts.credential.account})"


def of_use(facts: CredentialFacts, tokens: TokenList, now: datetime) -> Iterator[Verdict]:
    """Yield that nobody uses it, and that this was told long ago."""
    journal, policy, current = facts.ledger, facts.credential.policy, facts.current
    if journal is None or current is None:
        return
    verdict = stale_verdict(journal, tokens, policy, now)
    if verdict is None:
        return
    lasts = now - verdict.since
    what = "was last used" if verdict.kind == "stale" else "has never been used since its first token,"
    sentence = (
        f"No service uses {_name(facts)}: it {what} {span(lasts)} ago, at "
        f"{verdict.since:%Y-%m-%d %H:%M:%S} UTC. Its current token is {current.label}. Retire it, or find out why its "
        f"service does not run."
    )
    evidence = {
        "last_used_by_others": verdict.last_use.isoformat() if verdict.last_use else "never",
        "current": current.label,
        "since": verdict.since.isoformat(),
        "rule": "stale_after" if verdict.kind == "stale" else "unused_after",
    }
    yield Verdict(Reason(verdict.kind), facts.credential.name, sentence, evidence=evidence, label=current.label)
    limit = policy.stale_after if verdict.kind == "stale" else policy.unused_after
    if lasts > limit + policy.stale_for + policy.lastused_lag:
        yield Verdict(
            Reason.STALE_FOR_LONG,
            facts.credential.name,
            f"{sentence} This was flagged {span(policy.stale_for)} ago and nothing changed.",
            Severity.ERROR,
            evidence=evidence,
            label=current.label,
        )


def of_lateness(facts: CredentialFacts, state: AccountState, late_after: timedelta, now: datetime) -> Iterator[Verdict]:
    """Yield that a rotation could have begun long ago and did not, at one sweep after the other.

    A pause, an outage or anything else that held it back may have ended a moment ago: that is not late yet.
    """
    hold, since = late_hold(facts, late_after, now), late_since(facts, now)
    waits = next((one.since for one in state.ledger.waiting if one.credential == facts.credential.name), now)
    if hold is not None and since is not None and now - waits > late_after:
        evidence = {"rule": "late_after", "since": since.isoformat()}
        yield Verdict(hold.reason, hold.credential, hold.sentence, hold.severity, evidence=evidence)


def of_rotation(facts: CredentialFacts, state: AccountState, now: datetime) -> Iterator[Verdict]:
    """Yield that it is parked, overdue or dangling, or will be overdue within a freeze that is in sight."""
    journal, policy, current = facts.ledger, facts.credential.policy, facts.current
    if journal is None:
        return
    name = facts.credential.name
    if is_parked(journal.failures, policy):
        yield Verdict(
            Reason.PARKED,
            name,
            f"{_name(facts).capitalize()} is parked after {journal.failures.count} failed attempts in a row (the last: "
            f"{journal.failures.last_reason}). Services keep their token. Find the cause, then: rotator resume {name}",
            Severity.ERROR,
            evidence={"rule": "park_after", "failures": str(journal.failures.count), **_when(journal.failures.last_at)},
        )
    yield from _of_ended_token(facts, state, now)
    if current is None or current.promoted_at is None:
        return
    if is_overdue(current, policy, now):
        yield Verdict(
            Reason.OVERDUE,
            name,
            f"{_name(facts).capitalize()} is older than max_age {span(policy.max_age)}: it could not be "
            f"rotated for long. See: rotator plan {name}",
            Severity.ERROR,
            evidence={"rule": "max_age", "current": current.label, "promoted": current.promoted_at.isoformat()},
        )
    dangling = state.ledger.dangling_token(current.token_id)
    if dangling is not None:
        yield Verdict(
            Reason.DANGLING,
            name,
            f"{_name(facts).capitalize()} serves {current.label}, which the exchange refuses: services are "
            f"answered 401. {_what_follows(facts, state, now)}",
            Severity.ERROR,
            token_id=current.token_id,
            label=current.label,
            evidence={
                "rule": "two lists and a refused call",
                "current": current.label,
                "proved": dangling.proved_at.isoformat(),
            },
        )
    account = facts.credential.account
    for freeze in freezes_of(account, state.freezes, state.ledger, now, policy.freeze_sight):
        overdue_at = _overdue_in(freeze, facts, current.promoted_at)
        if overdue_at is not None and overdue_at > now:
            # Once it is in force it holds back what a person asks for, too.
            what_to_do = (
                f"Rotate it before {freeze.start:%Y-%m-%d %H:%M} UTC: rotator rotate {name}"
                if freeze.start > now
                else f"It is in force, so {name} cannot be rotated before it ends. {freeze.ends_with(account)}"
            )
            yield Verdict(
                Reason.FREEZE_OUTLASTS,
                name,
                f"The freeze until {freeze.until:%Y-%m-%d %H:%M} UTC ({freeze.reason}) outlasts the max_age of "
                f"{_name(facts)}, which ends at {overdue_at:%Y-%m-%d %H:%M} UTC. {what_to_do}",
                evidence={
                    "rule": "max_age",
                    "overdue": overdue_at.isoformat(),
                    "freeze": f"{freeze.start.isoformat()} to {freeze.until.isoformat()}",
                },
            )
            return


def _of_ended_token(facts: CredentialFacts, state: AccountState, now: datetime) -> Iterator[Verdict]:
    """Yield that services are still served a token which a person had revoked."""
    journal = facts.ledger
    served = journal.record_of(facts.served_token_id) if journal and facts.served_token_id else None
    if journal is None or journal.retired_at is not None or served is None:
        return
    if served.state not in {RecordState.REVOKING, RecordState.REVOKED}:
        return
    yield Verdict(
        Reason.DANGLING,
        facts.credential.name,
        f"{_name(facts).capitalize()} still serves {served.label}, which was revoked ({served.revoking_reason}): "
        f"services are answered 401. {_what_follows(facts, state, now)}",
        Severity.ERROR,
        token_id=served.token_id,
        label=served.label,
        evidence={
            "rule": "served and revoked",
            "revoked": served.revoking_at.isoformat() if served.revoking_at else "",
        },
    )


def _what_follows(facts: CredentialFacts, state: AccountState, now: datetime) -> str:
    pause = pause_of(state.ledger, facts.credential.name, now)
    if pause is None:
        return "It is rotated at once, unless somebody pauses it."
    scope = f"credential:{pause.credential}" if pause.credential else f"account:{facts.credential.account}"
    return f"It is not rotated, because {pause.by} paused it ({pause.reason}). To go on: rotator resume {scope}"


def _overdue_in(freeze: Interval, facts: CredentialFacts, promoted_at: datetime) -> datetime | None:
    """Return when the token becomes overdue within the freeze, if the last rotation before it comes when due."""
    policy, last = facts.credential.policy, promoted_at
    for _ in range(1000):
        following = judge_due(facts.credential.name, policy, last, last).next_at
        if following >= freeze.start or following <= last:
            break
        last = following
    current = facts.current
    age = age_of(current, promoted_at) if current is not None and last == promoted_at else None
    # A token that was rolled back to was old already when it was promoted.
    overdue_at = last - (age or timedelta()) + policy.max_age
    return overdue_at if overdue_at < freeze.until else None


def of_revocation(facts: CredentialFacts, now: datetime) -> Iterator[Verdict]:
    """Yield each revocation that has failed for long."""
    name = facts.credential.name
    for record in facts.ledger.ledger if facts.ledger else ():
        if record.state is RecordState.REVOKING and record.revoking_at and now - record.revoking_at > STUCK_AFTER:
            yield Verdict(
                Reason.REVOCATION_STUCK,
                name,
                f"The revocation of {record.label} ({_name(facts)}) has failed for "
                f"{span(now - record.revoking_at)}; it is tried at every sweep. Look at "
                f"the log of this token, or revoke it by hand at the exchange.",
                Severity.ERROR,
                token_id=record.token_id,
                label=record.label,
                evidence={
                    "rule": record.revoking_reason or "",
                    "since": record.revoking_at.isoformat(),
                    **_when(record.tried_at),
                },
            )


def _cut_off(record: TokenRecord, policy: Policy, now: datetime) -> str:
    """Return until when its reader has time."""
    age = age_of(record, now)
    if age is None or record.superseded_at is None:
        return ""
    at = max(now - age + policy.max_age, record.superseded_at + policy.grace)
    return f": it is answered 401 from {at:%Y-%m-%d %H:%M} UTC on, when the token is past max_age and revoked"


def of_superseded(facts: CredentialFacts, tokens: TokenList, now: datetime) -> Iterator[Verdict]:
    """Yield each superseded token that is still in use past max_overlap."""
    policy, name = facts.credential.policy, facts.credential.name
    for record in facts.ledger.ledger if facts.ledger else ():
        listed = tokens.by_id(record.token_id) if record.token_id else None
        if record.state is not RecordState.SUPERSEDED or record.superseded_at is None or listed is None:
            continue
        overlap, last = now - record.superseded_at, listed.last_used_at
        quiet_for = policy.quiet_period + policy.lastused_lag
        if overlap >= policy.max_overlap and last is not None and now - last < quiet_for:
            yield Verdict(
                Reason.STILL_USED,
                name,
                f"{record.label} of {_name(facts)} was superseded {span(overlap)} ago, past "
                f"max_overlap {span(policy.max_overlap)}, and is still in use ({span(now - last)} ago). Find the "
                f"reader that did not pick up the new version{_cut_off(record, policy, now)}.",
                token_id=record.token_id,
                label=record.label,
                evidence={
                    "rule": "max_overlap",
                    "last_used": last.isoformat(),
                    "superseded": record.superseded_at.isoformat(),
                    "current": facts.current.label if facts.current else "",
                },
            )
