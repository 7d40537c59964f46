"""What was at a consumers' path counts as served, whoever put it there: its grace begins when it left."""

from datetime import datetime

from worker.journal.documents import Journal, RecordState, TokenRecord
from worker.journal.edits import copy_of, next_of, with_record
from worker.models import Departure


def note_departure(journal: Journal, departure: Departure, *, token_id: str, label: str) -> Journal:
    """Return the journal in which that token was superseded when it left the path, if that is later than it says.

    A token that was taken for an orphan was served after all: it is superseded. One that is marked for revocation stays
    marked, and waits for its grace. The journal is returned as it is when it says so already, when the token is current
    or ended, and while the path still holds it.
    """
    known = journal.record_of(token_id) or TokenRecord(
        rotation_id=label.rsplit("/", 1)[-1], label=label, state=RecordState.ABANDONED, token_id=token_id
    )
    noted = departed(known, departure)
    return journal if noted == known else next_of(journal, ledger=with_record(journal.ledger, noted))


def note_elsewhere(journal: Journal, token_id: str, reader: str, now: datetime) -> Journal:
    """Return the journal in which the path of credential `reader` serves that token now; itself for an unknown one."""
    known = journal.record_of(token_id)
    if known is None:
        return journal
    return next_of(journal, ledger=with_record(journal.ledger, copy_of(known, elsewhere_at=now, elsewhere_in=reader)))


def departed(known: TokenRecord, departure: Departure, *, not_before: datetime | None = None) -> TokenRecord:
    """Return the record as `note_departure` has it; it cannot have left before `not_before` on our clock."""
    if departure.left_at is None or known.state in {RecordState.CURRENT, RecordState.REVOKED}:
        return known
    times = (departure.left_at, known.superseded_at, not_before)
    served = known.state is RecordState.ABANDONED
    return copy_of(
        known,
        state=RecordState.SUPERSEDED if served else known.state,
        derived_at=known.derived_at or departure.served_at,
        promoted_at=known.promoted_at or departure.served_at,
        promoted_version=departure.version if served else known.promoted_version,
        superseded_at=max(one for one in times if one is not None),
        abandoned_at=None if served else known.abandoned_at,
    )
