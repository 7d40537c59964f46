"""The account ledger: what is durable about a whole account, and its pure transitions.

It holds the profile that the account is bound to, the last complete list (the baseline), a list that is not believed
yet, tokens proved dangling, pauses and freezes that people made, and the verdicts that were announced. It lives in
Vault, so that emptying Redis forgets none of it. Nothing here reads a clock or writes anything.
"""

from collections.abc import Collection, Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict

from config.schema import Guards
from worker.models import Profile, Severity

M = TypeVar("M", bound=BaseModel)


class _Frozen(BaseModel):
    # An older worker must not drop what a newer one wrote, so an unknown field is refused.
    model_config = ConfigDict(frozen=True, extra="forbid")


class Binding(_Frozen):
    """The profile that the account belongs to: what identifies it, as far as that is known, and since when."""

    since: AwareDatetime
    partner_profile_id: int | None = None
    profile_id: int | None = None
    address: str | None = None
    subject: str | None = None

    @property
    def profile(self) -> Profile:
        """The profile as the exchange port speaks of it."""
        return Profile(self.partner_profile_id, self.profile_id, self.address, self.subject)


class Baseline(_Frozen):
    """The token ids of the last list that was believed."""

    token_ids: tuple[str, ...]
    at: AwareDatetime


class Suspicion(_Frozen):
    """A list that shrank unexpectedly: nothing is derived or revoked until it is confirmed or a person trusts it."""

    token_ids: tuple[str, ...]
    first_at: AwareDatetime
    lost: int
    sentence: str


class Missing(_Frozen):
    """A current token that was absent from lists, and since when and how many of them in a row."""

    token_id: str
    since: AwareDatetime
    lists: int


class Dangling(_Frozen):
    """A current token that Vault serves and the exchange was proved to refuse."""

    credential: str
    token_id: str
    proved_at: AwareDatetime


class Outage(_Frozen):
    """A time in which the exchange gave no list; `until` is None while it lasts."""

    since: AwareDatetime
    until: AwareDatetime | None = None


class Pause(_Frozen):
    """A person's order to leave a credential (None: the whole account) alone; `until` None has no end."""

    credential: str | None = None
    since: AwareDatetime
    until: AwareDatetime | None = None
    by: str
    reason: str


class OrderedFreeze(_Frozen):
    """A freeze that a person ordered at the command line, and perhaps lifted before its time."""

    since: AwareDatetime
    until: AwareDatetime
    by: str
    reason: str
    lifted_at: AwareDatetime | None = None

    @property
    def ended_at(self) -> datetime:
        """When it ended, or will."""
        return self.until if self.lifted_at is None else min(self.until, max(self.since, self.lifted_at))

    def is_in_force_after(self, now: datetime) -> bool:
        """Whether it holds anything back at that moment or later; one that was lifted does not, by any clock."""
        return self.lifted_at is None and now < self.until


class Waiting(_Frozen):
    """A credential that could be rotated by itself, at every flag sweep since then."""

    credential: str
    since: AwareDatetime


class Flag(_Frozen):
    """A verdict that has begun and was announced; it ends when it is no longer found."""

    kind: str
    credential: str
    token_id: str | None = None
    since: AwareDatetime
    severity: Severity = Severity.WARNING
    sentence: str = ""
    evidence: dict[str, str] = {}

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What makes two flags the same verdict."""
        return (self.kind, self.credential, self.token_id)


class AccountLedger(_Frozen):
    """Everything durable about one account. `sequence` counts this document's writes."""

    schema_version: Literal[1] = 1
    sequence: int = 0
    account: str
    baseline: Baseline | None = None
    suspicion: Suspicion | None = None
    missing: tuple[Missing, ...] = ()
    dangling: tuple[Dangling, ...] = ()
    outage: Outage | None = None
    """The last one."""
    pauses: tuple[Pause, ...] = ()
    freezes: tuple[OrderedFreeze, ...] = ()
    flags: tuple[Flag, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    profile: Binding | None = None
    """Written at first contact: an identity of another profile never acts for this account."""
    known: tuple[str, ...] = ()
    """Credentials that have a journal, so that one that vanishes from the settings is noticed."""

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-ready document; no secret is in it."""
        return self.model_dump(mode="json", exclude_none=True)

    def dangling_token(self, token_id: str | None) -> Dangling | None:
        """Return the proof that this token is dangling, or None."""
        return next((one for one in self.dangling if one.token_id == token_id), None)


class VersionedLedger(NamedTuple):
    """An account ledger and the KV version it was read from (0: there never was one)."""

    version: int
    ledger: AccountLedger


def learn_profile(ledger: AccountLedger, found: Profile, now: datetime) -> AccountLedger:
    """Return the ledger bound to that profile at first contact, or with what the binding did not know yet.

    Raises ValueError for another profile than the one that the account is bound to.
    """
    if found == Profile():
        return ledger
    if ledger.profile is None:
        return changed(ledger, profile=Binding(since=now, **asdict(found)))
    bound = ledger.profile.profile
    if not bound.confirms(found):
        raise ValueError(f"{ledger.account}: bound to {bound}, not to {found}")
    return changed(ledger, profile=_copy(ledger.profile, **asdict(bound.with_unknown_from(found))))


def forget_profile(ledger: AccountLedger) -> AccountLedger:
    """Return the ledger without its binding, as a person says that the account has moved to another profile."""
    return changed(ledger, profile=None)


def note_outage(ledger: AccountLedger, now: datetime) -> AccountLedger:
    """Return the ledger with an outage that has begun (or goes on): no list could be read."""
    if ledger.outage is not None and ledger.outage.until is None:
        return ledger
    return changed(ledger, outage=Outage(since=now))


def end_outage(ledger: AccountLedger, now: datetime) -> AccountLedger:
    """Return the ledger with its outage ended: a list was read."""
    if ledger.outage is None or ledger.outage.until is not None:
        return ledger
    return changed(ledger, outage=_copy(ledger.outage, until=max(ledger.outage.since, now)))


def date_anew(ledger: AccountLedger, now: datetime, skew: timedelta) -> AccountLedger:
    """Return the ledger in which neither a doubt nor an outage is dated later than now and the skew: a clock was off.

    They count from now, when that is first seen by clocks that agree.
    """
    doubt, outage = ledger.suspicion, ledger.outage
    if doubt is not None and doubt.first_at - now > skew:
        doubt = _copy(doubt, first_at=now)
    if outage is not None and max(outage.since, outage.until or outage.since) - now > skew:
        outage = _copy(outage, since=min(outage.since, now), until=outage.until and now)
    return changed(ledger, suspicion=doubt, outage=outage)


def quiet_since(ledger: AccountLedger, last_use: datetime, now: datetime) -> datetime:
    """Return since when a token's silence says something: not before the exchange could be called again.

    A reader whose call fell into an outage calls again one interval later; the silence in between proves nothing.
    """
    if ledger.outage is None:
        return last_use
    return max(last_use, ledger.outage.until or now)


def changed(ledger: AccountLedger, **changes: object) -> AccountLedger:
    """Return the ledger with those fields changed and its sequence counted up; itself when nothing differs."""
    updated = _copy(ledger, **changes)
    return ledger if updated == ledger else _copy(updated, sequence=ledger.sequence + 1)


def observe_list(
    ledger: AccountLedger,
    listed: Collection[str],
    *,
    ended: Collection[str],
    currents: Collection[str],
    guards: Guards,
    now: datetime,
    confirm: bool = True,
    expected: Collection[str] = (),
) -> AccountLedger:
    """Return the ledger after one complete list was read, `now`.

    The list is suspicious when it lacks more than `shrink_limit` of the baseline's tokens that we did not revoke, or
    the current tokens of several credentials at once that the baseline had. It is believed once a list that lacks the
    same tokens was read again `confirm_after` later. The first list ever is compared with what is expected there.

    Args:
        ledger: before.
        listed: the token ids of the list.
        ended: token ids that the exchange told us are revoked.
        currents: the token ids that Vault should serve.
        guards: the account's limits.
        now: the present.
        confirm: whether this clock may tell that `confirm_after` is over.
        expected: the token ids that journals say are listed, for a ledger that has no baseline (any more).
    """
    ids = tuple(sorted(listed))
    missing = _missing(ledger, listed, currents, now)
    before = [one for one in (ledger.baseline.token_ids if ledger.baseline else expected) if one not in ended]
    lost = [one for one in before if one not in listed]
    lost_currents = [one for one in lost if one in currents]
    if not lost or (len(lost) <= guards.shrink_limit * len(before) and len(lost_currents) <= 1):
        return _believe(ledger, ids, missing, now)
    known = ledger.suspicion
    # Tokens come and go while a list is doubted: what must be the same twice is what it lacks.
    if known is not None and set(lost) == {one for one in before if one not in known.token_ids}:
        if confirm and now - known.first_at >= guards.confirm_after:
            return _believe(ledger, ids, missing, now)
        return changed(ledger, missing=missing)
    sentence = (
        f"The list of account {ledger.account} lacks {len(lost)} of {len(before)} tokens that it had and that we did "
        f"not revoke, {len(lost_currents)} of them current ones."
    )
    suspicion = Suspicion(token_ids=ids, first_at=now, lost=len(lost), sentence=sentence)
    return changed(ledger, suspicion=suspicion, missing=missing)


def _believe(ledger: AccountLedger, ids: tuple[str, ...], missing: tuple[Missing, ...], now: datetime) -> AccountLedger:
    same = ledger.baseline is not None and ledger.baseline.token_ids == ids
    baseline = ledger.baseline if same else Baseline(token_ids=ids, at=now)
    return changed(ledger, baseline=baseline, suspicion=None, missing=missing)


def _missing(
    ledger: AccountLedger, listed: Collection[str], currents: Collection[str], now: datetime
) -> tuple[Missing, ...]:
    known = {one.token_id: one for one in ledger.missing}
    absent = sorted(one for one in currents if one not in listed)
    return tuple(
        # Two are proof enough; counting further would write the ledger at every sweep.
        _copy(known[one], lists=2) if one in known else Missing(token_id=one, since=now, lists=1)
        for one in absent
    )


def trust(ledger: AccountLedger) -> AccountLedger:
    """Return the ledger with the suspicious list believed, as a person says it is right."""
    if ledger.suspicion is None:
        return ledger
    baseline = Baseline(token_ids=ledger.suspicion.token_ids, at=ledger.suspicion.first_at)
    return changed(ledger, baseline=baseline, suspicion=None)


def set_dangling(ledger: AccountLedger, proofs: Iterable[Dangling], candidates: Collection[str]) -> AccountLedger:
    """Return the ledger with further proofs, and without those of tokens that are no candidates any more."""
    kept = {one.token_id: one for one in ledger.dangling if one.token_id in candidates}
    for proof in proofs:
        kept.setdefault(proof.token_id, proof)
    return changed(ledger, dangling=tuple(kept.values()))


def _copy(model: M, **changes: object) -> M:
    return model.model_copy(update=changes)
