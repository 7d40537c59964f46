"""The journal document and its pure transitions: the durable, write-ahead memory of one credential.

One journal belongs to one consumers' path. Every transition takes a journal and returns the next one with `sequence`
counted up; nothing here reads a clock or writes anything. Only the Vault adapter serialises a journal, and only it
asks for the secret in it (`Journal.to_document`).
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr, SerializationInfo, field_serializer

from worker.errors import JournalFullError
from worker.models import DerivedToken, PathLocation

JOURNAL_LIMIT_BYTES = 512 * 1024
"""Half of Vault's default 1 MiB entry size; an intent is refused beyond it."""

KEPT_ENDED_RECORDS = 50
"""Ended ledger records kept in full; of older ones only the label stays (a label once ours is ours for good)."""

_REVEAL = "reveal_secrets"

M = TypeVar("M", bound=BaseModel)


class _Frozen(BaseModel):
    # An older worker must not drop what a newer one wrote, so an unknown field is refused.
    model_config = ConfigDict(frozen=True, extra="forbid")


class VerifyWindow(_Frozen):
    """When our own verify calls may have moved a token's `lastUsedAt`; `closed_at` is None while it is open."""

    opened_at: AwareDatetime
    closed_at: AwareDatetime | None = None


class StagedToken(_Frozen):
    """A derived token whose secret so far lives only here."""

    token_id: str
    secret: SecretStr
    scopes: tuple[str, ...]
    derived_at: AwareDatetime
    staged_at: AwareDatetime

    @field_serializer("secret", when_used="json")
    def _secret(self, value: SecretStr, info: SerializationInfo) -> str:
        return value.get_secret_value() if (info.context or {}).get(_REVEAL) else str(value)


class Intent(_Frozen):
    """One attempt under way. `expected_version` is the consumers' version that the promote will CAS against."""

    kind: Literal["rotation", "emergency", "rollback"] = "rotation"
    rotation_id: str
    label: str
    reason: str
    opened_at: AwareDatetime
    expected_version: int
    scopes: tuple[str, ...]
    token: StagedToken | None = None
    windows: tuple[VerifyWindow, ...] = ()


class RecordState(StrEnum):
    """Where a token of the ledger is in its life.

    ABANDONED: its attempt was given up; its token, if one exists, is an orphan. REVOKED: the exchange's own answer
    ended it.
    """

    CURRENT = "current"
    SUPERSEDED = "superseded"
    ABANDONED = "abandoned"
    REVOKING = "revoking"
    REVOKED = "revoked"


_LIVE = frozenset({RecordState.CURRENT, RecordState.SUPERSEDED, RecordState.ABANDONED})


class TokenRecord(_Frozen):
    """One token this worker made or took over, or one label it asked for (`token_id` None: the answer never came).

    `adopted_as` is the label that an adopted token carries at the exchange; `label` is then only our name for it, so
    that other tokens of that label are never taken for ours. `tried_at` is when its revocation was last tried.
    """

    rotation_id: str
    label: str
    state: RecordState
    token_id: str | None = None
    derived_at: AwareDatetime | None = None
    promoted_at: AwareDatetime | None = None
    promoted_version: int | None = None
    superseded_at: AwareDatetime | None = None
    abandoned_at: AwareDatetime | None = None
    revoking_at: AwareDatetime | None = None
    revoking_reason: str | None = None
    revoked_at: AwareDatetime | None = None
    windows: tuple[VerifyWindow, ...] = ()
    tried_at: AwareDatetime | None = None
    adopted_as: str | None = None
    last_used_by_others: AwareDatetime | None = None
    secret_destroyed: bool = False


class Failures(_Frozen):
    """Consecutive failed attempts; a successful close (or a person who resumes) resets them.

    `count` leads to parking. `passing` counts the attempts that ended because the exchange could not take them just
    then (throttled, not reachable) and certainly did nothing: they back off, and never park. `retry_at` was drawn when
    the last one failed, so that every worker waits for the same moment.
    """

    count: int = 0
    passing: int = 0
    last_at: AwareDatetime | None = None
    retry_at: AwareDatetime | None = None
    last_reason: str | None = None

    @property
    def attempts(self) -> int:
        """All failed attempts since the last success: how far they are apart hangs on it."""
        return self.count + self.passing


class Journal(_Frozen):
    """Everything durable about one credential. `sequence` counts this document's writes."""

    schema_version: Literal[1] = 1
    sequence: int = 0
    credential: str
    account: str
    mount: str
    path: str
    intent: Intent | None = None
    ledger: tuple[TokenRecord, ...] = ()
    past_labels: tuple[str, ...] = ()
    failures: Failures = Failures()
    retired_at: AwareDatetime | None = None

    @property
    def location(self) -> PathLocation:
        """The consumers' path that this journal belongs to."""
        return PathLocation(self.mount, self.path)

    @property
    def current(self) -> TokenRecord | None:
        """The record of the token that the consumers' path should serve, or None before the first promote."""
        return next((record for record in self.ledger if record.state is RecordState.CURRENT), None)

    def record_of(self, token_id: str) -> TokenRecord | None:
        """Return the ledger record of that token id, or None."""
        return next((record for record in self.ledger if record.token_id == token_id), None)

    def owns_label(self, label: str | None) -> bool:
        """Whether that full label was ever asked for by this journal, the open intent included."""
        return label is not None and (
            label in self.past_labels
            or any(record.label == label for record in self.ledger)
            or (self.intent is not None and self.intent.label == label)
        )

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-ready document with the staged secret in the clear: for Vault and nothing else."""
        return self.model_dump(mode="json", context={_REVEAL: True}, exclude_none=True)


class VersionedJournal(NamedTuple):
    """A journal and the KV version it was read from (or written as)."""

    version: int
    journal: Journal


def new_journal(credential: str, account: str, location: PathLocation) -> Journal:
    """Return the empty journal of a credential that was never rotated."""
    return Journal(credential=credential, account=account, mount=location.mount, path=location.path)


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
        raise ValueError(f"{journal.credential}: intent {journal.intent.rotation_id} is still open")
    compacted = _compact(journal)
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
    return _next(compacted, intent=intent)


def stage(journal: Journal, token: DerivedToken, *, now: datetime) -> Journal:
    """Return the journal holding the derived token, its verify window opened by this very write."""
    intent = _open(journal)
    staged = StagedToken(
        token_id=token.token_id,
        secret=token.secret,
        scopes=token.scopes,
        derived_at=token.created_at,
        staged_at=now,
    )
    return _next(journal, intent=_copy(intent, token=staged, windows=(VerifyWindow(opened_at=now),)))


def reopen_verify(journal: Journal, *, now: datetime) -> Journal:
    """Return the journal with one more verify window, for a verify that is repeated by a later run."""
    intent = _open(journal)
    return _next(journal, intent=_copy(intent, windows=(*_closed(intent.windows, now), VerifyWindow(opened_at=now))))


def close(journal: Journal, *, promoted_version: int, promoted_at: datetime, now: datetime) -> Journal:
    """Return the journal after a promote: ours is current, its predecessor superseded, the secret gone from here.

    Args:
        journal: with a staged intent.
        promoted_version: the consumers' KV version that serves the token.
        promoted_at: Vault's own `created_time` of that version.
        now: closes the verify window.
    """
    intent = _open(journal)
    if intent.token is None:
        raise ValueError(f"{journal.credential}: rotation {intent.rotation_id} was closed before it was staged")
    known = journal.record_of(intent.token.token_id) or TokenRecord(
        rotation_id=intent.rotation_id,
        label=intent.label,
        state=RecordState.CURRENT,
        token_id=intent.token.token_id,
        derived_at=intent.token.derived_at,
    )
    current = _copy(
        known,
        state=RecordState.CURRENT,
        promoted_at=promoted_at,
        promoted_version=promoted_version,
        superseded_at=None,
        windows=(*known.windows, *_closed(intent.windows, now)),
    )
    others = (record for record in journal.ledger if record.token_id is None or record.token_id != current.token_id)
    ledger = tuple(_overtaken(record, intent.kind, promoted_at, now) for record in others)
    return _next(journal, intent=None, ledger=(*ledger, current), failures=Failures())


def _overtaken(record: TokenRecord, kind: str, promoted_at: datetime, now: datetime) -> TokenRecord:
    if kind == "emergency" and record.token_id is not None and record.state in _LIVE:
        return _copy(record, state=RecordState.REVOKING, revoking_at=now, revoking_reason="compromised")
    if record.state is RecordState.CURRENT:
        return _copy(record, state=RecordState.SUPERSEDED, superseded_at=promoted_at)
    return record


def abandon(
    journal: Journal, *, reason: str, now: datetime, retry_at: datetime | None = None, passing: bool = False
) -> Journal:
    """Return the journal with the attempt given up and counted as a failure; its label stays watched.

    Args:
        journal: with an open intent.
        reason: why.
        now: the present.
        retry_at: before which no further attempt is made unless a person asks for one.
        passing: it ended because the exchange could not take it just then; that never parks.
    """
    intent, before = _open(journal), journal.failures
    failures = Failures(
        count=before.count + (0 if passing else 1),
        passing=before.passing + (1 if passing else 0),
        last_at=now,
        retry_at=retry_at,
        last_reason=reason,
    )
    if intent.kind == "rollback":
        # Nothing was derived: its token is the predecessor, which stays what it is.
        return _next(journal, intent=None, failures=failures)
    record = TokenRecord(
        rotation_id=intent.rotation_id,
        label=intent.label,
        state=RecordState.ABANDONED,
        token_id=intent.token.token_id if intent.token else None,
        derived_at=intent.token.derived_at if intent.token else None,
        abandoned_at=now,
        windows=_closed(intent.windows, now),
    )
    return _next(journal, intent=None, ledger=(*journal.ledger, record), failures=failures)


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

    A token that is in no record but carries one of our labels (an orphan) gets a record of its own.
    """
    if journal.intent is not None:
        raise ValueError(f"{journal.credential}: nothing is revoked while an intent is open")
    known = journal.record_of(token_id)
    if known is None:
        rotation_id = label.rsplit("/", 1)[-1]
        known = TokenRecord(rotation_id=rotation_id, label=label, state=RecordState.ABANDONED, token_id=token_id)
    if known.state is RecordState.CURRENT:
        raise ValueError(f"{journal.credential}: token {token_id} is current and is never revoked")
    marked = _copy(
        known,
        state=RecordState.REVOKING,
        revoking_at=known.revoking_at or now,
        revoking_reason=reason,
        tried_at=now,
        last_used_by_others=last_used_by_others or known.last_used_by_others,
    )
    return _next(journal, ledger=_with(journal.ledger, marked))


def end_record(journal: Journal, *, token_id: str, now: datetime, secret_destroyed: bool) -> Journal:
    """Return the journal with that token ended by the exchange's answer (or, later, its secret destroyed)."""
    known = journal.record_of(token_id)
    if known is None or known.state not in {RecordState.REVOKING, RecordState.REVOKED}:
        raise ValueError(f"{journal.credential}: token {token_id} was not marked before it was revoked")
    ended = _copy(
        known,
        state=RecordState.REVOKED,
        revoked_at=known.revoked_at or now,
        secret_destroyed=secret_destroyed,
    )
    return _next(journal, ledger=_with(journal.ledger, ended))


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
        raise ValueError(f"{journal.credential}: an open intent's journal belongs to its rotation")
    window = VerifyWindow(opened_at=opened_at, closed_at=closed_at)
    ledger = tuple(
        _copy(record, windows=_joined(record.windows, window, gap)) if record.token_id == token_id else record
        for record in journal.ledger
    )
    return _next(journal, ledger=ledger)


def _joined(windows: tuple[VerifyWindow, ...], window: VerifyWindow, gap: timedelta) -> tuple[VerifyWindow, ...]:
    last = windows[-1] if windows else None
    if last is None or last.closed_at is None or not last.opened_at <= window.opened_at <= last.closed_at + gap:
        return (*windows, window)
    return (*windows[:-1], _copy(last, closed_at=max(last.closed_at, window.closed_at or last.closed_at)))


def forget_failures(journal: Journal) -> Journal:
    """Return the journal with its failures forgotten, as a person who resumes a parked credential asks for."""
    if journal.intent is not None:
        raise ValueError(f"{journal.credential}: an open intent's journal belongs to its rotation")
    return _next(journal, failures=Failures())


def _open(journal: Journal) -> Intent:
    if journal.intent is None:
        raise ValueError(f"{journal.credential}: no intent is open")
    return journal.intent


def _copy(model: M, **changes: object) -> M:
    return model.model_copy(update=changes)


def _next(journal: Journal, **changes: object) -> Journal:
    return _copy(journal, sequence=journal.sequence + 1, **changes)


def _closed(windows: tuple[VerifyWindow, ...], now: datetime) -> tuple[VerifyWindow, ...]:
    return tuple(window if window.closed_at else _copy(window, closed_at=now) for window in windows)


def _with(ledger: tuple[TokenRecord, ...], changed: TokenRecord) -> tuple[TokenRecord, ...]:
    replaced = tuple(changed if record.token_id == changed.token_id else record for record in ledger)
    return replaced if changed in replaced else (*replaced, changed)


def _compact(journal: Journal) -> Journal:
    ended = [record for record in journal.ledger if record.state is RecordState.REVOKED and record.secret_destroyed]
    dropped = ended[: max(0, len(ended) - KEPT_ENDED_RECORDS)]
    if not dropped:
        return journal
    kept = tuple(record for record in journal.ledger if record not in dropped)
    labels = dict.fromkeys((*journal.past_labels, *(record.label for record in dropped)))
    return _copy(journal, ledger=kept, past_labels=tuple(labels))
