"""Which moment counts where the clocks that tell it may be off: grace from the later one, age from the earlier."""

from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import BaseModel

from worker.journal.documents import Failures, Intent, Journal
from worker.journal.edits import M, copy_of, next_of

LONGEST_OWN_CALL = timedelta(minutes=1)
"""How long a call that proves a served token may take."""


class Promotion(NamedTuple):
    """When a token began to be served: `promoted_at` for its period, `superseded_at` for its predecessor's grace."""

    promoted_at: datetime
    superseded_at: datetime


def date_promotion(
    intent: Intent, created_time: datetime, *, written_at: datetime | None, now: datetime, skew: timedelta
) -> Promotion:
    """Return when the staged token of that intent was promoted.

    Vault's `created_time` is believed when it lies, give or take the skew, between what the promote cannot precede and
    the present. Otherwise Vault's clock decides nothing: the period counts from when the exchange derived the token
    (for a rollback, from when its secret was staged), and grace from the latest of all clocks.

    Args:
        intent: with its token.
        created_time: Vault's, of the version that serves the token.
        written_at: the promoting worker's clock just before that write, as the served document says; None: unknown.
        now: the present of the worker that closes.
        skew: by how much clocks may differ.
    """
    token = intent.token
    if token is None:
        raise ValueError(f"rotation {intent.rotation_id} has staged nothing")
    born = token.staged_at if intent.kind == "rollback" else token.derived_at
    before = [born, *(window.opened_at for window in intent.windows[-1:]), *([written_at] if written_at else [])]
    if max(before) - skew <= created_time <= now + skew:
        return Promotion(created_time, created_time)
    # Where the token would be born after all other clocks, it is the exchange's that was off.
    return Promotion(
        promoted_at=min(born, max(created_time, now)), superseded_at=max(created_time, token.staged_at, now)
    )


def ahead_by(journal: Journal, now: datetime) -> timedelta:
    """Return by how much the latest moment that has passed, as the journal tells it, lies ahead; negative for none."""
    found = (moment for part in _parts(journal) for moment in _passed_moments(part).values())
    return max((moment - now for moment in found), default=timedelta.min)


def date_anew(journal: Journal, *, now: datetime, skew: timedelta) -> Journal:
    """Return the journal in which nothing that has passed lies in the future; itself when nothing does.

    What a clock that was ahead dated later than now and the permitted skew counts from now on, when it is first seen.
    A back-off keeps its length, a superseded token gets its whole grace from now.
    """
    if ahead_by(journal, now) <= skew:
        return journal
    intent = journal.intent
    if intent is not None:
        token = _passed(intent.token, now, skew) if intent.token else None
        windows = tuple(_passed(one, now, skew) for one in intent.windows)
        intent = copy_of(_passed(intent, now, skew), token=token, windows=windows)
    ledger = tuple(
        copy_of(_passed(one, now, skew), windows=tuple(_passed(window, now, skew) for window in one.windows))
        for one in journal.ledger
    )
    changed = copy_of(_passed(journal, now, skew), intent=intent, ledger=ledger)
    return next_of(changed, failures=_failures(journal.failures, now, skew))


def _failures(failures: Failures, now: datetime, skew: timedelta) -> Failures:
    last, retry = failures.last_at, failures.retry_at
    if last is None or last - now <= skew:
        return failures
    return copy_of(failures, last_at=now, retry_at=None if retry is None else now + max(timedelta(), retry - last))


def _passed(part: M, now: datetime, skew: timedelta) -> M:
    changes = {name: now for name, moment in _passed_moments(part).items() if moment - now > skew}
    return copy_of(part, **changes) if changes else part


def _parts(journal: Journal) -> list[BaseModel]:
    intent = journal.intent
    attempt = [intent, *intent.windows, *([intent.token] if intent.token else [])] if intent else []
    records = [part for record in journal.ledger for part in (record, *record.windows)]
    return [journal, *attempt, *records, journal.failures]


def _passed_moments(part: BaseModel) -> dict[str, datetime]:
    """Return the moments of that part of a journal that have passed by their meaning, by field."""
    moments = {name: getattr(part, name) for name in type(part).model_fields if name != "retry_at"}
    return {
        # A call of our own is noted before it is made, with an end that it cannot outlast.
        name: moment - LONGEST_OWN_CALL if name == "closed_at" else moment
        for name, moment in moments.items()
        if isinstance(moment, datetime)
    }
