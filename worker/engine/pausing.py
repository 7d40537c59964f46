"""What a person's hand does to account ledgers: pause, resume, freeze, unfreeze, trust.

Here it is decided; `worker.engine.edits` writes it. Neither Redis nor the exchange is needed for any of it.
"""

from dataclasses import dataclass
from datetime import datetime

from config.schema import Settings
from worker.account_ledger import (
    AccountLedger,
    OrderedFreeze,
    Pause,
    forget_profile,
    trust,
)
from worker.account_orders import freeze, lift_pauses, pause, unfreeze
from worker.engine.edits import Change, Edit, Edits
from worker.errors import UnknownNameError
from worker.policy.guards import freeze_at, freezes_of
from worker.policy.steps import Action, Hold, Order, Reason, Step
from worker.policy.wording import span

EVERYTHING = "all"
"""The name of all accounts. A credential or account that is really called so is named with its prefix."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What an order is about: one credential, or (None) a whole account."""

    account: str
    credential: str | None = None

    def __str__(self) -> str:
        """Name it for people."""
        return (
            f"credential {self.credential} (account {self.account})" if self.credential else f"account {self.account}"
        )


def scopes_of(settings: Settings, name: str) -> tuple[Scope, ...]:
    """Return what a name on the command line means: a credential, an account, or every account for "all".

    `credential:NAME` and `account:NAME` say which; they must where both are configured with that name.

    Raises:
        UnknownNameError: nothing has that name, or two things have.
    """
    accounts = [one.name for one in settings.accounts]
    if name == EVERYTHING:
        return tuple(Scope(one) for one in accounts)
    kind, _, rest = name.rpartition(":")
    found = [Scope(one.account, one.name) for one in settings.credentials if one.name == rest and kind != "account"]
    found += [Scope(one) for one in accounts if one == rest and kind != "credential"]
    if not found or kind not in {"", "account", "credential"}:
        known = ", ".join(sorted({*accounts, *(one.name for one in settings.credentials)})) or "none"
        raise UnknownNameError(f"No credential or account is named {name}. Configured: {known}; or all.")
    if len(found) > 1:
        raise UnknownNameError(f"{name} names a credential and an account: say credential:{name} or account:{name}.")
    return tuple(found)


def pauses(settings: Settings, name: str, *, since: datetime, until: datetime | None, order: Order) -> Edits:
    """Return the edits that pause what the name means; `until` None has no end. Raises UnknownNameError."""
    return {one.account: _pausing(one, since, until, order) for one in scopes_of(settings, name)}


def _pausing(scope: Scope, since: datetime, until: datetime | None, order: Order) -> Edit:
    ordered = Pause(
        credential=scope.credential, since=since, until=until, by=order.by, reason=order.why or "no reason given"
    )

    def edit(ledger: AccountLedger, now: datetime) -> Change:
        before = _pause_in_force(ledger, scope.credential, now)
        if before is not None and _ends_sooner(until, before.until):
            sentence = (
                f"{_capital(scope)} is paused already {_end(before.until)} by {before.by} ({before.reason}). A second "
                f"pause never shortens the first. Lift that one before: rotator resume {_argument(scope)}"
            )
            return Change(ledger, holds=(_hold(scope, Reason.PAUSED, sentence),))
        sentence = (
            f"{_capital(scope)} is paused {_end(until)} ({ordered.reason}): nothing of it is derived, promoted or "
            f"revoked, except what is ordered and what a sweep has in hand at this moment. It goes on with: "
            f"rotator resume {_argument(scope)}"
        )
        return Change(pause(ledger, ordered, now), (_step(scope, Action.PAUSE, Reason.PAUSED, sentence),))

    return edit


def lifts(settings: Settings, name: str) -> Edits:
    """Return the edits that lift the pauses of what the name means; raises UnknownNameError.

    An account's are those of its credentials too.
    """
    return {one.account: _lifting(one) for one in scopes_of(settings, name)}


def _lifting(scope: Scope) -> Edit:
    def edit(ledger: AccountLedger, now: datetime) -> Change:
        after = lift_pauses(ledger, scope.credential, now)
        lifted = [one for one in ledger.pauses if one not in after.pauses and (one.until is None or now < one.until)]
        steps = tuple(_lifted(ledger.account, one, now) for one in lifted)
        account_wide = _pause_in_force(after, None, now)
        if account_wide is None:
            return Change(after if lifted else ledger, steps)
        sentence = (
            f"{_capital(scope)} goes on waiting, because its whole account is paused {_end(account_wide.until)} by "
            f"{account_wide.by} ({account_wide.reason}). That ends with: rotator resume account:{ledger.account}"
        )
        return Change(after if lifted else ledger, steps, (_hold(scope, Reason.PAUSED, sentence),))

    return edit


def _lifted(account: str, lifted: Pause, now: datetime) -> Step:
    scope = Scope(account, lifted.credential)
    sentence = f"The pause of {scope} by {lifted.by} ({lifted.reason}) is lifted after {span(now - lifted.since)}."
    return _step(scope, Action.RESUME, Reason.RESUMED, sentence)


def freezes(settings: Settings, account: str | None, *, since: datetime, until: datetime, order: Order) -> Edits:
    """Return the edits that freeze an account (None: every account); raises UnknownNameError."""
    return {one: _freezing(one, since, until, order) for one in _accounts(settings, account)}


def _freezing(account: str, since: datetime, until: datetime, order: Order) -> Edit:
    scope, ordered = Scope(account), OrderedFreeze(since=since, until=until, by=order.by, reason=order.why)

    def edit(ledger: AccountLedger, now: datetime) -> Change:
        longer = next((one for one in ledger.freezes if one.is_in_force_after(until)), None)
        if longer is not None:
            sentence = (
                f"Account {account} is frozen already until {longer.until:%Y-%m-%d %H:%M} UTC by {longer.by} "
                f"({longer.reason}). A second freeze never shortens the first. Lift that one before: "
                f"rotator unfreeze --account {account}"
            )
            return Change(ledger, holds=(_hold(scope, Reason.FROZEN, sentence),))
        sentence = (
            f"Account {account} is frozen until {until:%Y-%m-%d %H:%M} UTC ({ordered.reason}): nothing of it is "
            f"rotated or revoked, except by an emergency, for services that are rejected, and what a sweep has in "
            f"hand at this moment."
        )
        return Change(freeze(ledger, ordered, now), (_step(scope, Action.FREEZE, Reason.FROZEN, sentence),))

    return edit


def unfreezes(settings: Settings, account: str | None) -> Edits:
    """Return the edits that lift ordered freezes of an account (None: of every account); raises UnknownNameError."""
    return {one: _unfreezing(one, settings) for one in _accounts(settings, account)}


def _unfreezing(account: str, settings: Settings) -> Edit:
    scope = Scope(account)

    def edit(ledger: AccountLedger, now: datetime) -> Change:
        lifted = [one for one in ledger.freezes if one.is_in_force_after(now)]
        after = unfreeze(ledger, now) if lifted else ledger
        whose = "; ".join(f"until {one.until:%Y-%m-%d %H:%M} UTC by {one.by} ({one.reason})" for one in lifted)
        sentence = (
            f"The freeze of account {account} is lifted: {whose}."
            if lifted
            else f"No freeze of account {account} was ordered: there is nothing to lift."
        )
        steps = (_step(scope, Action.UNFREEZE, Reason.RESUMED, sentence),)
        configured = freeze_at(freezes_of(account, settings.freezes, unfreeze(ledger, now), now), now)
        if configured is None:
            return Change(after, steps)
        sentence = (
            f"Account {account} stays frozen until {configured.until:%Y-%m-%d %H:%M} UTC ({configured.reason}): that "
            f"freeze is in the configuration file, and only there it can be ended."
        )
        return Change(after, steps if lifted else (), (_hold(scope, Reason.FROZEN, sentence),))

    return edit


def trusts(settings: Settings, account: str) -> Edits:
    """Return the edit that believes an account's doubted list; raises UnknownNameError."""
    return dict.fromkeys(_accounts(settings, account), _trusting)


def _trusting(ledger: AccountLedger, _now: datetime) -> Change:
    doubted = ledger.suspicion
    if doubted is None:
        sentence = f"No list of account {ledger.account} is doubted: there is nothing to trust."
    else:
        sentence = f"{doubted.sentence} That list is believed now; derive and revoke go on at the next sweep."
    step = _step(Scope(ledger.account), Action.TRUST, Reason.LIST_SHRANK, sentence)
    return Change(trust(ledger), (step,), basis=doubted)


def rebinds(settings: Settings, account: str) -> Edits:
    """Return the edit that lets an account be bound to its profile anew; raises UnknownNameError."""
    return dict.fromkeys(_accounts(settings, account), _rebinding)


def _rebinding(ledger: AccountLedger, _now: datetime) -> Change:
    bound = ledger.profile
    if bound is None:
        sentence = (
            f"Account {ledger.account} is bound to no profile now: it will be to that of the identity in place at the "
            f"next sweep."
        )
    else:
        sentence = (
            f"Account {ledger.account} is no longer bound to {bound.profile} (since {bound.since:%Y-%m-%d %H:%M} UTC). "
            f"The next sweep whose list is believed binds it to the profile of the identity that is in place then."
        )
    step = _step(Scope(ledger.account), Action.TRUST, Reason.OTHER_PROFILE, sentence)
    return Change(forget_profile(ledger), (step,), basis=bound)


def _accounts(settings: Settings, account: str | None) -> tuple[str, ...]:
    known = tuple(one.name for one in settings.accounts)
    if account is None:
        return known
    if account not in known:
        raise UnknownNameError(f"No account is named {account}. Configured: {', '.join(sorted(known)) or 'none'}.")
    return (account,)


def _pause_in_force(ledger: AccountLedger, credential: str | None, now: datetime) -> Pause | None:
    """Return the pause of exactly that scope, other than `pause_of`, which answers for a credential's account too."""
    return next(
        (one for one in ledger.pauses if one.credential == credential and (one.until is None or now < one.until)), None
    )


def _ends_sooner(until: datetime | None, other: datetime | None) -> bool:
    return until is not None and (other is None or until < other)


def _end(until: datetime | None) -> str:
    return f"until {until:%Y-%m-%d %H:%M} UTC" if until else "without an end"


def _argument(scope: Scope) -> str:
    """Return the name that means this scope whatever else is configured."""
    return f"credential:{scope.credential}" if scope.credential else f"account:{scope.account}"


def _capital(scope: Scope) -> str:
    text = str(scope)
    return text[0].upper() + text[1:]


def _step(scope: Scope, action: Action, reason: Reason, sentence: str) -> Step:
    return Step(action, scope.account, scope.credential or "", reason, sentence)


def _hold(scope: Scope, reason: Reason, sentence: str) -> Hold:
    return Hold(scope.account, scope.credential or "", reason, sentence)
