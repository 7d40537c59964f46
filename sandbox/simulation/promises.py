"""What is promised, how often each promise was put to the test, and what was found to break it."""

from collections import Counter
from enum import StrEnum


class Promise(StrEnum):
    """Each promise as a person reads it."""

    SERVED = "no reader is rejected, but for what people broke by hand"
    SECRETS = "the secret of every live token that was issued is in Vault"
    CURRENT = "no credential ever has two current tokens"
    ORPHANS = "an orphan ends with the next sweep that may revoke it, or that sweep says why not"
    NOTHING_LEFT = "no token outlives max_age and grace, but for what stood in the way"
    ONCE = "one rotation for one due date"
    AGE = "no credential is served a token older than max_age, but for what stood in the way"
    HELD = "nothing is derived, promoted or revoked in a freeze or pause"
    GRACE = "nothing that is served, in its grace, or not ours is revoked"
    CAPS = "no sweep revokes more than its cap"
    VERDICTS = "each verdict begins once and ends once"
    DEAD = "a credential whose services died is flagged, although its token is new"
    ALIVE = "no credential whose services live is called stale"
    HEALED = "a current token that was revoked by hand is replaced in half an hour, but for what stood in the way"
    WARNED = "a reader that never looks again is told of when max_overlap is over, before its token ends"


class Scales:
    """Counts what was tested and keeps what was broken."""

    def __init__(self) -> None:
        self.tested: Counter[Promise] = Counter()
        self.broken: dict[Promise, list[str]] = {}

    def hold(self, promise: Promise, *, kept: bool, said: str) -> None:
        """Test a promise once; `said` tells a broken one, with the moment and the names in it."""
        self.tested[promise] += 1
        if not kept:
            self.broken.setdefault(promise, []).append(said)

    def test(self, promise: Promise, *, times: int = 1) -> None:
        """Count tests that were passed."""
        self.tested[promise] += times
