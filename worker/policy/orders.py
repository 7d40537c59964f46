"""What a person may order for one credential: emergency, revoking everything, rolling back, the end of its life."""

from datetime import datetime

from worker.journal import LIVE, Journal, RecordState, TokenRecord
from worker.models import ListedToken, PathContent
from worker.policy.due import is_overdue
from worker.policy.facts import CredentialFacts
from worker.policy.guards import credential_held_back
from worker.policy.refusals import hold_of, live_records, refused, step_of, with_hint
from worker.policy.rotation import ROTATION, purpose_of
from worker.policy.safety import AT_THE_PATH, hands_off
from worker.policy.served import UNKNOWN, Served
from worker.policy.steps import Action, Hold, Plan, Reason, Step

_BREAK_GLASS = "To cut its tokens off without a replacement: rotator revoke {name} --all"


def plan_compromised(facts: CredentialFacts, found: Served = UNKNOWN) -> Plan:
    """Return the steps of an emergency: a fresh token, then every other one revoked at once.

    An open intent is never rolled forward: it is closed when services are served its token already, else fenced and
    abandoned. Freeze, pause, parking, window and an unreadable list do not stand in the way. Nor does a journal that
    is behind, when what is served in its stead is ours, or is a token that nobody can use.

    Args:
        facts: of the credential.
        found: what `look_at_served` found.
    """
    name, journal = facts.credential.name, facts.ledger
    hold = hands_off(facts)
    if hold is not None and found.ours is not None and not _is_retired(journal):
        return Plan(steps=(*_settle(facts, Reason.COMPROMISED), *_mint(facts), *_revokes_with(facts, found.ours)))
    if hold is not None and not (found.is_nobodys and journal is not None and _any_live(journal)):
        can_cut_off = bool(plan_revoke_all(facts).steps)
        return refused(with_hint(hold, _BREAK_GLASS.format(name=name)) if can_cut_off else hold)
    if journal is not None and journal.retired_at is not None:
        return refused(_retired(facts, journal))
    if journal is None or not _any_live(journal):
        sentence = f"No token of ours is live for {name}: nothing is compromised. To get one: rotator rotate {name}"
        return refused(hold_of(facts, Reason.NOTHING_LIVE, sentence))
    revokes = _revokes(facts, journal, Reason.COMPROMISED)
    return Plan(steps=(*_settle(facts, Reason.COMPROMISED), *_mint(facts), *revokes))


def _is_retired(journal: Journal | None) -> bool:
    return journal is not None and journal.retired_at is not None


def _mint(facts: CredentialFacts) -> tuple[Step, ...]:
    why = f"{facts.credential.name} is compromised."
    return tuple(step_of(facts, one, Reason.COMPROMISED, f"{why} Next: {purpose_of(one)}.") for one in ROTATION)


def known_tokens(journal: Journal | None) -> frozenset[str]:
    """Return the ids of every token that the journal knows, the staged one included."""
    if journal is None:
        return frozenset()
    staged = {journal.intent.token.token_id} if journal.intent and journal.intent.token else set()
    return frozenset({one.token_id for one in journal.ledger if one.token_id is not None} | staged)


def is_replaced(journal: Journal | None, compromised: frozenset[str]) -> bool:
    """Whether an emergency that another process carried out has left none of those tokens in use."""
    if journal is None or journal.emergency_at is not None or journal.current is None or journal.intent is not None:
        return False
    return not any(one.token_id in compromised for one in journal.ledger if one.state in LIVE)


def _settle(facts: CredentialFacts, reason: Reason) -> tuple[Step, ...]:
    intent = facts.intent
    if intent is None:
        return ()
    attempt = f"rotation {intent.rotation_id} of {facts.credential.name}"
    promoted = intent.token is not None and facts.served_token_id == intent.token.token_id
    if promoted and reason is Reason.COMPROMISED and hands_off(facts) is None:
        return (step_of(facts, Action.CLOSE, Reason.PROMOTED_ALREADY, f"{attempt} is promoted already and is closed."),)
    return (step_of(facts, Action.ABANDON, reason, f"{attempt} is fenced and given up."),)


def plan_revoke_all(facts: CredentialFacts) -> Plan:
    """Return the steps that revoke every token of ours, the one that services are served included.

    Whatever is at the path: what the journal knows to be ours ends, and what is not ours is left there.
    """
    name, journal = facts.credential.name, facts.ledger
    hold = _distrust(facts)
    if hold is not None:
        return refused(hold)
    if journal is None or not _any_live(journal):
        unknown = hands_off(facts) if journal is None else None
        return refused(unknown or hold_of(facts, Reason.NOTHING_LIVE, f"No token of ours is live for {name}."))
    sentence = (
        f"Mark every token of {name}, the one that services use included, in one write. {after_revoke_all(facts)}"
    )
    mark = step_of(facts, Action.REVOKE_ALL, Reason.ORDERED, sentence)
    return Plan(steps=(*_settle(facts, Reason.ORDERED), mark, *_revokes(facts, journal, Reason.ORDERED)))


def after_revoke_all(facts: CredentialFacts) -> str:
    """Return what becomes of the services then, as a sentence: nothing is put where somebody else's change is."""
    if _stays_as_it_is(facts):
        return (
            f"Who uses one of them is rejected, and nothing new is issued for as long as {facts.location} holds what "
            f"the journal does not know; it is left as it is. What to do about that: rotator plan "
            f"{facts.credential.name}"
        )
    return (
        f"Services are rejected until the next sweep has issued a new one (unless it is paused); to prevent that one: "
        f"rotator pause {facts.credential.name}"
    )


def _stays_as_it_is(facts: CredentialFacts) -> bool:
    """Whether the path holds what is not ours, so that it is left alone even when all our tokens have ended."""
    hold, path = hands_off(facts), facts.path
    if hold is None or path is None or path.content in {PathContent.EMPTY, PathContent.TOMBSTONE}:
        return False
    return hold.reason is Reason.JOURNAL_BEHIND or not facts.serves_ours


def plan_rollback(facts: CredentialFacts, now: datetime) -> Plan:
    """Return the steps that serve the predecessor again while it lives, or the rule that refuses it."""
    name, journal = facts.credential.name, facts.ledger
    hold = hands_off(facts) or _paused_or_frozen(facts, now)
    if hold is not None:
        return refused(hold)
    if journal is not None and journal.retired_at is not None:
        return refused(_retired(facts, journal))
    if facts.intent is not None:
        sentence = f"Rotation {facts.intent.rotation_id} of {name} is under way; roll back when it has ended."
        return refused(hold_of(facts, Reason.INTENT_OPEN, sentence))
    if journal is not None and journal.emergency_at is not None:
        sentence = (
            f"Since {journal.emergency_at:%Y-%m-%d %H:%M} UTC every token of {name} counts as compromised and is being "
            f"replaced: none of them is served again."
        )
        return refused(hold_of(facts, Reason.COMPROMISED, sentence))
    predecessor = predecessor_of(journal) if journal else None
    if predecessor is None:
        sentence = f"{name} has no superseded token that is still alive; to replace the current one: rotator rotate"
        return refused(hold_of(facts, Reason.NO_PREDECESSOR, f"{sentence} {name}"))
    old = (
        " It is past max_age, so the next sweep replaces it."
        if is_overdue(predecessor, facts.credential.policy, now)
        else ""
    )
    sentence = (
        f"Take the secret of {predecessor.label} from the version that served it and stage it in the journal; the "
        f"present token keeps its own grace.{old}"
    )
    first = step_of(
        facts, Action.ROLLBACK, Reason.ROLLED_BACK, sentence, token_id=predecessor.token_id, label=predecessor.label
    )
    rest = tuple(
        step_of(
            facts,
            one,
            Reason.ROLLED_BACK,
            f"{predecessor.label} is served again. Next: {purpose_of(one)}.",
            token_id=predecessor.token_id,
            label=predecessor.label,
        )
        for one in (Action.VERIFY, Action.PROMOTE, Action.CLOSE)
    )
    return Plan(steps=(first, *rest))


def predecessor_of(journal: Journal) -> TokenRecord | None:
    """Return the token that was superseded last and that nothing has begun to revoke, or None."""
    superseded = [
        one
        for one in journal.ledger
        if one.state is RecordState.SUPERSEDED and one.token_id is not None and one.superseded_at is not None
    ]
    return max(superseded, key=lambda one: (one.superseded_at, one.promoted_at or one.superseded_at), default=None)


def plan_retire(facts: CredentialFacts) -> Plan:
    """Return the steps that end a credential: its path serves nothing, its tokens are revoked, its ledger stays.

    A path that serves no token of ours is left as it is.
    """
    name, journal = facts.credential.name, facts.ledger
    hold = _distrust(facts)
    if hold is not None:
        return refused(hold)
    if journal is None:
        never = hold_of(facts, Reason.NOTHING_LIVE, f"{name} was never issued a token: take it out of the file.")
        return refused(hands_off(facts) or never)
    left = _revokes(facts, journal, Reason.RETIRED)
    served = facts.serves_ours
    if journal.retired_at is not None and not left and not served:
        return refused(_retired(facts, journal))
    sentence = f"Mark {name} retired and all its tokens in one write. {after_retire(facts)}"
    step = step_of(facts, Action.RETIRE, Reason.RETIRED, sentence)
    return Plan(steps=(*_settle(facts, Reason.RETIRED), step, *left))


def after_retire(facts: CredentialFacts) -> str:
    """Return what becomes of the path then, as a sentence."""
    if facts.serves_ours or hands_off(facts) is None:
        return f"{facts.location} serves nothing from then on."
    return f"{facts.location} is left as it is: what it holds is not ours."


def _distrust(facts: CredentialFacts) -> Hold | None:
    """Return why the journal cannot be acted on: it is unread, or another credential's."""
    hold = hands_off(facts)
    return None if hold is None or hold.reason in AT_THE_PATH else hold


def _paused_or_frozen(facts: CredentialFacts, now: datetime) -> Hold | None:
    hold = credential_held_back(facts, now)
    return hold if hold is not None and hold.reason in {Reason.PAUSED, Reason.FROZEN} else None


def _any_live(journal: Journal) -> bool:
    staged = journal.intent is not None and journal.intent.token is not None
    return staged or bool(live_records(journal))


def _revokes(facts: CredentialFacts, journal: Journal, reason: Reason) -> tuple[Step, ...]:
    known = [(one.label, one.token_id) for one in live_records(journal)]
    intent = journal.intent
    if intent is not None and intent.token is not None and intent.token.token_id not in {one[1] for one in known}:
        known.append((intent.label, intent.token.token_id))
    sentence = "{} is revoked at once: whoever still uses it is rejected."
    return tuple(
        step_of(facts, Action.REVOKE, reason, sentence.format(label), token_id=token_id, label=label)
        for label, token_id in known
    )


def _revokes_with(facts: CredentialFacts, served: ListedToken) -> tuple[Step, ...]:
    known = _revokes(facts, facts.ledger, Reason.COMPROMISED) if facts.ledger else ()
    if any(step.token_id == served.token_id for step in known):
        return known
    sentence = f"{served.label} is served although the journal does not know it, and is revoked at once as well."
    label = served.label or ""
    return (*known, step_of(facts, Action.REVOKE, Reason.COMPROMISED, sentence, token_id=served.token_id, label=label))


def _retired(facts: CredentialFacts, journal: Journal) -> Hold:
    sentence = f"{facts.credential.name} was retired at {journal.retired_at:%F} UTC; nothing is left to do."
    return hold_of(facts, Reason.RETIRED, sentence)
