"""The journal: the durable, write-ahead memory of one credential, and its pure transitions.

One journal belongs to one consumers' path. Every transition takes a journal and returns the next one with `sequence`
counted up; nothing here reads a clock or writes anything.
"""

from worker.journal.attempts import (
    JOURNAL_LIMIT_BYTES,
    KEPT_ENDED_RECORDS,
    abandon,
    close,
    compact,
    is_unstaged,
    open_intent,
    reopen_verify,
    stage,
)
from worker.journal.dating import LONGEST_OWN_CALL, Promotion, ahead_by, date_anew, date_promotion
from worker.journal.departures import note_departure, note_elsewhere
from worker.journal.documents import (
    LIVE,
    Failures,
    Intent,
    Journal,
    RecordState,
    StagedToken,
    TokenRecord,
    VerifyWindow,
    VersionedJournal,
    new_journal,
)
from worker.journal.orders import (
    Owner,
    drop_intent,
    open_rollback,
    order_revocations,
    retire,
    take_over,
    want_emergency,
)
from worker.journal.tokens import end_record, forget_failures, mark_revoking, note_own_call

__all__ = [
    "JOURNAL_LIMIT_BYTES",
    "KEPT_ENDED_RECORDS",
    "LIVE",
    "LONGEST_OWN_CALL",
    "Failures",
    "Intent",
    "Journal",
    "Owner",
    "Promotion",
    "RecordState",
    "StagedToken",
    "TokenRecord",
    "VerifyWindow",
    "VersionedJournal",
    "abandon",
    "ahead_by",
    "close",
    "compact",
    "date_anew",
    "date_promotion",
    "drop_intent",
    "end_record",
    "forget_failures",
    "is_unstaged",
    "mark_revoking",
    "new_journal",
    "note_departure",
    "note_elsewhere",
    "note_own_call",
    "open_intent",
    "open_rollback",
    "order_revocations",
    "reopen_verify",
    "retire",
    "stage",
    "take_over",
    "want_emergency",
]
