"""When to keep hands off a credential or an account: unknown means "do nothing and say so"."""

from datetime import timedelta

from worker.journal import Journal, TokenRecord
from worker.models import ConsumersPath, PathContent, PathLocation, ServedDocument, Severity
from worker.policy.ahead import is_ahead
from worker.policy.clocks import NO_DATE, NO_TIME, clocks_hold
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.steps import Hold, Reason
from worker.policy.wording import beginning

AT_THE_PATH = frozenset({Reason.DRIFTED, Reason.NOT_ADOPTED, Reason.JOURNAL_BEHIND})
"""The path holds what the journal does not know. Whoever can write the path can bring each of these about, so they
hold back what happens by itself, and never that a person's order ends what the journal knows to be ours."""


def hands_off(facts: CredentialFacts) -> Hold | None:
    """Return why nothing may be rotated, revoked or flagged for this credential, or None when all agrees.

    The journal and the consumers' path must tell one story: the path serves the ledger's current token, or the one
    that the open intent staged, or (before the first promote) nothing.
    """
    name = f"credential {facts.credential.name} (account {facts.credential.account})"
    if facts.unreadable is not None or facts.path is None:
        return _hold(facts, Reason.UNREADABLE, f"Nothing is decided for {name}: {facts.unreadable}", Severity.WARNING)
    journal, path = facts.ledger, facts.path
    if journal is not None and not _is_of(journal, facts):
        return _hold(
            facts,
            Reason.MOVED,
            f"The journal at this path belongs to credential {journal.credential} of account {journal.account} at "
            f"{journal.location}, but the configuration now says {name}. Nothing is done until a person decides: "
            f"put the old name, account and path back, or let this one take it over. {_look(facts, reclaim=True)}",
        )
    if path.document is not None and is_ahead(facts):
        return _hold(
            facts,
            Reason.JOURNAL_BEHIND,
            f"The path of {name} serves sequence {path.document.sequence}, but {_known_to(journal)}: the journal was "
            f"lost or restored from a backup, or somebody else wrote that to the path. Nothing is derived, and nothing "
            f"revoked but what a person orders, until a person has compared both. {_look(facts, reclaim=True)}",
        )
    return _drift(facts, journal, path, name)


def _look(facts: CredentialFacts, *, reclaim: bool) -> str:
    """Return how a person finds out whether what is there can be taken over: that hangs on the list, unread here."""
    flag = " --reclaim" if reclaim else ""
    return f"Whether what is there can be taken over says: rotator adopt {facts.credential.name}{flag} --dry-run"


def _known_to(journal: Journal | None) -> str:
    return f"its journal is at {journal.sequence}" if journal else "there is no journal of it"


def _is_of(journal: Journal, facts: CredentialFacts) -> bool:
    credential = facts.credential
    return (
        journal.credential == credential.name
        and journal.account == credential.account
        and journal.location == PathLocation(credential.mount, credential.path)
    )


def _drift(facts: CredentialFacts, journal: Journal | None, path: ConsumersPath, name: str) -> Hold | None:
    current = journal.current if journal else None
    where = f"{facts.credential.mount}/{facts.credential.path}"
    staged = journal.intent.token if journal and journal.intent else None
    serves_staged = path.document is not None and staged is not None and path.document.token_id == staged.token_id
    if serves_staged and path.document and staged and path.document.secret != staged.secret:
        # Ids can be read in the exchange's list; to close on one would drop the only copy of the secret.
        return _hold(
            facts,
            Reason.DRIFTED,
            f"{where} serves the new token of {name} with another secret than the journal holds (version "
            f"{path.version}): somebody else wrote it. Nothing is overwritten, rotated or revoked but what a person "
            f"orders; restore the version before it.",
        )
    if current is None:
        ended = journal is not None and path.document is not None and journal.record_of(path.document.token_id)
        if ended or serves_staged or path.content in {PathContent.EMPTY, PathContent.TOMBSTONE}:
            return None
        return _hold(
            facts,
            Reason.NOT_ADOPTED,
            f"{where} already holds version {path.version}, which no journal of {name} knows. It is left as it is. "
            f"{_room(facts, path)}",
        )
    expected = {current.token_id}
    if journal is not None and journal.intent is not None and journal.intent.token is not None:
        expected.add(journal.intent.token.token_id)
    if path.document is not None and path.document.token_id in expected and _is_whole(path.document, current):
        return None
    found = _found(path)
    return _hold(
        facts,
        Reason.DRIFTED,
        f"{where} should serve {current.label} of {name}, but holds {found} (version {path.version}): somebody else "
        f"changed it. Nothing is overwritten, and nothing rotated or revoked but what a person orders. "
        f"{_way_out(facts, path, current)}",
    )


def _way_out(facts: CredentialFacts, path: ConsumersPath, current: TokenRecord) -> str:
    """Return what a person can type so that the path serves our token again, or another one for good."""
    credential, version = facts.credential, current.promoted_version
    where = f"-mount={credential.mount}", credential.path
    if path.content is PathContent.EMPTY:
        return (
            f"Every version is gone: put the secret of {current.label} back from a backup of Vault, or end its tokens "
            f"and have a new one made: rotator revoke {credential.name} --all"
        )
    if version is None:
        return f"Restore the version that served {current.label}."
    if path.document is None and path.version == version:
        return f"Restore it: vault kv undelete {where[0]} -versions={version} {where[1]}"
    restore = (
        f"Restore the version that served {current.label}: vault kv rollback {where[0]} -version={version} {where[1]}"
    )
    if path.document is None:
        return restore
    return f"{_look(facts, reclaim=True)} ; if it is not to stay, r{restore.removeprefix('R')}"


def _room(facts: CredentialFacts, path: ConsumersPath) -> str:
    """Return what a person can do about a path that holds what no journal of ours knows."""
    credential = facts.credential
    away = (
        f"remove it with all its versions (vault kv metadata delete -mount={credential.mount} {credential.path}), or "
        f"give the credential another path"
    )
    if facts.ledger is not None and facts.ledger.retired_at is not None:
        return f"{credential.name} is retired: take it out of the configuration."
    if path.document is None:
        return f"There is no token in it to take over. If nobody needs it, {away}."
    return f"Take it over, {away}. {_look(facts, reclaim=facts.intent is not None)}"


def _is_whole(document: ServedDocument, current: TokenRecord) -> bool:
    """Whether the document is as we (or, for an adopted token, the people before us) wrote it."""
    return document.label != "" or current.adopted_as is not None


def _found(path: ConsumersPath) -> str:
    if path.content is PathContent.EMPTY:
        return "nothing"
    if path.document is None:
        return "a version that is not ours, or was deleted"
    return path.document.label or f"token {beginning(path.document.token_id)}, put there by hand"


def _hold(facts: CredentialFacts, reason: Reason, sentence: str, severity: Severity = Severity.ERROR) -> Hold:
    return Hold(facts.credential.account, facts.credential.name, reason, sentence, severity)


def account_hold(facts: AccountFacts, tolerance: timedelta) -> Hold | None:
    """Return why nothing may be revoked in this account now: no list, an unknown clock, or clocks apart.

    Args:
        facts: of the account.
        tolerance: by how much our, the exchange's and Vault's clock may differ.
    """
    name = f"account {facts.account}"
    if facts.other_profile is not None:
        return Hold(facts.account, "", Reason.OTHER_PROFILE, facts.other_profile, Severity.ERROR)
    if facts.tokens is None:
        sentence = f"The tokens of {name} could not be listed: {facts.list_error}"
        return Hold(facts.account, "", Reason.UNREADABLE, sentence, Severity.WARNING)
    exchange, vault = facts.exchange_skew, facts.vault_skew
    skews = {
        "the exchange": NO_DATE if exchange is None else exchange,
        "Vault": (facts.vault_time_error or NO_TIME) if vault is None else vault,
    }
    return clocks_hold(skews, tolerance, account=facts.account, what=f"Nothing is revoked for {name}")


def clocks_differ(facts: AccountFacts) -> bool:
    """Whether clocks that are known are further apart than the strictest credential of the account permits."""
    tolerance = min((one.credential.policy.max_clock_skew for one in facts.credentials), default=None)
    hold = account_hold(facts, tolerance) if tolerance is not None else None
    return hold is not None and hold.reason is Reason.CLOCKS_DIFFER
