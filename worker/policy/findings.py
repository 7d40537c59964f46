"""What is the matter with an account and its credentials now, each thing with its evidence."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from worker.journal import RecordState
from worker.models import ListedToken, Severity, TokenList
from worker.policy.due import age_of, is_overdue, judge_due
from worker.policy.facts import AccountFacts, AccountState, CredentialFacts
from worker.policy.guards import Interval, freezes_of
from worker.policy.rotation import is_parked
from worker.policy.safety import hands_off
from worker.policy.steps import Reason
from worker.policy.usage import is_use_shown, stale_verdict
from worker.policy.wording import span

STUCK_AFTER = timedelta(days=1)
"""How long a revocation may fail before a person is told."""

ANNOUNCED = frozenset(
    {
        Reason.STALE,
        Reason.STALE_FOR_LONG,
        Reason.UNUSED,
        Reason.STILL_USED,
        Reason.DANGLING,
        Reason.OVERDUE,
        Reason.PARKED,
        Reason.NOT_ADOPTED,
        Reason.DRIFTED,
        Reason.JOURNAL_BEHIND,
        Reason.MOVED,
        Reason.LIST_SHRANK,
        Reason.FREEZE_OUTLASTS,
        Reason.PAUSE_FORGOTTEN,
        Reason.REVOCATION_STUCK,
        Reason.FOREIGN,
        Reason.LOOKS_OURS,
        Reason.RETIRED_CANDIDATE,
    }
)
"""Reasons that are told as verdicts, once when they begin and once when they end; holds for them alert nobody."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that is the matter now, with its evidence."""

    kind: Reason
    credential: str
    sentence: str
    severity: Severity = Severity.WARNING
    token_id: str | None = None
    label: str | None = None
    evidence: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What makes two verdicts the same one."""
        return (self.kind.value, self.credential, self.token_id)


BY_LIST = frozenset(
    {
        Reason.STALE,
        Reason.STALE_FOR_LONG,
        Reason.UNUSED,
        Reason.STILL_USED,
        Reason.FOREIGN,
        Reason.LOOKS_OURS,
    }
)
"""Verdicts that need the exchange's list: while it cannot be read they neither begin nor end."""

_ON_LINEAGE = frozenset({Reason.STALE, Reason.STALE_FOR_LONG, Reason.UNUSED})


def is_judged(kind: str, facts: CredentialFacts, tokens: TokenList) -> bool:
    """Whether that list can begin or end a verdict of that kind on that credential.

    A list that may be cut short says nothing about tokens that it lacks. Whether a credential is used at all needs
    every token that services may hold; one superseded token, a list that has the current one at least.
    """
    if facts.ledger is None or kind not in BY_LIST:
        return True
    if kind in _ON_LINEAGE:
        return is_use_shown(facts.ledger, tokens, facts.credential.policy)
    current = facts.current
    return current is None or current.token_id is None or tokens.by_id(current.token_id) is not None


def verdicts(facts: AccountFacts, state: AccountState, now: datetime) -> Iterator[Verdict]:
    """Yield everything that is the matter with the account and its credentials now, as far as it can be judged."""
    yield from _of_account(facts, state, now)
    tokens = facts.tokens
    for one in facts.credentials:
        hold = hands_off(one)
        if hold is not None:
            if hold.reason in ANNOUNCED:
                served = one.path.document.label if one.path and one.path.document else ""
                evidence = {"rule": hold.reason.value, "current": one.current.label if one.current else ""}
                yield Verdict(
                    hold.reason, hold.credential, hold.sentence, hold.severity, evidence={**evidence, "served": served}
                )
            continue
        yield from _of_rotation(one, state, now)
        yield from _of_revocation(one, now)
        if tokens is not None:
            yield from _of_use(one, tokens, now)
            yield from _of_superseded(one, tokens, now)


def _when(last: datetime | None) -> dict[str, str]:
    return {"last_tried": last.isoformat()} if last else {}


def _name(facts: CredentialFacts) -> str:
    return f"credential {facts.credential.name} (account {facts.credential.account})"


def _of_account(facts: AccountFacts, state: AccountState, now: datetime) -> Iterator[Verdict]:
    if state.ledger.suspicion is not None:
        suspicion = state.ledger.suspicion
        sentence = f"{suspicion.sentence} If that is right: rotator trust {facts.account}"
        evidence = {"rule": "shrink_limit", "lost": str(suspicion.lost), "since": suspicion.first_at.isoformat()}
        yield Verdict(Reason.LIST_SHRANK, "", sentence, Severity.ERROR, evidence=evidence)
    limits = {one.credential.name: one.credential.policy.pause_limit for one in facts.credentials}
    shortest = min(limits.values(), default=timedelta(days=1))
    for pause in state.ledger.pauses:
        lasts = now - pause.since
        over = pause.until is not None and now >= pause.until
        if not over and lasts > limits.get(pause.credential or "", shortest):
            # A pause outlives the entry of its credential in the settings; only its account can be named then.
            known = pause.credential in limits
            scope = f"credential {pause.credential}" if pause.credential else f"account {facts.account}"
            lift = f"credential:{pause.credential}" if known else f"account:{facts.account}"
            yield Verdict(
                Reason.PAUSE_FORGOTTEN,
                pause.credential or "",
                f"{scope.capitalize()} has been paused for {span(lasts)} by {pause.by} ({pause.reason}). Is that still "
                f"meant? It goes on with: rotator resume {lift}",
                evidence={"rule": "pause_limit", "since": pause.since.isoformat(), "by": pause.by},
            )
    for name in facts.unconfigured:
        yield Verdict(
            Reason.RETIRED_CANDIDATE,
            name,
            f"Credential {name} of account {facts.account} has a journal but is no longer configured; nothing of it is "
            f"touched. Configure it again, and retire it with: rotator retire {name}",
            evidence={"rule": "not configured"},
        )
    if facts.tokens is not None:
        yield from _of_strangers(facts, facts.tokens)


def _of_strangers(facts: AccountFacts, tokens: TokenList) -> Iterator[Verdict]:
    if any(one.unreadable for one in facts.credentials):
        return  # whose a token is cannot be said before every journal was read
    for token in facts.strangers(tokens):
        label = token.label or "(no label)"
        owner = next((one for one in facts.credentials if label.startswith(f"{one.credential.name}/")), None)
        if owner is not None:
            yield Verdict(
                Reason.LOOKS_OURS,
                owner.credential.name,
                f"Token {label} of account {facts.account} looks like one of ours, but no journal knows it. It is not "
                f"touched: another deployment with the same names, or a journal that was lost? Revoke it by hand.",
                token_id=token.token_id,
                label=token.label,
                evidence=_of_listed(token, "label of ours, in no journal"),
            )
        elif facts.settings.guards.foreign == "alert":
            sentence = f"Token {label} of account {facts.account} is not ours; it is never touched."
            evidence = _of_listed(token, "foreign")
            yield Verdict(Reason.FOREIGN, "", sentence, token_id=token.token_id, label=token.label, evidence=evidence)


def _of_listed(token: ListedToken, rule: str) -> dict[str, str]:
    used = token.last_used_at.isoformat() if token.last_used_at else "never"
    return {"rule": rule, "created": token.created_at.isoformat(), "last_used": used}


def _of_use(facts: CredentialFacts, tokens: TokenList, now: datetime) -> Iterator[Verdict]:
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


def _of_rotation(facts: CredentialFacts, state: AccountState, now: datetime) -> Iterator[Verdict]:
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
            f"answered 401. It is rotated at once, unless somebody paused it.",
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
            yield Verdict(
                Reason.FREEZE_OUTLASTS,
                name,
                f"The freeze until {freeze.until:%Y-%m-%d %H:%M} UTC ({freeze.reason}) outlasts the max_age of "
                f"{_name(facts)}, which ends at {overdue_at:%Y-%m-%d %H:%M} UTC. Rotate it "
                f"before {freeze.start:%Y-%m-%d %H:%M} UTC: rotator rotate {name}",
                evidence={
                    "rule": "max_age",
                    "overdue": overdue_at.isoformat(),
                    "freeze": f"{freeze.start.isoformat()} to {freeze.until.isoformat()}",
                },
            )
            return


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


def _of_revocation(facts: CredentialFacts, now: datetime) -> Iterator[Verdict]:
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


def _of_superseded(facts: CredentialFacts, tokens: TokenList, now: datetime) -> Iterator[Verdict]:
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
                f"reader that did not pick up the new version.",
                token_id=record.token_id,
                label=record.label,
                evidence={
                    "rule": "max_overlap",
                    "last_used": last.isoformat(),
                    "superseded": record.superseded_at.isoformat(),
                    "current": facts.current.label if facts.current else "",
                },
            )
