"""Moves what a journal remembers into the past, so that a cell need not wait until something is due."""

from datetime import timedelta

from worker.journal import Journal, TokenRecord

_TIMES = ("derived_at", "promoted_at", "superseded_at", "abandoned_at", "revoking_at", "revoked_at")


def moved_into_the_past(journal: Journal, by: timedelta) -> Journal:
    """Return the journal as if everything in its ledger had happened that much earlier."""
    ledger = tuple(_moved(record, by) for record in journal.ledger)
    return journal.model_copy(update={"ledger": ledger, "sequence": journal.sequence + 1})


def _moved(record: TokenRecord, by: timedelta) -> TokenRecord:
    times = {name: moment - by for name in _TIMES if (moment := getattr(record, name)) is not None}
    windows = tuple(
        window.model_copy(
            update={"opened_at": window.opened_at - by, "closed_at": window.closed_at and window.closed_at - by}
        )
        for window in record.windows
    )
    return record.model_copy(update={**times, "windows": windows})
