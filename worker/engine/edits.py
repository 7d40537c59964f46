"""Edit: what a person orders is written to account ledgers: read, decide, write with CAS.

A lost race is answered by reading and deciding again, so an order never undoes what a sweep or another person wrote in
between. Only Vault is needed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from worker.account_ledger import AccountLedger, Binding, Suspicion
from worker.engine.world import Recorder
from worker.errors import AmbiguousError, ConflictError, RotatorError
from worker.models import Severity
from worker.policy.steps import Hold, Plan, Reason, Result, Step
from worker.ports import AccountLedgers, Clock

_MOST_TRIES = 5
"""Sweeps write an account's ledger about once a minute: whoever loses five races in a row has another problem."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit makes of a ledger (the same one: nothing is to be written), and how that is told."""

    ledger: AccountLedger
    steps: tuple[Step, ...] = ()
    holds: tuple[Hold, ...] = ()
    basis: Suspicion | Binding | None = None
    """What the order is about; when a lost race finds another one, the order was not about that."""


Edit = Callable[[AccountLedger, datetime], Change]
"""Decides on a ledger at a time (UTC); idempotent: what it made of a ledger, it leaves as it is."""

Edits = Mapping[str, Edit]
"""The edit of each account that an order concerns."""


def plan_edits(accounts: AccountLedgers, edits: Edits, now: datetime) -> Plan:
    """Return what the edits would do to the ledgers as they are now; an unreadable one is a hold. Writes nothing."""
    steps: list[Step] = []
    holds: list[Hold] = []
    for account, edit in edits.items():
        try:
            change = edit(accounts.read(account).ledger, now)
        except RotatorError as error:
            sentence = f"Nothing can be said about account {account}: {error}"
            holds.append(Hold(account, "", Reason.UNREADABLE, sentence, Severity.WARNING))
            continue
        steps.extend(change.steps)
        holds.extend(change.holds)
    return Plan(tuple(steps), tuple(holds))


def carry_out_edits(accounts: AccountLedgers, edits: Edits, recorder: Recorder, clock: Clock) -> frozenset[str]:
    """Write every edit and record what became of it; one account's failure does not stop another's.

    Returns:
        The accounts for which it failed, which has been recorded.
    """
    failed: set[str] = set()
    for account, edit in edits.items():
        try:
            change = _write(accounts, account, edit, clock)
        except RotatorError as error:
            _record_failure(recorder, account, error)
            failed.add(account)
            continue
        for step in change.steps:
            recorder.done(step, step.sentence)
        recorder.holds(change.holds)
    return frozenset(failed)


def _write(accounts: AccountLedgers, account: str, edit: Edit, clock: Clock) -> Change:
    """Return the change once it is durable (or needs no writing); raises RotatorError."""
    tried: Change | None = None
    unknown = False
    for left in reversed(range(_MOST_TRIES)):
        version, before = accounts.read(account)
        change = edit(before, clock.now())
        if change.ledger == before:
            # After an answer was lost this says that the write had landed; what it did is what is to be told.
            return tried if tried is not None and unknown else change
        if tried is not None and change.basis != tried.basis:
            raise ConflictError(
                f"What was to be decided about account {account} has changed meanwhile. Look again: rotator status"
            )
        try:
            accounts.write(change.ledger, cas=version)
        except (ConflictError, AmbiguousError) as error:
            if not left:
                raise
            tried, unknown = change, isinstance(error, AmbiguousError)
            continue
        return change
    raise AssertionError  # the last try returns or raises


def _record_failure(recorder: Recorder, account: str, error: RotatorError) -> None:
    if isinstance(error, AmbiguousError):
        sentence = (
            f"Whether this order reached account {account} is unknown; give it again, twice does no harm. {error}"
        )
    else:
        sentence = f"Nothing was changed for account {account}; give the order again. {error}"
    recorder.note(account, "", Result.FAILED, Reason.FAILED, sentence, severity=Severity.WARNING)
