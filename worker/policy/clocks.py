"""Whether the clocks agree: what is decided or dated by one that is off is a guess."""

from collections.abc import Mapping
from datetime import timedelta

from worker.models import Severity
from worker.policy.steps import Hold, Reason
from worker.policy.wording import span


def clocks_hold(
    skews: Mapping[str, timedelta | None], tolerance: timedelta, *, account: str, credential: str = "", what: str
) -> Hold | None:
    """Return why nothing may be done by these clocks: one is unknown, or they are apart; None when they agree.

    Args:
        skews: by how much each of them is ahead of this machine's, by its name; None for one that is unknown.
        tolerance: how far any two of them, and this machine's, may be apart.
        account: whose hold it is.
        credential: the same; "" for the whole account.
        what: what is not done then, as the beginning of a sentence, such as "Nothing is revoked for account main".
    """
    for whose, skew in skews.items():
        if skew is None:
            sentence = f"{what}: the clock of {whose} is unknown."
            return Hold(account, credential, Reason.TIME_UNKNOWN, sentence, Severity.WARNING)
    known = [timedelta(), *(skew for skew in skews.values() if skew is not None)]
    apart = max(known) - min(known)
    if apart <= tolerance:
        return None
    each = ", ".join(f"{whose.removeprefix('the ')} {span(skew)}" for whose, skew in skews.items() if skew is not None)
    sentence = f"{what}: clocks are {span(apart)} apart ({each} from this machine's). Correct the clock that is off."
    return Hold(account, credential, Reason.CLOCKS_DIFFER, sentence, Severity.ERROR)
