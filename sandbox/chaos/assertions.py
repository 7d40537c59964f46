"""What must be true after a cell, judged from what the exchange's ledger, Vault, Redis and the logs hold. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sandbox.chaos.cells import ORDERS, Scenario
from sandbox.chaos.order_ends import LASTING, is_untouched, old_tokens, undone_order
from sandbox.chaos.progress import PROMOTIONS
from sandbox.chaos.trading import REREAD_SECONDS
from sandbox.chaos.truth import Truth
from sandbox.exchange.records import TokenEntry
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
        refused_with: the ids of the tokens with which the trader was refused, by the exchange's ledger.
        insisted: whether a person gave the order again until it was done.
        done_in_doubt: how many tokens were issued or revoked while the account's list was cut short.
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
    refused_with: frozenset[str] = frozenset()
    insisted: bool = False
    done_in_doubt: int = 0

    @property
    def retired(self) -> bool:
        """Whether the credential's life was to end, and ended."""
        return self.scenario is Scenario.RETIREMENT and self.truth.served is None


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
    if evidence.scenario in _CUTTING_OFF and not is_untouched(evidence.truth, evidence.scenario):
        yield from _rejected_too_much(evidence)
    elif evidence.rejected or evidence.refused:
        yield f"{evidence.rejected} requests by its own count, {evidence.refused} by the exchange's"
    if not evidence.traded:
        yield "it never traded"


def _rejected_too_much(evidence: Evidence) -> Iterator[str]:
    """Whoever is cut off by an order may be rejected with what was revoked, until it has read Vault again."""
    # Given again, an emergency cuts off what the one before it issued.
    truth = evidence.truth
    tokens = truth.tokens if evidence.insisted else old_tokens(truth, evidence.scenario)
    cut_off = {token.token_id: token for token in tokens}
    for token_id in sorted(evidence.refused_with):
        token = cut_off.get(token_id)
        if token is None or token.revoked_at is None:
            yield f"with token {token_id}, which the order did not cut off"
        elif evidence.scenario is Scenario.EMERGENCY and _is_rejected_for_long(token):
            yield f"with token {token_id} until {token.last_rejected_at}, revoked at {token.revoked_at}"


def _is_rejected_for_long(token: TokenEntry) -> bool:
    last, revoked = token.last_rejected_at, token.revoked_at
    return last is not None and revoked is not None and last - revoked > READ_AGAIN


def _live_and_verified(evidence: Evidence) -> Iterator[str]:
    if evidence.retired:
        return
    if evidence.truth.served is None:
        yield "it serves nothing"
    elif evidence.truth.served not in evidence.truth.live:
        yield f"token {evidence.truth.served} is not live"
    elif not evidence.served_accepted:
        yield f"a request signed with token {evidence.truth.served} was not accepted"
    # What people put there was verified by the service that lives on it.
    if evidence.keeps_journal and not evidence.verified and evidence.scenario is not Scenario.ADOPTION:
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
    if evidence.scenario in ORDERS:
        return
    wanted = PROMOTIONS[evidence.scenario]
    if evidence.truth.promotions != wanted:
        yield f"{evidence.truth.promotions} tokens were promoted in all, {wanted} were due"


def _order_kept(evidence: Evidence) -> Iterator[str]:
    if evidence.scenario not in ORDERS:
        return
    undone = tuple(undone_order(evidence.truth, evidence.scenario))
    untouched = is_untouched(evidence.truth, evidence.scenario)
    if undone and not untouched:
        yield "; ".join(undone)
    elif undone and evidence.insisted and evidence.scenario in LASTING:
        yield f"it was ordered again and never done: {'; '.join(undone)}"
    issued = len(evidence.truth.tokens) - len(old_tokens(evidence.truth, evidence.scenario))
    if issued and evidence.scenario is not Scenario.EMERGENCY:
        yield f"{issued} tokens were issued"


def _nothing_in_doubt(evidence: Evidence) -> Iterator[str]:
    if evidence.done_in_doubt:
        yield f"{evidence.done_in_doubt} tokens were issued or revoked"


def _is_not_adopted(evidence: Evidence) -> bool:
    return evidence.scenario is Scenario.ADOPTION and is_untouched(evidence.truth, evidence.scenario)


def _journal_closed(evidence: Evidence) -> Iterator[str]:
    journal = evidence.truth.journal
    if _is_not_adopted(evidence):
        return
    if journal is None:
        yield "there is no journal"
        return
    if journal.intent is not None:
        yield f"rotation {journal.intent.rotation_id} is open"
    current = [record for record in journal.ledger if record.state is RecordState.CURRENT]
    superseded = [record for record in journal.ledger if record.state is RecordState.SUPERSEDED]
    if len(current) != (0 if evidence.retired else 1) or len(superseded) > 1:
        yield f"{len(current)} current and {len(superseded)} superseded tokens in the ledger"


def _accounted_for(evidence: Evidence) -> Iterator[str]:
    journal = evidence.truth.journal
    if _is_not_adopted(evidence):
        return
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

_CUTTING_OFF: Final = frozenset({Scenario.EMERGENCY, Scenario.RETIREMENT})
"""The orders by which a person has services cut off that have not read Vault again."""

READ_AGAIN: Final = timedelta(seconds=REREAD_SECONDS + 3.0)
"""Within this time of a revocation the trader has read Vault again, on a busy machine too."""

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
    "an order is carried out, or leaves no trace": _order_kept,
    "nothing is done on a list that shrank": _nothing_in_doubt,
    "the journal is closed": _journal_closed,
    "every token is accounted for": _accounted_for,
}

NO_LEAK: Final = "no secret is outside Vault"
"""Judged for all cells at once, at the end of the run."""

PROMISES: Final = (*_OUTSIDE, *_JOURNAL, NO_LEAK)
"""What every cell is held to, in the order of the report."""
