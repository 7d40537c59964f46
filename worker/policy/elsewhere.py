"""Which other credentials' paths may have served a token until a moment ago, although none serves it now."""

from datetime import datetime, timedelta

from worker.policy.due import age_of
from worker.policy.facts import AccountFacts, CredentialFacts
from worker.policy.steps import Step


def may_have_served(facts: AccountFacts, step: Step, now: datetime) -> tuple[CredentialFacts, ...]:
    """Return the credentials whose paths may have served that token within its grace; their versions tell.

    Those are the one at whose path a sweep saw it, and each whose path somebody other than a worker wrote within the
    grace: a copy may have come and gone between two sweeps, and a restored journal forgets what sweeps saw. Past
    `max_age` no copy keeps a token alive.

    Args:
        facts: of the account.
        step: the revocation.
        now: the present, UTC.
    """
    owner = next(one for one in facts.credentials if one.credential.name == step.credential)
    policy, token_id = owner.credential.policy, step.token_id or ""
    record = owner.ledger.record_of(token_id) if owner.ledger else None
    row = facts.tokens.by_id(token_id) if facts.tokens is not None else None
    age = age_of(record, now) if record else None
    if age is None and row is not None:
        age = now - row.created_at
    if age is None or age > policy.max_age:
        return ()
    seen_in = record.elsewhere_in if record else None
    others = (one for one in facts.credentials if one is not owner)
    return tuple(one for one in others if one.credential.name == seen_in or _written_by_others(one, now, policy.grace))


def _written_by_others(facts: CredentialFacts, now: datetime, within: timedelta) -> bool:
    """Whether the journal does not account for every version of the path that may have been written that lately.

    What left the path left it when a later version was written, so an old latest version needs no reading. A version
    that was promoted before that has all later ones after it.
    """
    path, journal = facts.path, facts.ledger
    if path is None or path.version == 0 or (path.created_time is not None and now - path.created_time >= within):
        return False
    promoted = {one.promoted_version: one.promoted_at for one in (journal.ledger if journal else ())}
    before = [number for number, at in promoted.items() if number and at is not None and now - at >= within]
    return any(number not in promoted for number in range(max(before, default=0) + 1, path.version + 1))
