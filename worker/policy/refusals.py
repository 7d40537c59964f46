"""How an order is planned: a step of a credential, or the rule that refuses it."""

from worker.journal import LIVE, Journal, RecordState, TokenRecord
from worker.models import Severity
from worker.policy.facts import CredentialFacts
from worker.policy.steps import Action, Hold, Plan, Reason, Step


def refused(*holds: Hold) -> Plan:
    """Return the plan of an order that is refused."""
    return Plan(holds=holds)


def with_hint(hold: Hold, hint: str) -> Hold:
    """Return the hold with what else a person can do."""
    # A command that ends the sentence is kept apart from what follows.
    sentence = hold.sentence if hold.sentence.endswith(".") else f"{hold.sentence} ."
    return Hold(hold.account, hold.credential, hold.reason, f"{sentence} {hint}", hold.severity, hold.token_id)


def hold_of(facts: CredentialFacts, reason: Reason, sentence: str) -> Hold:
    """Return why an order is refused."""
    return Hold(facts.credential.account, facts.credential.name, reason, sentence, Severity.WARNING)


def step_of(
    facts: CredentialFacts,
    action: Action,
    reason: Reason,
    sentence: str,
    *,
    token_id: str | None = None,
    label: str | None = None,
) -> Step:
    """Return a step of that credential."""
    account, name = facts.credential.account, facts.credential.name
    return Step(action, account, name, reason, sentence, token_id=token_id, label=label)


def live_records(journal: Journal) -> tuple[TokenRecord, ...]:
    """Return the records of tokens that may be alive, those with a revocation under way included."""
    states = LIVE | {RecordState.REVOKING}
    return tuple(one for one in journal.ledger if one.token_id is not None and one.state in states)
