"""A token of one credential at another one's path: whose services may hold it, and for how long it is kept for them.

Whoever can write a path can put any token's id there, so an id alone keeps no token alive: its secret must be there,
too. And nothing keeps one alive for good.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from worker.journal import LIVE, RecordState, TokenRecord
from worker.models import Severity, TokenList
from worker.policy.due import age_of
from worker.policy.facts import AccountFacts, Copy, CredentialFacts
from worker.policy.safety import AT_THE_PATH, hands_off
from worker.policy.steps import Action, Hold, Reason, Step
from worker.policy.wording import span


class Candidate(NamedTuple):
    """A token that one credential's journal knows and another one's path names: are the secrets the same?"""

    token_id: str
    owner: CredentialFacts
    reader: CredentialFacts


def candidates(credentials: Sequence[CredentialFacts], tokens: TokenList | None) -> Iterator[Candidate]:
    """Yield what is to be compared: nothing at all, as a rule. A token is known by its id, or by a label of ours."""
    readers = [one for one in credentials if one.served_token_id is not None and not one.serves_ours]
    if not readers:
        return
    owners = {record.token_id: one for one, record in _records(credentials) if record.state in _MAY_LIVE}
    for reader in readers:
        token_id = reader.served_token_id or ""
        row = tokens.by_id(token_id) if tokens is not None else None
        owner = owners.get(token_id) or next((one for one in credentials if row is not None and one.knows(row)), None)
        if owner is not None and owner is not reader:
            yield Candidate(token_id, owner, reader)


_MAY_LIVE = LIVE | {RecordState.REVOKING}


def _records(credentials: Iterable[CredentialFacts]) -> Iterator[tuple[CredentialFacts, TokenRecord]]:
    for one in credentials:
        for record in one.ledger.ledger if one.ledger else ():
            if record.token_id is not None:
                yield one, record


def to_prove(facts: AccountFacts, now: datetime) -> tuple[Copy, ...]:
    """Return the copies about which only a signed call can tell, of tokens whose grace is over."""
    by_name = {one.credential.name: one for one in facts.credentials}
    return tuple(one for one in facts.copies if one.lost and _may_go(by_name[one.owner], one.token_id, now))


_NOTED_EVERY = timedelta(minutes=30)
"""How exactly it is known when a copy was last seen; far below any grace."""


def to_note(facts: AccountFacts, now: datetime) -> tuple[Copy, ...]:
    """Return the copies of which the owner's journal does not say yet that they were seen lately."""
    by_name = {one.credential.name: one for one in facts.credentials}
    return tuple(one for one in facts.copies if one.works is not False and _is_news(by_name[one.owner], one, now))


def _is_news(owner: CredentialFacts, copy: Copy, now: datetime) -> bool:
    hold = hands_off(owner)
    record = owner.ledger.record_of(copy.token_id) if owner.ledger else None
    if record is None or owner.intent is not None or (hold is not None and hold.reason not in AT_THE_PATH):
        return False
    return record.elsewhere_at is None or now - record.elsewhere_at >= _NOTED_EVERY


def _may_go(owner: CredentialFacts, token_id: str, now: datetime) -> bool:
    record = owner.ledger.record_of(token_id) if owner.ledger else None
    if owner.intent is not None or hands_off(owner) is not None:
        return False
    if record is None or record.superseded_at is None:
        return record is None or record.state is not RecordState.CURRENT
    return now - record.superseded_at >= owner.credential.policy.grace


def proved(facts: AccountFacts, copy: Copy, *, works: bool) -> AccountFacts:
    """Return the facts in which that is known of the copy."""
    known = tuple(replace(one, works=works, lost=False) if one == copy else one for one in facts.copies)
    return replace(facts, copies=known)


def waiting(
    verdicts: Sequence[Step | Hold], facts: AccountFacts, now: datetime
) -> tuple[tuple[Step | Hold, ...], tuple[Hold, ...]]:
    """Return the verdicts with a hold for each revocation that waits for another credential's path, and the alerts.

    A token waits while its secret is at another path, and for its grace after it was last seen there, up to `max_age`;
    and while it may be at one, because that is unknown, up to `max_age` and `grace`.

    Args:
        verdicts: on every token of the account.
        facts: of the account.
        now: the present.
    """
    unread = next((one for one in facts.credentials if one.path is None), None)
    lately = any(record.elsewhere_at is not None for _, record in _records(facts.credentials))
    if not facts.copies and unread is None and not lately:
        return tuple(verdicts), ()
    subjects = _Subjects(facts, now)
    # Of several copies the one that is kept longest counts.
    copies = {one.token_id: one for one in sorted(facts.copies, key=lambda one: _WEIGHT[one.works])}

    def judged(verdict: Step | Hold) -> Step | Hold:
        if isinstance(verdict, Hold) or verdict.action is not Action.REVOKE:
            return verdict
        subject = subjects.of(verdict.credential, verdict.token_id or "")
        copy = copies.get(verdict.token_id or "")
        if copy is not None and copy.works is not False and subject.is_kept(works=copy.works):
            return _waits(verdict, f"{verdict.label} waits: the path of {copy.reader} may serve it, too.")
        if unread is not None and subject.was_served and subject.is_kept(works=None):
            return _waits(verdict, _unread(subject, unread), Severity.WARNING)
        if (copy is None or copy.works is not False) and subject.was_elsewhere and subject.is_kept(works=True):
            return _waits(verdict, f"{verdict.label} waits: another credential's path served it less than a grace ago.")
        return verdict

    return tuple(judged(one) for one in verdicts), tuple(_alert(one, subjects) for one in facts.copies)


_WEIGHT = {False: 0, True: 1, None: 2}


@dataclass(frozen=True, slots=True)
class _Subject:
    """A token and whose it is; `age` is None when unknown, and then nothing is kept for its sake."""

    owner: CredentialFacts
    label: str
    age: timedelta | None
    was_served: bool
    was_elsewhere: bool
    is_current: bool

    def is_kept(self, *, works: bool | None) -> bool:
        return self.age is not None and self.age <= self._longest(works=works)

    def at_most(self, *, works: bool | None) -> str:
        return "" if self.age is None else f" for another {span(self._longest(works=works) - self.age)} at most"

    def _longest(self, *, works: bool | None) -> timedelta:
        policy = self.owner.credential.policy
        return policy.max_age if works else policy.max_age + policy.grace


class _Subjects:
    """Every token of the account that a record or a label makes ours, found at once."""

    def __init__(self, facts: AccountFacts, now: datetime) -> None:
        self._facts, self._now = facts, now
        self._by_name = {one.credential.name: one for one in facts.credentials}
        self._records = {(one.credential.name, record.token_id): record for one, record in _records(facts.credentials)}

    def _was_elsewhere(self, record: TokenRecord, owner: CredentialFacts) -> bool:
        seen = record.elsewhere_at
        return seen is not None and self._now - seen < owner.credential.policy.grace

    def credential(self, name: str) -> CredentialFacts:
        return self._by_name[name]

    def of(self, owner: str, token_id: str) -> _Subject:
        record = self._records.get((owner, token_id))
        row = self._facts.tokens.by_id(token_id) if self._facts.tokens is not None else None
        age = age_of(record, self._now) if record else None
        if age is None and row is not None:
            age = self._now - row.created_at
        return _Subject(
            owner=self._by_name[owner],
            label=record.label if record else (row.label if row else None) or "(no label)",
            age=age,
            was_served=record is not None and record.promoted_at is not None,
            was_elsewhere=record is not None and self._was_elsewhere(record, self._by_name[owner]),
            is_current=record is not None and record.state is RecordState.CURRENT,
        )


def _waits(verdict: Step, sentence: str, severity: Severity = Severity.INFO) -> Hold:
    account, credential, token_id = verdict.account, verdict.credential, verdict.token_id
    return Hold(account, credential, Reason.SERVED_ELSEWHERE, sentence, severity, token_id)


def _unread(subject: _Subject, reader: CredentialFacts) -> str:
    return (
        f"{subject.label} of {_place(subject.owner)} is to be revoked, but the path of {_place(reader)} cannot be "
        f"read, so whether services use it from there is unknown. It waits until that path can be read,"
        f"{subject.at_most(works=None)}."
    )


def _alert(copy: Copy, subjects: _Subjects) -> Hold:
    subject, reader = subjects.of(copy.owner, copy.token_id), subjects.credential(copy.reader)
    severity = Severity.WARNING
    if copy.works is False:
        follows = "with a secret that is not the token's: nobody can use it from there, and it is revoked as usual"
    elif subject.is_current:
        follows = "which serves it to its own readers: whoever uses it from here is rejected some time after a rotation"
    elif not subject.is_kept(works=copy.works):
        severity = Severity.ERROR
        follows = "too old to be kept for who reads it here any longer: it is revoked, and they are rejected"
    elif copy.works:
        follows = f"and is kept for who reads it here,{subject.at_most(works=True)}; then they are rejected"
    else:
        follows = f"and whether its secret is there is unknown: it is kept{subject.at_most(works=None)}"
    sentence = (
        f"The path of {_place(reader)} names token {subject.label} of {_place(subject.owner)}, {follows}. Find out who "
        f"wrote that (Vault's audit log), and let {copy.reader} have a token of its own; how says: rotator plan "
        f"{copy.reader}"
    )
    # The end of a token that is told of since long is news: it is the owner's, and so no repetition.
    whose = copy.owner if severity is Severity.ERROR else copy.reader
    return Hold(reader.credential.account, whose, Reason.SERVED_ELSEWHERE, sentence, severity, copy.token_id)


def _place(facts: CredentialFacts) -> str:
    return f"credential {facts.credential.name} ({facts.location})"
