"""A token's transitions outside of an attempt: marked, ended, used by ourselves; and failures forgotten."""

from datetime import datetime, timedelta

from worker.journal.attempts import compact
from worker.journal.documents import Failures, Journal, RecordState, TokenRecord, VerifyWindow
from worker.journal.edits import copy_of, next_of, not_allowed, with_record

_MANY_RECORDS = 500
"""A journal with fewer is far from Vault's entry size, and each rotation makes it small again."""


def mark_revoking(
    journal: Journal,
    *,
    token_id: str,
    label: str,
    reason: str,
    now: datetime,
    last_used_by_others: datetime | None,
) -> Journal:
    """Return the journal with that token marked: from here on it can never be served again.

    A token that is in no record but carries one of our labels (an orphan) gets a record of its own. One that had ended
    is open again.
    """
    if journal.intent is not None:
        raise not_allowed(journal, "nothing is revoked while an intent is open")
    known = journal.record_of(token_id)
    if known is None:
        rotation_id = label.rsplit("/", 1)[-1]
        known = TokenRecord(rotation_id=rotation_id, label=label, state=RecordState.ABANDONED, token_id=token_id)
        if len(journal.ledger) >= _MANY_RECORDS:
            # Any number of tokens can be issued with a label of ours, between one rotation and the next.
            journal = compact(journal)
    if known.state is RecordState.CURRENT:
        raise not_allowed(journal, f"token {token_id} is current and is never revoked")
    marked = copy_of(
        known,
        state=RecordState.REVOKING,
        revoking_at=known.revoking_at or now,
        revoking_reason=reason,
        revoked_at=None,
        tried_at=now,
        last_used_by_others=last_used_by_others or known.last_used_by_others,
    )
    return next_of(journal, ledger=with_record(journal.ledger, marked))


def end_record(journal: Journal, *, token_id: str, now: datetime, secret_destroyed: bool) -> Journal:
    """Return the journal with that token ended by the exchange's answer (or, later, its secret destroyed)."""
    known = journal.record_of(token_id)
    if known is None or known.state not in {RecordState.REVOKING, RecordState.REVOKED}:
        raise not_allowed(journal, f"token {token_id} was not marked before it was revoked")
    ended = copy_of(
        known,
        state=RecordState.REVOKED,
        revoked_at=known.revoked_at or now,
        secret_destroyed=secret_destroyed,
    )
    return next_of(journal, ledger=with_record(journal.ledger, ended))


def note_own_call(
    journal: Journal, token_id: str, *, opened_at: datetime, closed_at: datetime, gap: timedelta
) -> Journal:
    """Return the journal with a window in which our own call may move that token's `lastUsedAt`.

    Args:
        journal: with no intent open, or one whose token is staged.
        token_id: whose.
        opened_at: before the call.
        closed_at: when it has ended for certain.
        gap: a window that begins within this time of the last one's end prolongs that one: what lies in between is
            discounted anyway, and a call that is repeated for long must not fill the journal.
    """
    if journal.intent is not None and journal.intent.token is None:
        raise not_allowed(journal, "an open intent's journal belongs to its rotation")
    window = VerifyWindow(opened_at=opened_at, closed_at=closed_at)
    ledger = tuple(
        copy_of(record, windows=_joined(record.windows, window, gap)) if record.token_id == token_id else record
        for record in journal.ledger
    )
    return next_of(journal, ledger=ledger)


def _joined(windows: tuple[VerifyWindow, ...], window: VerifyWindow, gap: timedelta) -> tuple[VerifyWindow, ...]:
    last = windows[-1] if windows else None
    if last is None or last.closed_at is None or not last.opened_at <= window.opened_at <= last.closed_at + gap:
        return (*windows, window)
    return (*windows[:-1], copy_of(last, closed_at=max(last.closed_at, window.closed_at or last.closed_at)))


def forget_failures(journal: Journal) -> Journal:
    """Return the journal with its failures forgotten, as a person who resumes a parked credential asks for."""
    if journal.intent is not None:
        raise not_allowed(journal, "an open intent's journal belongs to its rotation")
    return next_of(journal, failures=Failures())
