"""Transitions that only a person asks for: take over, revoke everything, roll back, retire."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.journal.attempts import abandon, open_intent
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
from worker.journal.edits import not_allowed, open_intent_of
from worker.models import ListedToken, PathLocation, ServedDocument


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose journal it becomes: the credential as the settings name it now."""

    credential: str
    account: str
    location: PathLocation


def drop_intent(journal: Journal, *, reason: str, now: datetime) -> Journal:
    """Return the journal with its open intent abandoned, its label kept, and no failure counted: a person wanted it.

    A journal without an open intent is returned as it is. An emergency outlives its intent.
    """
    intent = journal.intent
    if intent is None:
        return journal
    since = journal.emergency_at or (intent.opened_at if intent.kind == "emergency" else None)
    dropped = abandon(journal, reason=reason, now=now)
    return dropped.model_copy(update={"failures": journal.failures, "emergency_at": since})


def want_emergency(journal: Journal, *, now: datetime, above: int = 0) -> Journal:
    """Return the journal in which every token is to be replaced at once, its open intent given up.

    It is written before anything else is done, so that an emergency which dies is finished by the next sweep.

    Args:
        journal: before.
        now: the present.
        above: the sequence of a document that is to be replaced although it counts further.
    """
    dropped = drop_intent(journal, reason="compromised", now=now)
    sequence = max(journal.sequence, above) + 1
    return dropped.model_copy(update={"emergency_at": dropped.emergency_at or now, "sequence": sequence})


def take_over(
    journal: Journal,
    *,
    owner: Owner,
    served: ServedDocument,
    version: int,
    listed: ListedToken,
    tokens: Sequence[ListedToken],
    rotation_id: str,
    window: VerifyWindow | None,
    counts: bool,
    now: datetime,
) -> Journal:
    """Return the journal with the served token current and every other live one superseded as of now.

    What the journal knows is kept, an open emergency included: only its own completion ends that. Nothing is marked
    for revocation: other tokens that carry a label of ours and have no record yet are superseded too, since a journal
    that was behind may have missed their promotion.

    Args:
        journal: the known one, or an empty one.
        owner: whose it is from now on.
        served: what the consumers' path holds.
        version: the KV version that holds it.
        listed: the exchange's row of the served token.
        tokens: every row of the list.
        rotation_id: fresh; used when the ledger does not know the served token.
        window: of our own call that proved the secret; None when none was made.
        counts: the served sequence is one that we may have written: the journal's gets ahead of it.
        now: the present.

    Raises:
        TransitionError: the served token was marked for revocation, which is final.
    """
    known = journal.record_of(served.token_id)
    if known is not None and known.state in {RecordState.REVOKING, RecordState.REVOKED}:
        raise not_allowed(journal, f"token {served.token_id} was marked for revocation")
    missed = _missed(journal, served.token_id, tokens, now)
    intent = journal.intent
    dropped = drop_intent(journal, reason="reclaimed", now=now)
    if known is None and intent is not None and intent.token and intent.token.token_id == served.token_id:
        known = dropped.record_of(served.token_id)
    fresh = known or TokenRecord(
        rotation_id=rotation_id,
        label=f"{owner.credential}/{rotation_id}",
        state=RecordState.CURRENT,
        token_id=served.token_id,
        adopted_as=listed.label or "",
    )
    current = fresh.model_copy(
        update={
            "state": RecordState.CURRENT,
            "derived_at": listed.created_at,
            "promoted_at": now,
            "promoted_version": version,
            "superseded_at": None,
            "abandoned_at": None,
            "adopted_as": fresh.adopted_as if served.label else listed.label or "",
            "windows": (*(w for w in fresh.windows if w.closed_at), *((window,) if window else ())),
        }
    )
    replaced = {served.token_id, *(one.token_id for one in missed)}
    # Whatever this journal had staged may have been served meanwhile, and services may hold it.
    promoted = intent.token.token_id if intent is not None and intent.token is not None else None
    others = tuple(
        _grace_anew(record, now, promoted=promoted)
        for record in dropped.ledger
        if record.token_id is None or record.token_id not in replaced
    )
    return dropped.model_copy(
        update={
            "credential": owner.credential,
            "account": owner.account,
            "mount": owner.location.mount,
            "path": owner.location.path,
            "sequence": max(journal.sequence, served.sequence if counts else 0) + 1,
            "ledger": (*others, *missed, current),
            "failures": Failures(),
        }
    )


def _missed(journal: Journal, served: str, tokens: Sequence[ListedToken], now: datetime) -> tuple[TokenRecord, ...]:
    """Return records of the live tokens that carry one of our labels although the ledger has no record of them."""
    return tuple(
        TokenRecord(
            rotation_id=(token.label or "").rsplit("/", 1)[-1],
            label=token.label or "",
            state=RecordState.SUPERSEDED,
            token_id=token.token_id,
            derived_at=token.created_at,
            promoted_at=token.created_at,
            superseded_at=now,
            windows=tuple(w for w in _windows_of(journal.intent, token.token_id) if w.closed_at),
        )
        for token in tokens
        if token.token_id != served and journal.owns_label(token.label) and journal.record_of(token.token_id) is None
    )


def _windows_of(intent: Intent | None, token_id: str) -> tuple[VerifyWindow, ...]:
    return intent.windows if intent and intent.token and intent.token.token_id == token_id else ()


def _grace_anew(record: TokenRecord, now: datetime, *, promoted: str | None) -> TokenRecord:
    if record.token_id is not None and record.token_id == promoted:
        return record.model_copy(
            update={
                "state": RecordState.SUPERSEDED,
                "promoted_at": record.derived_at,
                "superseded_at": now,
                "abandoned_at": None,
            }
        )
    if record.state not in {RecordState.CURRENT, RecordState.SUPERSEDED}:
        return record
    return record.model_copy(update={"state": RecordState.SUPERSEDED, "superseded_at": now})


def order_revocations(journal: Journal, *, reason: str, now: datetime) -> Journal:
    """Return the journal with every live token of ours marked for revocation for that reason, the current one too.

    An open intent is abandoned first, so that its token is among them. Marks made for another reason take this one. It
    is more than an open emergency asks for, so that one is over: the marks see to its tokens.
    """
    dropped = drop_intent(journal, reason=reason, now=now)
    ledger = tuple(_ordered(record, reason, now) for record in dropped.ledger)
    return dropped.model_copy(update={"ledger": ledger, "sequence": journal.sequence + 1, "emergency_at": None})


def _ordered(record: TokenRecord, reason: str, now: datetime) -> TokenRecord:
    if record.token_id is None or record.state not in LIVE | {RecordState.REVOKING}:
        return record
    changes = {
        "state": RecordState.REVOKING,
        "revoking_at": record.revoking_at or now,
        "revoking_reason": reason,
    }
    return record.model_copy(update=changes)


def retire(journal: Journal, *, now: datetime) -> Journal:
    """Return the journal at its end of life: never rotated again, every live token marked, the ledger kept."""
    return order_revocations(journal, reason="retired", now=now).model_copy(
        update={"retired_at": journal.retired_at or now}
    )


def open_rollback(
    journal: Journal,
    predecessor: TokenRecord,
    document: ServedDocument,
    *,
    rotation_id: str,
    now: datetime,
    expected_version: int,
) -> Journal:
    """Return the journal with an intent to serve the predecessor again, its secret staged in the same write.

    Args:
        journal: without an open intent.
        predecessor: a superseded token's record.
        document: the version that served it, with its secret.
        rotation_id: names this attempt; the token keeps its label.
        now: the present.
        expected_version: of the consumers' path.

    Raises:
        JournalFullError: the journal nears Vault's entry size.
        TransitionError: an intent is open, or the record is not a superseded token with a known age.
    """
    if predecessor.state is not RecordState.SUPERSEDED or predecessor.token_id is None:
        raise not_allowed(journal, f"{predecessor.label} is not superseded")
    opened = open_intent(
        journal,
        rotation_id=rotation_id,
        label=predecessor.label,
        # Whatever the token carries: nothing is asked of the exchange here that its row could differ from.
        scopes=document.scopes,
        reason="rolled_back",
        now=now,
        expected_version=expected_version,
        kind="rollback",
    )
    staged = StagedToken(
        token_id=predecessor.token_id,
        secret=document.secret,
        scopes=document.scopes,
        derived_at=predecessor.derived_at or document.derived_at,
        staged_at=now,
    )
    intent = open_intent_of(opened).model_copy(update={"token": staged, "windows": (VerifyWindow(opened_at=now),)})
    return opened.model_copy(update={"intent": intent})
