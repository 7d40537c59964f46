"""Small edits that the transitions share."""

from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel

from worker.errors import TransitionError
from worker.journal.documents import Intent, Journal, TokenRecord, VerifyWindow

M = TypeVar("M", bound=BaseModel)


def not_allowed(journal: Journal, why: str) -> TransitionError:
    """Return the error of a change that the journal does not allow as it is."""
    return TransitionError(
        f"The journal of credential {journal.credential} (account {journal.account}) does not allow that any more: "
        f"{why}. It is left as it is; the next sweep decides afresh."
    )


def open_intent_of(journal: Journal) -> Intent:
    """Return the open intent; raises TransitionError when none is."""
    if journal.intent is None:
        raise not_allowed(journal, "no intent is open")
    return journal.intent


def copy_of(model: M, **changes: object) -> M:
    """Return the model with those fields changed."""
    return model.model_copy(update=changes)


def next_of(journal: Journal, **changes: object) -> Journal:
    """Return the changed journal with its sequence counted up, as every write is."""
    return copy_of(journal, sequence=journal.sequence + 1, **changes)


def closed(windows: tuple[VerifyWindow, ...], now: datetime) -> tuple[VerifyWindow, ...]:
    """Return the windows, those still open closed now."""
    return tuple(window if window.closed_at else copy_of(window, closed_at=now) for window in windows)


def with_record(ledger: tuple[TokenRecord, ...], changed: TokenRecord) -> tuple[TokenRecord, ...]:
    """Return the ledger with that token's record replaced, or added when it had none."""
    replaced = tuple(changed if record.token_id == changed.token_id else record for record in ledger)
    return replaced if any(record is changed for record in replaced) else (*replaced, changed)
