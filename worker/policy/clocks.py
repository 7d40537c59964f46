"""Whether the clocks agree: what is decided or dated by one that is off is a guess."""

from collections.abc import Mapping
from datetime import timedelta

from worker.models import Severity
from worker.policy.steps import Hold, Reason
from worker.policy.wording import span

NO_DATE = (
    "Its list of tokens came without a readable Date header: look at what stands between us and the exchange, and "
    "whether our own clock runs."
)
NO_TIME = "It did not tell its time."

Skew = timedelta | str
"""By how much a clock is ahead of this machine's, or a sentence that says why that is unknown."""


def clocks_hold(
    skews: Mapping[str, Skew], tolerance: timedelta, *, account: str, credential: str = "", what: str
) -> Hold | None:
    """Return why nothing may be done by these clocks: one is unknown, or they are apart; None when they agree.

    Args:
        skews: of each clock, by its name.
        tolerance: how far any two of them, and this machine's, may be apart.
        account: whose hold it is.
        credential: the same; "" for the whole account.
        what: what is not done then, as the beginning of a sentence, such as "Nothing is revoked for account main".
    """
    for whose, skew in skews.items():
        if isinstance(skew, str):
            sentence = f"{what}: the clock of {whose} is unknown. {skew}"
            return Hold(account, credential, Reason.TIME_UNKNOWN, sentence, Severity.WARNING)
    known = {whose: skew for whose, skew in skews.items() if isinstance(skew, timedelta)}
    ahead = [timedelta(), *known.values()]
    apart = max(ahead) - min(ahead)
    if apart <= tolerance:
        return None
    each = ", ".join(f"{whose.removeprefix('the ')} {span(skew)}" for whose, skew in known.items())
    sentence = f"{what}: clocks are {span(apart)} apart ({each} from this machine's). Correct the clock that is off."
    return Hold(account, credential, Reason.CLOCKS_DIFFER, sentence, Severity.ERROR)
