"""What people order for an account: pauses, and freezes, as its ledger keeps them."""

from collections.abc import Iterable
from datetime import datetime

from worker.account_ledger import AccountLedger, OrderedFreeze, Pause, changed


def pause(ledger: AccountLedger, ordered: Pause, now: datetime) -> AccountLedger:
    """Return the ledger with that pause in place of the one of the same credential (or of the account)."""
    others = (one for one in _in_force(ledger.pauses, now) if one.credential != ordered.credential)
    return changed(ledger, pauses=(*others, ordered), freezes=_remembered(ledger.freezes, now))


def lift_pauses(ledger: AccountLedger, credential: str | None, now: datetime) -> AccountLedger:
    """Return the ledger without the pauses of that credential; for None without any, the account's own included."""
    kept = tuple(
        one for one in _in_force(ledger.pauses, now) if credential is not None and one.credential != credential
    )
    return changed(ledger, pauses=kept, freezes=_remembered(ledger.freezes, now))


def freeze(ledger: AccountLedger, ordered: OrderedFreeze, now: datetime) -> AccountLedger:
    """Return the ledger with that freeze in place of the one that was ordered before.

    Like a pause it replaces without asking: the caller has seen that it does not end sooner.
    """
    before = _remembered(ledger.freezes, now)
    replaced = [one.since for one in before if one.is_in_force_after(now)]
    ordered = ordered.model_copy(update={"since": min([ordered.since, *replaced])})
    over = tuple(one for one in before if not one.is_in_force_after(now))
    return changed(ledger, pauses=_in_force(ledger.pauses, now), freezes=(*over, ordered))


def unfreeze(ledger: AccountLedger, now: datetime) -> AccountLedger:
    """Return the ledger with every freeze that people ordered ended; those of the settings are not in it."""
    lifted = (one.model_copy(update={"lifted_at": one.lifted_at or now}) for one in ledger.freezes if one.since < now)
    return changed(ledger, pauses=_in_force(ledger.pauses, now), freezes=_remembered(lifted, now))


def _in_force(pauses: Iterable[Pause], now: datetime) -> tuple[Pause, ...]:
    # Only a person's next order drops what has expired: a sweep on a clock that is off must not forget an order.
    return tuple(one for one in pauses if one.until is None or now < one.until)


def _remembered(freezes: Iterable[OrderedFreeze], now: datetime) -> tuple[OrderedFreeze, ...]:
    # What fell due in a freeze is spread after its end, for no longer than it lasted.
    return tuple(one for one in freezes if now < one.ended_at + (one.ended_at - one.since))
