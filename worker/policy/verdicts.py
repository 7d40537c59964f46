"""Verdicts: what a person should know about as long as it lasts. Each is announced when it begins and when it ends."""

from collections.abc import Iterable
from datetime import datetime

from worker.account_ledger import Flag
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.findings import is_judged, verdicts
from worker.policy.steps import Action, Plan, Reason, Step
from worker.policy.verdict import BY_LIST, Verdict
from worker.policy.wording import span


def plan_flags(facts: AccountFacts, now: datetime) -> Plan:
    """Return a FLAG step for each verdict that begins and an UNFLAG step for each that ends.

    While the account ledger cannot be read nothing begins or ends; without a list, only what needs none; and what is
    said of a credential's use stays as it is while the list lacks tokens that its services may hold.
    """
    if facts.state is None:
        return Plan()
    found = {verdict.key: verdict for verdict in verdicts(facts, facts.state, now)}
    known = {flag.key: flag for flag in facts.state.ledger.flags}
    of_name = {one.credential.name: one for one in facts.credentials}
    begins = [_begin(facts, verdict) for key, verdict in found.items() if key not in known]
    ends = [
        _end(facts, flag, now)
        for key, flag in known.items()
        if key not in found and _is_judged(facts, of_name.get(flag.credential), flag)
    ]
    return Plan(steps=(*begins, *ends))


def _is_judged(facts: AccountFacts, one: CredentialFacts | None, flag: Flag) -> bool:
    if one is not None and one.unreadable:
        return False
    if facts.tokens is None:
        return flag.kind not in BY_LIST
    return one is None or is_judged(flag.kind, one, facts.tokens)


def flags_after(flags: Iterable[Flag], steps: Iterable[Step], now: datetime) -> tuple[Flag, ...]:
    """Return the flags that the account ledger keeps once those steps are carried out."""
    kept = {flag.key: flag for flag in flags}
    for step in steps:
        key = (step.verdict or step.reason.value, step.credential, step.token_id)
        if step.action is Action.FLAG:
            kept[key] = Flag(
                kind=key[0],
                credential=step.credential,
                token_id=step.token_id,
                since=now,
                severity=step.severity,
                sentence=step.sentence,
                evidence=step.evidence,
            )
        else:
            kept.pop(key, None)
    return tuple(kept[key] for key in sorted(kept, key=lambda key: (key[1], key[0], key[2] or "")))


def _begin(facts: AccountFacts, verdict: Verdict) -> Step:
    return Step(
        action=Action.FLAG,
        account=facts.account,
        credential=verdict.credential,
        reason=verdict.kind,
        sentence=verdict.sentence,
        token_id=verdict.token_id,
        label=verdict.label,
        severity=verdict.severity,
        verdict=verdict.kind.value,
        evidence=verdict.evidence,
    )


def _end(facts: AccountFacts, flag: Flag, now: datetime) -> Step:
    whose = f"credential {flag.credential} (account {facts.account})" if flag.credential else f"account {facts.account}"
    used = flag.kind in {Reason.STALE, Reason.STALE_FOR_LONG, Reason.UNUSED}
    return Step(
        action=Action.UNFLAG,
        account=facts.account,
        credential=flag.credential,
        reason=Reason.USED_AGAIN if used else Reason.ENDED,
        sentence=f"{flag.kind} is over for {whose}; it lasted {span(now - flag.since)}.",
        token_id=flag.token_id,
        verdict=flag.kind,
        # The reason only says how it ended: who follows the events must be able to match the end to its begin.
        evidence={"verdict": flag.kind, "since": flag.since.isoformat()},
    )
