"""What a consumers' path serves that its journal does not account for, as the exchange's list tells: whose it is."""

from typing import NamedTuple

from worker.journal import LIVE
from worker.models import ListedToken
from worker.policy.ahead import is_label_of
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.safety import hands_off
from worker.policy.steps import Reason


class Served(NamedTuple):
    """Whose the served token is.

    Args:
        ours: the exchange's row of it, when it is ours; None as well when that is unknown.
        is_nobodys: nobody can use it: the document says that it is ours, and a list that is believed lacks its token.
        lost: labels of live tokens that a journal which is behind may have lost: they look ours, and none knows them.
    """

    ours: ListedToken | None = None
    is_nobodys: bool = False
    lost: tuple[str, ...] = ()


UNKNOWN = Served()
"""Nothing is known of it, or the journal says all there is to know."""


def may_be_looked_at(facts: CredentialFacts) -> bool:
    """Whether what is served is to be judged by the list: an emergency over a path like this would go on or be refused.

    It is where the journal is behind, and where an emergency that went on there was cut off: its first write counts
    further than the document that it is to replace.
    """
    hold = hands_off(facts)
    if hold is None or facts.path is None or facts.path.document is None:
        return False
    cut_off = facts.ledger is not None and facts.ledger.emergency_at is not None
    return hold.reason is Reason.JOURNAL_BEHIND or (cut_off and hold.reason is Reason.DRIFTED)


def look_at_served(account: AccountFacts, name: str) -> Served:
    """Return whose the token is that the path of that credential serves; nothing is known where no list could be read.

    Args:
        account: as a sweep would judge it now.
        name: of the credential, of which `may_be_looked_at` says so.
    """
    facts = next(one for one in account.credentials if one.credential.name == name)
    if not may_be_looked_at(facts):
        return UNKNOWN
    hold = hands_off(facts)
    behind = hold is not None and hold.reason is Reason.JOURNAL_BEHIND
    return Served(
        ours=_ours(account, facts) if behind else None,
        is_nobodys=_is_nobodys(account, facts),
        lost=_lost_by(account, name) if behind else (),
    )


def _is_nobodys(account: AccountFacts, facts: CredentialFacts) -> bool:
    document, state = facts.path.document if facts.path else None, account.state
    if document is None or account.tokens is None or state is None or state.ledger.suspicion is not None:
        return False
    says_ours = is_label_of(facts.credential.name, document.label) and document.account == account.account
    return says_ours and account.tokens.by_id(document.token_id) is None


def _ours(account: AccountFacts, facts: CredentialFacts) -> ListedToken | None:
    """Return the exchange's row of the token that is served although the journal is behind, if that token is ours.

    It is when the ledger knows it and has not ended it, or when the exchange says that it carries the very label of the
    served document: whoever can merely write the path can give no token a label. None as well when that is unknown.
    """
    document, journal = facts.path.document if facts.path else None, facts.ledger
    row = account.tokens.by_id(document.token_id) if document is not None and account.tokens is not None else None
    if document is None or row is None:
        return None
    record = journal.record_of(row.token_id) if journal else None
    if record is not None:
        return row if record.state in LIVE else None
    others = [one for one in account.credentials if one is not facts]
    if any(one.unreadable is not None or one.knows(row) for one in others):
        return None
    staged = facts.intent.token if facts.intent else None
    is_staged = staged is not None and staged.token_id == row.token_id
    return row if is_staged or row.label == document.label else None


def _lost_by(account: AccountFacts, name: str) -> tuple[str, ...]:
    """Return the labels of live tokens that a journal which is behind may have lost: they look ours, none knows them.

    Another deployment with the same names has such labels, too: nothing is revoked for its label's form alone.
    """
    strangers = account.strangers(account.tokens) if account.tokens is not None else ()
    return tuple(one.label for one in strangers if one.label is not None and is_label_of(name, one.label))
