"""What proves a staged token, and what refuses it."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import StrEnum

from worker.errors import AuthenticationRefusedError, UnusableSecretError
from worker.models import TokenList
from worker.ports import Clock

_FEWEST_TRIES = 2
_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between tries; the last one repeats."""


class Verification(StrEnum):
    """The verdict on a staged token."""

    PROVED = "proved"
    REFUSED = "refused"
    SCOPES_DIFFER = "scopes_differ"
    UNUSABLE = "unusable"


def verify_token(
    signed_list: Callable[[], TokenList], *, token_id: str, scopes: Sequence[str], deadline: timedelta, clock: Clock
) -> Verification:
    """Return the verdict of calls signed by the token itself.

    A 2xx proves the token; its own row, when it is listed already, must carry the scopes that were asked for. Only
    repeated 401s with agreeing clocks, past the deadline counted from the first try, refuse it: a new token may take
    a moment to be known everywhere. A secret that nothing can be signed with needs no call to be refused.

    Args:
        signed_list: lists tokens, signed by the staged token.
        token_id: whose row to look at.
        scopes: what was asked for; empty when nothing was (a token that is served again).
        deadline: how long 401s are put down to propagation.
        clock: measures it.

    Raises:
        RotatorError: whatever else the call raised (no connection, skewed clocks): says nothing about the token.
    """
    end = clock.monotonic() + deadline.total_seconds()
    tries = 0
    while True:
        tries += 1
        try:
            listing = signed_list()
        except AuthenticationRefusedError:
            if tries >= _FEWEST_TRIES and clock.monotonic() >= end:
                return Verification.REFUSED
            clock.sleep(_PAUSES[min(tries, len(_PAUSES)) - 1])
            continue
        except UnusableSecretError:
            return Verification.UNUSABLE
        row = listing.by_id(token_id)
        return Verification.SCOPES_DIFFER if row and scopes and set(row.scopes) != set(scopes) else Verification.PROVED
