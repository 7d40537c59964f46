"""What is the matter with an account and its credentials now, each thing with its evidence."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from config.schema import MAX_LABEL_LENGTH
from worker.models import ListedToken, Severity, TokenList
from worker.policy.credential_findings import of_lateness, of_revocation, of_rotation, of_superseded, of_use
from worker.policy.facts import AccountFacts, AccountState, CredentialFacts
from worker.policy.limits import of_account_limits, of_journal_limits
from worker.policy.safety import hands_off
from worker.policy.steps import Reason
from worker.policy.usage import is_use_shown
from worker.policy.verdict import ANNOUNCED, BY_LIST, Verdict
from worker.policy.wording import span

MOST_STRANGERS = 20
"""Tokens of other hands that are told one by one: whoever can issue tokens must neither fill the account ledger nor
drown the other alerts."""

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
        yield from of_lateness(one, state, facts.late_after, now)
        yield from of_rotation(one, state, now)
        yield from of_revocation(one, now)
        yield from of_journal_limits(one)
        if tokens is not None:
            yield from of_use(one, tokens, now)
            yield from of_superseded(one, tokens, now)


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
    yield from of_account_limits(facts, state)
    if facts.tokens is not None:
        yield from _of_strangers(facts, facts.tokens)


def _of_strangers(facts: AccountFacts, tokens: TokenList) -> Iterator[Verdict]:
    if any(one.unreadable for one in facts.credentials):
        return  # whose a token is cannot be said before every journal was read
    # The oldest first, so that those that were told stay told when more come.
    strangers = sorted(facts.strangers(tokens), key=lambda one: (one.created_at, one.token_id))
    told = [one for one in (_of_stranger(facts, token) for token in strangers) if one is not None]
    yield from told[:MOST_STRANGERS]
    if len(told) > MOST_STRANGERS:
        yield Verdict(
            Reason.FOREIGN,
            "",
            f"Account {facts.account} has more than {MOST_STRANGERS} tokens that no journal knows; the newer ones are "
            f"not told one by one. They are never touched. See all of them: rotator status",
            evidence={"rule": "foreign", "told": str(MOST_STRANGERS)},
        )


def _of_stranger(facts: AccountFacts, token: ListedToken) -> Verdict | None:
    label = _shown(token.label)
    owner = next((one for one in facts.credentials if label.startswith(f"{one.credential.name}/")), None)
    if owner is not None:
        return Verdict(
            Reason.LOOKS_OURS,
            owner.credential.name,
            f"Token {label} of account {facts.account} looks like one of ours, but no journal knows it. It is not "
            f"touched: another deployment with the same names, or a journal that was lost? When nobody uses it any "
            f"more, revoke it by hand at the exchange.",
            token_id=token.token_id,
            label=token.label,
            evidence=_of_listed(token, "label of ours, in no journal"),
        )
    if facts.settings.guards.foreign == "alert":
        sentence = f"Token {label} of account {facts.account} is not ours; it is never touched."
        evidence = _of_listed(token, "foreign")
        return Verdict(Reason.FOREIGN, "", sentence, token_id=token.token_id, label=token.label, evidence=evidence)
    return None


def _shown(label: str | None) -> str:
    # The exchange promises 128 characters, and the sentence is kept in the account ledger.
    if not label:
        return "(no label)"
    return label if len(label) <= MAX_LABEL_LENGTH else f"{label[:MAX_LABEL_LENGTH]}…"


def _of_listed(token: ListedToken, rule: str) -> dict[str, str]:
    used = token.last_used_at.isoformat() if token.last_used_at else "never"
    return {"rule": rule, "created": token.created_at.isoformat(), "last_used": used}
