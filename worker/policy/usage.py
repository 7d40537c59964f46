"""Who used a token, and when: `lastUsedAt` with our own verify calls discounted.

The exchange keeps one `lastUsedAt` for each token and any signed call moves it, ours included. A value that our own
verify call may have caused says nothing about services, so it counts as unknown, never as use.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from config.schema import Policy
from worker.journal import Journal, StaleFlag, TokenRecord
from worker.models import ListedToken, TokenList
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.safety import hands_off
from worker.policy.steps import Action, Hold, Plan, Reason, Step
from worker.policy.wording import span


def used_by_others(record: TokenRecord, listed: ListedToken | None, policy: Policy) -> datetime | None:
    """Return when somebody other than this worker last used the token, as far as that can be known."""
    last = listed.last_used_at if listed else None
    if last is None or _may_be_ours(record, last, policy):
        return record.last_used_by_others
    return max(last, record.last_used_by_others) if record.last_used_by_others else last


def _may_be_ours(record: TokenRecord, last: datetime, policy: Policy) -> bool:
    before, after = policy.max_clock_skew, policy.lastused_lag + policy.max_clock_skew
    return any(
        window.opened_at - before <= last and (window.closed_at is None or last <= window.closed_at + after)
        for window in record.windows
    )


def is_adopted(record: TokenRecord, journal: Journal, tokens: TokenList, policy: Policy) -> bool:
    """Whether any later token of the lineage was used by somebody else: consumers moved on from this one."""
    later = (
        other
        for other in journal.ledger
        if other.promoted_at is not None and record.promoted_at is not None and other.promoted_at > record.promoted_at
    )
    return any(used_by_others(other, _listed(tokens, other), policy) is not None for other in later)


def lineage_last_use(journal: Journal, tokens: TokenList, policy: Policy) -> datetime | None:
    """Return the latest use by others over all tokens of the credential, the ended ones included."""
    uses = (used_by_others(record, _listed(tokens, record), policy) for record in journal.ledger)
    return max((use for use in uses if use is not None), default=None)


def _listed(tokens: TokenList, record: TokenRecord) -> ListedToken | None:
    return tokens.by_id(record.token_id) if record.token_id else None


@dataclass(frozen=True, slots=True)
class StaleVerdict:
    """Nobody uses the credential: `stale` since its last use, `unused` since its first token was promoted."""

    kind: Literal["stale", "unused"]
    since: datetime
    last_use: datetime | None


def stale_verdict(journal: Journal, tokens: TokenList, policy: Policy, now: datetime) -> StaleVerdict | None:
    """Return the verdict on the credential's lineage, or None while it is in use or not yet judged."""
    current = journal.current
    if current is None or current.promoted_at is None:
        return None
    last = lineage_last_use(journal, tokens, policy)
    if last is not None:
        over = now - last > policy.stale_after + policy.lastused_lag
        return StaleVerdict("stale", last, last) if over else None
    first = min(record.promoted_at for record in journal.ledger if record.promoted_at is not None)
    return StaleVerdict("unused", first, None) if now - first > policy.unused_after + policy.lastused_lag else None


def plan_flags(facts: AccountFacts, now: datetime) -> Plan:
    """Return a FLAG step for each credential whose stale verdict begins and an UNFLAG step for each that ends."""
    if facts.tokens is None:
        return Plan()
    steps: list[Step] = []
    holds: list[Hold] = []
    for one in facts.credentials:
        hold = hands_off(one)
        if hold is not None:
            holds.append(hold)
            continue
        step = _flag_step(one, facts.tokens, now)
        if step is not None:
            steps.append(step)
    return Plan(tuple(steps), tuple(holds))


def _flag_step(facts: CredentialFacts, tokens: TokenList, now: datetime) -> Step | None:
    journal, credential = facts.ledger, facts.credential
    # While an intent is open its journal belongs to the rotation: any other write would make its stage fail.
    if journal is None or journal.intent is not None or journal.current is None or journal.current.token_id is None:
        return None
    current = journal.current
    verdict = stale_verdict(journal, tokens, credential.policy, now)
    flag = journal.stale_flag
    if verdict is not None and (flag is None or flag.kind != verdict.kind):
        what = "was last used" if verdict.kind == "stale" else "has never been used since its first token,"
        sentence = (
            f"No service uses credential {credential.name} (account {credential.account}): it {what} "
            f"{span(now - verdict.since)} ago, at {verdict.since:%Y-%m-%d %H:%M:%S} UTC. Its current token is "
            f"{current.label}. Stop the service's credential if it is retired, or find out why it does not run."
        )
        return _step(Action.FLAG, Reason(verdict.kind), sentence, facts, current, verdict.last_use)
    if verdict is None and flag is not None:
        sentence = f"Credential {credential.name} (account {credential.account}) is in use again; {flag.kind} no more."
        return _step(Action.UNFLAG, Reason.USED_AGAIN, sentence, facts, current, None)
    return None


def _step(
    action: Action, reason: Reason, sentence: str, facts: CredentialFacts, current: TokenRecord, last: datetime | None
) -> Step:
    return Step(
        action=action,
        account=facts.credential.account,
        credential=facts.credential.name,
        reason=reason,
        sentence=sentence,
        token_id=current.token_id,
        label=current.label,
        rotation_id=current.rotation_id,
        last_used_by_others=last,
    )


def new_flag(step: Step, now: datetime) -> StaleFlag | None:
    """Return the flag that the journal keeps for a FLAG step, or None for an UNFLAG step."""
    if step.action is not Action.FLAG or step.token_id is None:
        return None
    return StaleFlag(kind="stale" if step.reason is Reason.STALE else "unused", token_id=step.token_id, since=now)
