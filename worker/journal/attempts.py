"""An attempt's transitions: an intent is opened, its token staged, and it is closed or abandoned."""

from datetime import UTC, datetime
from typing import Literal

from worker.errors import JournalFullError
from worker.journal.departures import departed
from worker.journal.documents import (
    LIVE,
    Failures,
    Intent,
    Journal,
    RecordState,
    StagedToken,
    TokenRecord,
    VerifyWindow,
)
from worker.journal.edits import closed, copy_of, next_of, not_allowed, open_intent_of
from worker.models import Departure, DerivedToken

JOURNAL_LIMIT_BYTES = 512 * 1024
"""Half of Vault's default 1 MiB entry size; an intent is refused beyond it."""

KEPT_ENDED_RECORDS = 50
"""Ended ledger records kept in full, beside the one used last; of older ones only the label stays (a label once ours
is ours for good)."""

_MOST_WINDOWS = 10
"""Verify windows of one attempt that are told apart; an outage can have it verified at every sweep for days."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def open_intent(
    journal: Journal,
    *,
    rotation_id: str,
    label: str,
    scopes: tuple[str, ...],
    reason: str,
    now: datetime,
    expected_version: int,
    kind: Literal["rotation", "emergency", "rollback"] = "rotation",
) -> Journal:
    """Return the journal with an intent of that kind; raises JournalFullError when it nears Vault's entry size."""
    if journal.intent is not None:
        raise not_allowed(journal, f"intent {journal.intent.rotation_id} is still open")
    compacted = compact(journal)
    if len(compacted.model_dump_json()) > JOURNAL_LIMIT_BYTES:
        raise JournalFullError(
            f"The journal of credential {journal.credential} (account {journal.account}) is larger than "
            f"{JOURNAL_LIMIT_BYTES} bytes. No rotation is started; revoke or clear what its ledger still holds open."
        )
    intent = Intent(
        kind=kind,
        rotation_id=rotation_id,
        label=label,
        scopes=scopes,
        reason=reason,
        opened_at=now,
        expected_version=expected_version,
    )
    emergency_at = (journal.emergency_at or now) if kind == "emergency" else journal.emergency_at
    return next_of(compacted, intent=intent, emergency_at=emergency_at)


def stage(journal: Journal, token: DerivedToken, *, now: datetime) -> Journal:
    """Return the journal holding the derived token, its verify window opened by this very write."""
    intent = open_intent_of(journal)
    staged = StagedToken(
        token_id=token.token_id,
        secret=token.secret,
        scopes=token.scopes,
        derived_at=token.created_at,
        staged_at=now,
    )
    return next_of(journal, intent=copy_of(intent, token=staged, windows=(VerifyWindow(opened_at=now),)))


def is_unstaged(journal: Journal, token_id: str, label: str) -> bool:
    """Whether a token that was derived with that label certainly never reached the journal, so that nobody serves it.

    Its id is nowhere in it, and its attempt was given up without a token. A label of which the journal knows nothing
    (it may have been restored), or whose attempt ended in any other way, proves nothing.
    """
    staged = journal.intent.token if journal.intent else None
    if (staged is not None and staged.token_id == token_id) or journal.record_of(token_id) is not None:
        return False
    return any(
        record.label == label and record.token_id is None and record.state is RecordState.ABANDONED
        for record in journal.ledger
    )


def reopen_verify(journal: Journal, *, now: datetime) -> Journal:
    """Return the journal with one more verify window, for a verify that is repeated by a later run."""
    intent = open_intent_of(journal)
    before = closed(intent.windows, now)
    if len(before) >= _MOST_WINDOWS:
        # What lies in between is discounted, too: too little is taken for use then, never too much.
        before = (VerifyWindow(opened_at=before[0].opened_at, closed_at=before[-1].closed_at),)
    return next_of(journal, intent=copy_of(intent, windows=(*before, VerifyWindow(opened_at=now))))


def close(
    journal: Journal,
    *,
    promoted_version: int,
    promoted_at: datetime,
    now: datetime,
    superseded_at: datetime | None = None,
) -> Journal:
    """Return the journal after a promote: ours is current, its predecessor superseded, the secret gone from here.

    Args:
        journal: with a staged intent.
        promoted_version: the consumers' KV version that serves the token.
        promoted_at: when that was, for the token's period (`date_promotion`).
        now: closes the verify window.
        superseded_at: when that was, for its predecessor's grace; None: the same moment.
    """
    intent = open_intent_of(journal)
    if intent.token is None:
        raise not_allowed(journal, f"rotation {intent.rotation_id} was closed before it was staged")
    known = journal.record_of(intent.token.token_id) or TokenRecord(
        rotation_id=intent.rotation_id,
        label=intent.label,
        state=RecordState.CURRENT,
        token_id=intent.token.token_id,
        derived_at=intent.token.derived_at,
    )
    current = copy_of(
        known,
        state=RecordState.CURRENT,
        promoted_at=promoted_at,
        promoted_version=promoted_version,
        superseded_at=None,
        windows=(*known.windows, *closed(intent.windows, now)),
    )
    others = (record for record in journal.ledger if record.token_id is None or record.token_id != current.token_id)
    ledger = tuple(_overtaken(record, intent.kind, superseded_at or promoted_at, now) for record in others)
    emergency_at = None if intent.kind == "emergency" else journal.emergency_at
    return next_of(journal, intent=None, ledger=(*ledger, current), failures=Failures(), emergency_at=emergency_at)


def _overtaken(record: TokenRecord, kind: str, superseded_at: datetime, now: datetime) -> TokenRecord:
    if kind == "emergency" and record.token_id is not None and record.state in LIVE | {RecordState.REVOKING}:
        return copy_of(
            record,
            state=RecordState.REVOKING,
            revoking_at=record.revoking_at or now,
            revoking_reason="compromised",
        )
    if record.state is RecordState.CURRENT:
        return copy_of(record, state=RecordState.SUPERSEDED, superseded_at=superseded_at)
    return record


def abandon(
    journal: Journal,
    *,
    reason: str,
    now: datetime,
    retry_at: datetime | None = None,
    passing: bool = False,
    lost: bool = False,
    departure: Departure | None = None,
) -> Journal:
    """Return the journal with the attempt given up and counted as a failure; its label stays watched.

    Args:
        journal: with an open intent.
        reason: why.
        now: the present.
        retry_at: before which no further attempt is made unless a person asks for one.
        passing: it ended because the exchange could not take it just then; that never parks.
        lost: so it ended, and its derive may have made a token all the same.
        departure: its token was served after all, and left the path: it is no orphan but superseded.
    """
    intent, before = open_intent_of(journal), journal.failures
    failures = Failures(
        count=before.count + (0 if passing or lost else 1),
        passing=before.passing + (1 if passing or lost else 0),
        lost=before.lost + (1 if lost else 0),
        last_at=now,
        retry_at=retry_at,
        last_reason=reason,
    )
    if intent.kind == "rollback":
        # Nothing was derived: its token is the predecessor, which stays what it is, and a person sees the failure.
        ledger = _with_windows(journal.ledger, intent, now)
        return next_of(journal, intent=None, ledger=tuple(_departed(one, intent, departure) for one in ledger))
    record = TokenRecord(
        rotation_id=intent.rotation_id,
        label=intent.label,
        state=RecordState.ABANDONED,
        token_id=intent.token.token_id if intent.token else None,
        derived_at=intent.token.derived_at if intent.token else None,
        abandoned_at=now,
        windows=closed(intent.windows, now),
    )
    ledger = (*journal.ledger, _departed(record, intent, departure))
    return next_of(journal, intent=None, ledger=ledger, failures=failures)


def _departed(record: TokenRecord, intent: Intent, departure: Departure | None) -> TokenRecord:
    if departure is None or intent.token is None or record.token_id != intent.token.token_id:
        return record
    return departed(record, departure, not_before=intent.token.staged_at)


def _with_windows(ledger: tuple[TokenRecord, ...], intent: Intent, now: datetime) -> tuple[TokenRecord, ...]:
    """Return the ledger in which the intent's token keeps the windows of our own calls: they are nobody's use."""
    token_id = intent.token.token_id if intent.token else None
    return tuple(
        copy_of(record, windows=(*record.windows, *closed(intent.windows, now)))
        if token_id is not None and record.token_id == token_id
        else record
        for record in ledger
    )


def compact(journal: Journal) -> Journal:
    """Return the journal with all but the latest ended records reduced to their labels."""
    ended = [record for record in journal.ledger if record.state is RecordState.REVOKED and record.secret_destroyed]
    used = [record for record in ended if record.last_used_by_others is not None]
    # How long nobody has used the credential hangs on this one, however many tokens came after it.
    last_used = max(used, key=lambda record: record.last_used_by_others or _LONG_AGO, default=None)
    dropped = [record for record in ended[: max(0, len(ended) - KEPT_ENDED_RECORDS)] if record is not last_used]
    if not dropped:
        return journal
    kept = tuple(record for record in journal.ledger if not any(record is one for one in dropped))
    labels = dict.fromkeys((*journal.past_labels, *(record.label for record in dropped)))
    return copy_of(journal, ledger=kept, past_labels=tuple(labels))
