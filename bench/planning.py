"""How planning an account grows with its credentials: the plans of 10,000 against those of 1,000, in one run.

Prints, for each decision, the least processor seconds of both sizes over interleaved repetitions, and their ratio. A
ratio near ten is linear.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from config.schema import Account, Credential, Policy
from worker.account_ledger import AccountLedger, VersionedLedger
from worker.journal import Journal, RecordState, TokenRecord, VersionedJournal
from worker.models import ConsumersPath, ListedToken, PathContent, ServedDocument, TokenList
from worker.policy.facts import AccountFacts, AccountState, CredentialFacts
from worker.policy.observation import observed
from worker.policy.revocation import plan_revocations
from worker.policy.rotation import plan_rotation
from worker.policy.verdicts import plan_flags

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PERIOD = Policy().nominal_period
_REVOKED_BEFORE = 3


def main() -> int:
    """Measure and print; return 1 when a ratio is above the limit that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.planning", description=main.__doc__)
    parser.add_argument("--small", type=int, default=1_000, help="credentials of the smaller account (1000)")
    parser.add_argument("--large", type=int, default=10_000, help="credentials of the larger account (10000)")
    parser.add_argument("--repetitions", type=int, default=5, help="of each measurement (5)")
    parser.add_argument("--limit", type=float, default=12.0, help="the largest ratio that is taken for linear (12)")
    asked = parser.parse_args()
    small, large = account_of(asked.small), account_of(asked.large)
    gc.freeze()  # what was built for the measurement is not looked through by the collector in the midst of it
    _say(f"{'decision':<22}{asked.small:>10,}{asked.large:>12,}{'ratio':>8}")
    worst = 0.0
    for name, decide in DECISIONS.items():
        pairs = [(_seconds(decide, small), _seconds(decide, large)) for _ in range(asked.repetitions)]
        of_small, of_large = (min(times) for times in zip(*pairs, strict=True))
        worst = max(worst, of_large / of_small)
        _say(f"{name:<22}{of_small:>9.3f}s{of_large:>11.3f}s{of_large / of_small:>8.1f}")
    return 1 if worst > asked.limit else 0


def _rotations(facts: AccountFacts) -> None:
    for one in facts.credentials:
        plan_rotation(one, NOON)


DECISIONS: dict[str, Callable[[AccountFacts], object]] = {
    "observe the list": lambda facts: observed(facts, NOON),
    "plan revocations": lambda facts: plan_revocations(facts, NOON),
    "plan rotations": _rotations,
    "plan flags": lambda facts: plan_flags(facts, NOON),
}


def account_of(credentials: int) -> AccountFacts:
    """Return an account in ordinary use: each credential was rotated some days ago, and one path holds a copy."""
    every = [_credential(number, credentials) for number in range(credentials)]
    state = AccountState(
        VersionedLedger(1, AccountLedger(account="main", known=tuple(one.credential.name for one in every)))
    )
    rows = tuple(row for number, one in enumerate(every) for row in _rows(one, number))
    return AccountFacts(
        settings=Account(name="main"),
        state=state,
        tokens=TokenList(rows, NOON),
        list_error=None,
        listed_at=NOON,
        vault_time=NOON,
        vault_read_at=NOON,
        credentials=tuple(every),
    )


def _credential(number: int, of: int) -> CredentialFacts:
    name, born = f"credential-{number:05}", NOON - PERIOD * (0.1 + 0.8 * number / of)
    current = _record(name, 0, RecordState.CURRENT, derived_at=born, promoted_at=born)
    before = _record(
        name,
        1,
        RecordState.SUPERSEDED,
        derived_at=born - PERIOD,
        promoted_at=born - PERIOD,
        superseded_at=born,
    )
    older = [
        _record(name, 2 + one, RecordState.REVOKED, derived_at=born - (2 + one) * PERIOD, secret_destroyed=True)
        for one in range(_REVOKED_BEFORE)
    ]
    journal = Journal(
        credential=name, account="main", mount="trading", path=name, sequence=9, ledger=(*older, before, current)
    )
    credential = Credential(name=name, account="main", mount="trading", path=name, policy=Policy())
    state = AccountState(VersionedLedger(1, AccountLedger(account="main")))
    return CredentialFacts(credential, VersionedJournal(9, journal), _path(current, born), None, state)


def _record(name: str, number: int, state: RecordState, **more: object) -> TokenRecord:
    fields = {
        "rotation_id": f"r{number}",
        "label": f"{name}/r{number}",
        "state": state,
        "token_id": f"{name}-t{number}",
        **more,
    }
    return TokenRecord.model_validate(fields)


def _path(current: TokenRecord, at: datetime) -> ConsumersPath:
    document = ServedDocument(
        token_id=current.token_id or "",
        secret=SecretStr("c2VjcmV0"),
        scopes=("trading",),
        label=current.label,
        account="main",
        api_url="https://api.limitless.exchange",
        derived_at=at,
        promoted_at=at,
        rotation_id=current.rotation_id,
        sequence=8,
    )
    return ConsumersPath(3, at, PathContent.DOCUMENT, document)


def _rows(facts: CredentialFacts, number: int) -> list[ListedToken]:
    live = [one for one in (facts.ledger.ledger if facts.ledger else ()) if one.state is not RecordState.REVOKED]
    used = NOON - timedelta(minutes=number % 50)
    return [
        ListedToken(one.token_id or "", one.label, ("trading",), one.derived_at or NOON, used if at else NOON - DAY)
        for at, one in enumerate(live)
    ]


def _seconds(decide: Callable[[AccountFacts], object], facts: AccountFacts) -> float:
    begun = time.process_time()
    decide(facts)
    return time.process_time() - begun


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    raise SystemExit(main())
