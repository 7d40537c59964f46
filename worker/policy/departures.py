"""Whether services may still hold a token because a version of their path held it a moment ago."""

from dataclasses import replace
from datetime import datetime, timedelta

from config.schema import Policy
from worker.journal import TokenRecord
from worker.models import Departure
from worker.policy.wording import span


def first_seen(
    departure: Departure | None, known: TokenRecord | None, now: datetime, skew: timedelta
) -> Departure | None:
    """Return the departure with a time that has passed: Vault's clock may have been ahead when the token left.

    Then the token left when the journal says that it was superseded, if that was after it was last there; else just
    now, when it is seen. (It may have been put back long after it was superseded for the first time.)

    Args:
        departure: as Vault's versions tell it.
        known: what the journal says of the token.
        now: the present, UTC, by a clock that agrees with Vault's.
        skew: by how much clocks may differ.
    """
    if departure is None or departure.left_at is None or departure.left_at - now <= skew:
        return departure
    superseded = known.superseded_at if known else None
    if superseded is None or superseded < departure.served_at:
        return replace(departure, left_at=now)
    return replace(departure, left_at=min(superseded, now))


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
