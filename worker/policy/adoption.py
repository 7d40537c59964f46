"""What a person may have taken over: a token that Vault serves already. Nothing is derived or revoked by it."""

from collections.abc import Sequence
from datetime import timedelta

from worker.journal import RecordState
from worker.models import ListedToken, ServedDocument
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.refusals import hold_of, live_records, refused, step_of
from worker.policy.safety import hands_off
from worker.policy.steps import Action, Hold, Plan, Reason
from worker.policy.wording import beginning, span


def plan_adopt(
    account: AccountFacts,
    name: str,
    *,
    elsewhere: Sequence[CredentialFacts] = (),
    token_id: str | None = None,
    reclaim: bool = False,
) -> Plan:
    """Return the one step that takes over what Vault serves, or the rule that refuses it.

    Args:
        account: the facts of the whole account: nobody else's token is adopted.
        name: of the credential.
        elsewhere: the credentials of every other account, two of which may be of one profile by mistake.
        token_id: which token the person expects there; None for whatever it is.
        reclaim: take over although the journal is behind, belongs to another name, or knows another token there.
    """
    facts = _of(account, name)
    document = facts.path.document if facts.path else None
    refusal = _refuse_state(facts, reclaim=reclaim)
    if refusal is not None:
        return refused(refusal)
    if document is None:
        where = f"{facts.location} holds no token id and secret"
        fields = facts.credential.fields
        sentence = f"{where} (fields {fields.token_id!r} and {fields.secret!r}): there is nothing to take over."
        return refused(hold_of(facts, Reason.NOTHING_TO_ADOPT, sentence))
    refusal = _refuse_token(account, facts, document, token_id) or _refuse_shared(account, facts, document, elsewhere)
    if refusal is None:
        refusal = _refuse_journal(account, facts) if reclaim else _refuse_intent(facts)
    if refusal is not None:
        return refused(refusal)
    reason = Reason.RECLAIMED if reclaim else Reason.ADOPTED
    sentence = (
        f"Prove that the secret at {facts.location} works and write token {document.token_id} to the ledger as "
        f"current. Nothing is derived or revoked; the first rotation comes when it is due."
    )
    return Plan(steps=(step_of(facts, Action.ADOPT, reason, sentence, token_id=document.token_id),))


def _refuse_state(facts: CredentialFacts, *, reclaim: bool) -> Hold | None:
    name, journal = facts.credential.name, facts.ledger
    hold = hands_off(facts)
    if journal is not None and journal.retired_at is not None:
        sentence = f"{name} was retired at {journal.retired_at:%F}; give the secret a path of its own."
        return hold_of(facts, Reason.RETIRED, sentence)
    if hold is None:
        if facts.path is None or facts.path.document is None:
            sentence = f"{facts.location} serves nothing: there is nothing to take over, the next sweep rotates {name}."
            return hold_of(facts, Reason.NOTHING_TO_ADOPT, sentence)
        return hold_of(facts, Reason.ALREADY_MANAGED, f"{name} is managed already; its journal and its path agree.")
    if hold.reason in {Reason.JOURNAL_BEHIND, Reason.MOVED, Reason.DRIFTED}:
        return None if reclaim else hold
    return None if hold.reason is Reason.NOT_ADOPTED else hold


def _refuse_intent(facts: CredentialFacts) -> Hold | None:
    if facts.intent is None:
        return None
    name = facts.credential.name
    sentence = (
        f"Rotation {facts.intent.rotation_id} of {name} is open although its path holds something else. To give it up "
        f"and take over what is there: rotator adopt {name} --reclaim"
    )
    return hold_of(facts, Reason.INTENT_OPEN, sentence)


def _refuse_token(
    account: AccountFacts, facts: CredentialFacts, document: ServedDocument, token_id: str | None
) -> Hold | None:
    served = document.token_id
    if token_id is not None and token_id != served:
        sentence = f"{facts.location} holds token {beginning(served)}, not {token_id}."
        return hold_of(facts, Reason.OTHER_TOKEN, sentence)
    record = facts.ledger.record_of(served) if facts.ledger else None
    if record is not None and record.state in {RecordState.REVOKING, RecordState.REVOKED}:
        sentence = f"Token {served} at {facts.location} is {record.state.value} in the ledger, and that is final."
        return hold_of(facts, Reason.REVOKE_UNFINISHED, sentence)
    if account.other_profile is not None:
        return hold_of(facts, Reason.OTHER_PROFILE, account.other_profile)
    if account.tokens is None:
        return hold_of(facts, Reason.UNREADABLE, f"The tokens could not be listed: {account.list_error}")
    listed = account.tokens.by_id(served)
    if listed is None:
        fields = facts.credential.fields
        sentence = (
            f"Token {beginning(served)} at {facts.location} is not in the list of account {account.account}. Does "
            f"field {fields.token_id!r} there hold the token's id, and {fields.secret!r} its secret? "
            f"Put a live one of this account there, and adopt that."
        )
        return hold_of(facts, Reason.NOT_LISTED, sentence)
    return None


def _refuse_shared(
    account: AccountFacts, facts: CredentialFacts, document: ServedDocument, elsewhere: Sequence[CredentialFacts]
) -> Hold | None:
    """Return why the token is, or may be, somebody else's: its owner would revoke it."""
    name, served = facts.credential.name, document.token_id
    listed = account.tokens.by_id(served) if account.tokens else None
    others = [one for one in (*account.credentials, *elsewhere) if one.credential.name != name]
    unreadable = next((one for one in others if one.unreadable is not None), None)
    if unreadable is not None:
        whose = unreadable.credential.name
        sentence = f"Whether token {served} belongs to {whose} is unknown: {unreadable.unreadable}"
        return hold_of(facts, Reason.UNREADABLE, sentence)
    owner = next((one.credential.name for one in others if listed and _is_owner(one, listed, name)), None)
    if owner is not None:
        return hold_of(facts, Reason.ALREADY_MANAGED, f"Token {served} belongs to credential {owner} already.")
    reader = next((one for one in others if one.served_token_id == served), None)
    if reader is not None:
        sentence = (
            f"Token {served} is served at {reader.location} (credential {reader.credential.name}) too, and one token "
            f"cannot belong to two credentials: whoever rotates first would cut the other's services off. Put a token "
            f"of its own there first."
        )
        return hold_of(facts, Reason.ALREADY_MANAGED, sentence)
    return None


def _is_owner(other: CredentialFacts, listed: ListedToken, name: str) -> bool:
    # A journal that moved is that of the credential under its old name.
    return other.knows(listed) and other.ledger is not None and other.ledger.credential != name


def _refuse_journal(account: AccountFacts, facts: CredentialFacts) -> Hold | None:
    """Return why what the journal knows cannot be compared with the list."""
    suspicion = account.state.ledger.suspicion if account.state else None
    if suspicion is not None:
        confirm_after = account.settings.guards.confirm_after
        wait = min(confirm_after, max(timedelta(), suspicion.first_at + confirm_after - account.listed_at))
        name = facts.credential.name
        sentence = (
            f"{suspicion.sentence} Which tokens of {name} are alive is unknown for another {span(wait)}: a list that "
            f"still lacks the same tokens is believed then, and this command can be given again. If you have compared "
            f"the list with the exchange and it is right, it is believed at once with: rotator trust {account.account}"
        )
        return hold_of(facts, Reason.LIST_SHRANK, sentence)
    journal = facts.ledger
    if journal is None or journal.account == account.account or account.tokens is None:
        return None
    tokens = account.tokens
    left = [one.label for one in live_records(journal) if one.token_id and tokens.by_id(one.token_id) is None]
    if not left:
        return None
    sentence = (
        f"The journal's tokens {', '.join(left)} belong to account {journal.account}; they could no longer be revoked "
        f"from account {account.account}. Revoke them there first, or give the credential a path of its own."
    )
    return hold_of(facts, Reason.MOVED, sentence)


def _of(account: AccountFacts, name: str) -> CredentialFacts:
    return next(one for one in account.credentials if one.credential.name == name)
