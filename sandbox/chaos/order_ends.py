"""How an order may end: carried out, or never begun and everything as before. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from sandbox.chaos.cells import Scenario
from sandbox.chaos.truth import Truth
from sandbox.exchange.records import TokenEntry
from worker.journal import Journal, TokenRecord

PREPARED: Final[Mapping[Scenario, int]] = {
    Scenario.ADOPTION: 1,
    Scenario.ROLLBACK: 2,
    Scenario.EMERGENCY: 1,
    Scenario.RETIREMENT: 1,
    Scenario.PAUSE: 1,
}
"""How many tokens there are before the order is given."""

LASTING: Final = frozenset({Scenario.ADOPTION, Scenario.EMERGENCY, Scenario.RETIREMENT, Scenario.PAUSE})
"""The orders that are carried out in the end when the person insists.

A rollback is not among them: given again after it was carried out, it takes itself back.
"""


def old_tokens(truth: Truth, scenario: Scenario) -> tuple[TokenEntry, ...]:
    """Return the tokens that were there before the order was given, oldest first."""
    return truth.tokens[: PREPARED[scenario]]


def undone_order(truth: Truth, scenario: Scenario) -> Iterator[str]:
    """Yield what is missing until the order is carried out; nothing: it is."""
    if truth.journal is not None and truth.journal.intent is not None:
        yield f"rotation {truth.journal.intent.rotation_id} is open"
    yield from _UNDONE[scenario](truth, truth.journal)


def is_untouched(truth: Truth, scenario: Scenario) -> bool:
    """Whether nothing of the order can be seen: services are served what they were, and nothing waits to be done."""
    journal, old = truth.journal, old_tokens(truth, scenario)
    if truth.served != old[-1].token_id or not old[-1].live or len(truth.tokens) > len(old) or truth.paused:
        return False
    if scenario is Scenario.ADOPTION:
        return journal is None
    return journal is not None and journal.intent is None and not _is_marked(journal)


def _is_marked(journal: Journal) -> bool:
    """Whether an emergency or the end of the credential's life is under way or over."""
    return journal.emergency_at is not None or journal.retired_at is not None


def _adoption(truth: Truth, journal: Journal | None) -> Iterator[str]:
    if journal is None or journal.current is None or journal.current.token_id != truth.served:
        yield "no journal has the served token as current"


def _rollback(truth: Truth, journal: Journal | None) -> Iterator[str]:
    predecessor = old_tokens(truth, Scenario.ROLLBACK)[0].token_id
    if truth.served != predecessor:
        yield f"the predecessor {predecessor} is not served"
    if _current(journal) != truth.served:
        yield "the path does not serve the journal's current token"


def _emergency(truth: Truth, journal: Journal | None) -> Iterator[str]:
    old = old_tokens(truth, Scenario.EMERGENCY)
    if journal is None or journal.emergency_at is not None:
        yield "the emergency is not over"
    if truth.served in {None, *(token.token_id for token in old)}:
        yield "no new token is served"
    elif _current(journal) != truth.served:
        yield "the path does not serve the journal's current token"
    yield from (f"the old token {token.token_id} is live" for token in old if token.live)


def _retirement(truth: Truth, journal: Journal | None) -> Iterator[str]:
    if journal is None or journal.retired_at is None:
        yield "it is not retired"
    if truth.served is not None:
        yield f"the path still serves token {truth.served}"
    yield from (f"token {token_id} is live" for token_id in sorted(truth.live))


def _pause(truth: Truth, journal: Journal | None) -> Iterator[str]:
    del journal
    if not truth.paused:
        yield "it is not paused"


def _current(journal: Journal | None) -> str | None:
    record: TokenRecord | None = journal.current if journal else None
    return record.token_id if record else None


_UNDONE: Final[Mapping[Scenario, Callable[[Truth, Journal | None], Iterator[str]]]] = {
    Scenario.ADOPTION: _adoption,
    Scenario.ROLLBACK: _rollback,
    Scenario.EMERGENCY: _emergency,
    Scenario.RETIREMENT: _retirement,
    Scenario.PAUSE: _pause,
}
