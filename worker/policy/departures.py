"""Whether services may still hold a token because a version of their path held it a moment ago."""

from datetime import datetime

from config.schema import Policy
from worker.models import Departure
from worker.policy.wording import span


def why_held(departure: Departure | None, label: str, policy: Policy, now: datetime) -> str | None:
    """Return why that token is not revoked now, as a sentence, or None when the path says nothing against it.

    Args:
        departure: when its consumers' path last held it; None: no version that is left did.
        label: of the token.
        policy: of its credential; `grace` counts from the moment it left.
        now: the present, UTC.
    """
    if departure is None:
        return None
    if departure.left_at is None:
        return (
            f"{label} is to be revoked, but version {departure.version}, the latest at its path, holds it (or may "
            f"have held it before it was deleted). It is left alone for as long as that is so."
        )
    gone = now - departure.left_at
    if gone >= policy.grace:
        return None
    return (
        f"{label} was at the path until {span(gone)} ago (version {departure.version}), so services may hold it: it is "
        f"in its grace for another {span(policy.grace - gone)}."
    )
