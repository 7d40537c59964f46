"""How far a credential has come, told from its journal, the consumers' path and the exchange's ledger. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from sandbox.chaos.cells import ORDERS, Scenario
from sandbox.chaos.order_ends import is_untouched, undone_order
from sandbox.chaos.subject import Progress
from sandbox.chaos.truth import Truth
from worker.journal import RecordState

PROMOTIONS: Final[Mapping[Scenario, int]] = {
    Scenario.START: 2,
    Scenario.FIRST: 1,
    Scenario.ROTATION: 2,
    Scenario.REVOCATION: 2,
    Scenario.REFUSAL: 2,
    Scenario.ORPHAN: 1,
    Scenario.SHRINKING: 4,
}
"""How many tokens a credential was promoted in all at the end of each scenario: exactly one rotation for a due date."""


def progress_of(truth: Truth, scenario: Scenario) -> Progress:
    """Return how far it has come."""
    if scenario in ORDERS:
        return _progress_of_order(truth, scenario)
    undone = tuple(_undone(truth, scenario))
    left = undone or tuple(_left(truth))
    match scenario:
        case Scenario.REVOCATION | Scenario.ORPHAN:
            taken_over = not left
        case Scenario.SHRINKING:
            taken_over = truth.doubted
        case Scenario.REFUSAL:
            taken_over = _has_given_up(truth)
        case _:
            taken_over = not undone
    return Progress(taken_over=taken_over, settled=not left, missing="; ".join(left))


def _progress_of_order(truth: Truth, scenario: Scenario) -> Progress:
    """Settled is also what was never begun: whether that will do is for the judgement."""
    undone = tuple(undone_order(truth, scenario))
    left = tuple(_left(truth)) if not undone or is_untouched(truth, scenario) else undone
    return Progress(taken_over=not undone, settled=not left, missing="; ".join(left or undone))


def _has_given_up(truth: Truth) -> bool:
    """Whether a token whose secret was staged was given up, and nothing else has begun."""
    journal = truth.journal
    return (
        journal is not None
        and journal.intent is None
        and any(record.token_id is not None and record.promoted_at is None for record in journal.ledger)
    )


def _undone(truth: Truth, scenario: Scenario) -> Iterator[str]:
    journal = truth.journal
    if journal is None:
        yield "there is no journal"
        return
    if journal.intent is not None:
        yield f"rotation {journal.intent.rotation_id} is open"
    if truth.promotions < PROMOTIONS[scenario]:
        yield f"{truth.promotions} of {PROMOTIONS[scenario]} tokens were promoted"
    if journal.current is None or truth.served != journal.current.token_id:
        yield "the path does not serve the journal's current token"


def _left(truth: Truth) -> Iterator[str]:
    journal = truth.journal
    for token_id in sorted(truth.live - {truth.served}):
        record = journal.record_of(token_id) if journal else None
        yield f"token {token_id} ({record.state.value if record else 'in no ledger'}) is live"
    for record in journal.ledger if journal else ():
        if record.token_id is None or record.token_id == truth.served:
            continue
        if record.state is not RecordState.REVOKED:
            yield f"the ledger has {record.label} as {record.state.value}"
        elif not record.secret_destroyed:
            yield f"versions that hold the secret of {record.label} are not destroyed"
