"""Whether a superseded token is quiet: nobody has used it for long enough to be sure that nobody will."""

from datetime import datetime, timedelta

from worker.account_ledger import quiet_since
from worker.policy.facts import CredentialFacts
from worker.policy.wording import span


def why_not_quiet(since: str, facts: CredentialFacts, last: datetime, now: datetime, quiet_for: timedelta) -> str:
    """Return why a superseded token is not quiet, as a sentence.

    Args:
        since: how it begins: which token, and that its grace is over.
        facts: of its credential.
        last: when the exchange says that it was last used.
        now: the present, UTC.
        quiet_for: how long it must be quiet.
    """
    if last - now > facts.credential.policy.max_clock_skew:
        return (
            f"{since}, but the exchange dates its last use {span(last - now)} ahead: its clock was off then, so "
            f"whether the token is in use is unknown. It waits until that is past, or until max_age."
        )
    if now - last >= quiet_for:
        return (
            f"{since}, but the exchange did not answer until {span(quiet_for_sure(facts, last, now))} ago, so nobody "
            f"could use it; it must be quiet for {span(quiet_for)} from then on."
        )
    return (
        f"{since}, but a service used it {span(now - last)} ago; it must be quiet for {span(quiet_for)}. Find the "
        f"reader that did not pick up the new version."
    )


def quiet_for_sure(facts: CredentialFacts, last: datetime, now: datetime) -> timedelta:
    """Return how long it is certain that nobody used a token who could have."""
    return now - (quiet_since(facts.state.ledger, last, now) if facts.state else last)
