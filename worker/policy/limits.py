"""What Vault keeps as one entry must not outgrow it: told long before nothing can be written any more."""

from collections.abc import Iterator

from worker.journal import JOURNAL_LIMIT_BYTES, Journal, compact
from worker.policy.facts import AccountFacts, AccountState, CredentialFacts
from worker.policy.steps import Reason
from worker.policy.verdict import Verdict

NEAR = 0.7
"""The part of a limit from which on it is told."""

ENTRY_BYTES = 1024 * 1024
"""What Vault and OpenBao take as one entry, unless set otherwise."""

_AROUND_AN_ID = 6
"""Bytes around each id, as the ledger is kept: quotes, with what guards them, and a comma."""

_SMALL = 200
"""Records and labels of a journal that is far from its limit, whatever is in them."""


def of_account_limits(facts: AccountFacts, state: AccountState) -> Iterator[Verdict]:
    """Yield that the account has so many tokens that its ledger nears what Vault takes as one entry."""
    ids = state.ledger.baseline.token_ids if state.ledger.baseline else ()
    # Twice, because a list that is doubted is kept beside the one that was believed.
    share = 2 * sum(len(one) + _AROUND_AN_ID for one in ids) / ENTRY_BYTES
    if share > NEAR:
        yield Verdict(
            Reason.NEAR_LIMIT,
            "",
            f"The list of account {facts.account} has {len(ids):,} tokens. What was listed last is kept in one entry "
            f"of Vault and is at {share:.0%} of what fits; when it does not fit any more, nothing is derived or "
            f"revoked. Revoke what nobody uses at the exchange, or move credentials to another account.",
            evidence={"rule": "listed tokens"},
        )


def of_journal_limits(facts: CredentialFacts) -> Iterator[Verdict]:
    """Yield that a credential's journal nears the size beyond which no rotation is started."""
    journal = facts.ledger
    if journal is None or len(journal.ledger) + len(journal.past_labels) < _SMALL:
        return
    share = _size_of(journal) / JOURNAL_LIMIT_BYTES
    if share > NEAR:
        yield Verdict(
            Reason.NEAR_LIMIT,
            facts.credential.name,
            f"The journal of credential {facts.credential.name} (account {facts.credential.account}) is at "
            f"{share:.0%} of the size beyond which no rotation is started. Its ledger holds "
            f"{len(journal.ledger):,} tokens: find out which of them cannot be ended. If all of them have ended, "
            f"replace it with another credential at another path, and retire this one.",
            evidence={"rule": "journal size", "limit": str(JOURNAL_LIMIT_BYTES)},
        )


def _size_of(journal: Journal) -> int:
    return len(compact(journal).model_dump_json())
