"""What must be true after a cell, judged from what the exchange's ledger, Vault, Redis and the logs hold. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sandbox.chaos.cells import Scenario
from sandbox.chaos.progress import PROMOTIONS, Truth
from worker.journal import RecordState, TokenRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that is known at the end of a cell.

    Attributes:
        scenario: what it was about.
        keeps_journal: whether the subject has a record of its own to be judged.
        truth: journal, path and the exchange's tokens.
        reached: whether the call that was to be held ever came.
        unsettled: what was not done when the time was up; empty when it settled.
        traded: how many of the trader's requests were accepted.
        rejected: how many were refused, by the trader's count.
        refused: how many were refused, by the exchange's ledger.
        served_accepted: whether a request signed with what Vault serves at the end was accepted.
        verified: whether the served token had signed an accepted call before Vault served it.
        held_in_vault: the ids of the tokens whose secret some version of the path or the journal holds.
    """

    scenario: Scenario
    keeps_journal: bool
    truth: Truth
    reached: bool
    unsettled: str
    traded: int
    rejected: int
    refused: int
    served_accepted: bool
    verified: bool
    held_in_vault: frozenset[str]


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, and how."""

    promise: str
    how: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.how}"


def judge(evidence: Evidence) -> tuple[Violation, ...]:
    """Return every broken promise; none means that the cell is green."""
    if not evidence.reached:
        return (Violation("the call is held", "it never came; is the recorded sequence still the real one?"),)
    checks = {**_OUTSIDE, **(_JOURNAL if evidence.keeps_journal else {})}
    return tuple(Violation(promise, how) for promise, check in checks.items() for how in check(evidence))


def _never_rejected(evidence: Evidence) -> Iterator[str]:
    if evidence.rejected or evidence.refused:
        yield f"{evidence.rejected} requests by its own count, {evidence.refused} by the exchange's"
    if not evidence.traded:
        yield "it never traded"


def _live_and_verified(evidence: Evidence) -> Iterator[str]:
    if evidence.truth.served is None:
        yield "it serves nothing"
    elif evidence.truth.served not in evidence.truth.live:
        yield f"token {evidence.truth.served} is not live"
    elif not evidence.served_accepted:
        yield f"a request signed with token {evidence.truth.served} was not accepted"
    if evidence.keeps_journal and not evidence.verified:
        yield f"token {evidence.truth.served} was served before it was verified"


def _few_live(evidence: Evidence) -> Iterator[str]:
    others = evidence.truth.live - {evidence.truth.served}
    if len(others) > 1:
        yield f"{len(others)} tokens beside it are live"


def _no_orphan(evidence: Evidence) -> Iterator[str]:
    for token_id in sorted(evidence.truth.live - evidence.held_in_vault):
        yield f"token {token_id} is live, and its secret is nowhere in Vault"


def _settled(evidence: Evidence) -> Iterator[str]:
    if evidence.unsettled:
        yield evidence.unsettled


def _one_rotation(evidence: Evidence) -> Iterator[str]:
    wanted = PROMOTIONS[evidence.scenario]
    if evidence.truth.promotions != wanted:
        yield f"{evidence.truth.promotions} tokens were promoted in all, {wanted} were due"


def _journal_closed(evidence: Evidence) -> Iterator[str]:
    journal = evidence.truth.journal
    if journal is None:
        yield "there is no journal"
        return
    if journal.intent is not None:
        yield f"rotation {journal.intent.rotation_id} is open"
    current = [record for record in journal.ledger if record.state is RecordState.CURRENT]
    superseded = [record for record in journal.ledger if record.state is RecordState.SUPERSEDED]
    if len(current) != 1 or len(superseded) > 1:
        yield f"{len(current)} current and {len(superseded)} superseded tokens in the ledger"


def _accounted_for(evidence: Evidence) -> Iterator[str]:
    journal = evidence.truth.journal
    for token in evidence.truth.tokens:
        record = journal.record_of(token.token_id) if journal else None
        if journal is None or (record is None and not journal.owns_label(token.label)):
            yield f"token {token.token_id} ({token.label}) is unknown to the journal"
        elif token.live and (record is None or record.state not in _MAY_LIVE):
            yield f"token {token.token_id} is live, and the ledger has it as {_state(record)}"
        elif not token.live and record is not None and record.state in _MAY_LIVE:
            yield f"token {token.token_id} is revoked, and the ledger has it as {_state(record)}"


def _state(record: TokenRecord | None) -> str:
    return record.state.value if record else "a label only"


_MAY_LIVE: Final = frozenset({RecordState.CURRENT, RecordState.SUPERSEDED})

_Check = Callable[[Evidence], Iterator[str]]

_OUTSIDE: Final[Mapping[str, _Check]] = {
    "the trader is never rejected": _never_rejected,
    "the path serves a live, verified token": _live_and_verified,
    "at most one superseded token is live": _few_live,
    "no orphan lives after the next sweep": _no_orphan,
    "it settles": _settled,
}

_JOURNAL: Final[Mapping[str, _Check]] = {
    "one rotation for a due date": _one_rotation,
    "the journal is closed": _journal_closed,
    "every token is accounted for": _accounted_for,
}

NO_LEAK: Final = "no secret is outside Vault"
"""Judged for all cells at once, at the end of the run."""

PROMISES: Final = (*_OUTSIDE, *_JOURNAL, NO_LEAK)
"""What every cell is held to, in the order of the report."""
