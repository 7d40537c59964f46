"""What a plan is made of, and what became of it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from worker.models import Severity


class Action(StrEnum):
    """One idempotent act of the engine, in the words of docs/architecture.md."""

    MINT = "mint"  # intent, derive, stage: only these three together, since the answer lives in memory in between
    VERIFY = "verify"
    PROMOTE = "promote"
    CLOSE = "close"
    ABANDON = "abandon"
    REVOKE = "revoke"  # mark, delete, end, destroy
    DESTROY = "destroy"  # the KV versions of a token that is revoked already
    FLAG = "flag"
    UNFLAG = "unflag"
    PROBE = "probe"  # prove that a current token which left the lists is refused
    # a person's
    RESUME = "resume"
    ADOPT = "adopt"
    ROLLBACK = "rollback"
    EMERGENCY = "emergency"
    RETIRE = "retire"
    REVOKE_ALL = "revoke_all"
    PAUSE = "pause"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    TRUST = "trust"


class Reason(StrEnum):
    """Why a step is planned, or why nothing is."""

    # due
    NEVER_ISSUED = "never_issued"
    PERIOD_REACHED = "period_reached"
    OVERDUE = "overdue"
    LATE = "late"
    REQUESTED = "requested"
    NOT_DUE = "not_due"
    BACKING_OFF = "backing_off"
    PARKED = "parked"
    RESUMED = "resumed"
    WINDOW_CLOSED = "window_closed"
    COMPROMISED = "compromised"
    DANGLING = "dangling"
    RETIRED = "retired"
    # held back
    PAUSED = "paused"
    FROZEN = "frozen"
    LIST_SHRANK = "list_shrank"
    # an open intent
    ROLL_FORWARD = "roll_forward"
    PROMOTED_ALREADY = "promoted_already"
    DERIVE_IN_FLIGHT = "derive_in_flight"
    DERIVE_LOST = "derive_lost"
    DERIVE_REFUSED = "derive_refused"
    VERIFY_REFUSED = "verify_refused"
    SCOPES_DIFFER = "scopes_differ"
    FENCED = "fenced"
    SUPERSEDED_BY_OTHER = "superseded_by_other"
    # hands off
    NOT_ADOPTED = "not_adopted"
    DRIFTED = "drifted"
    JOURNAL_BEHIND = "journal_behind"
    MOVED = "moved"
    UNREADABLE = "unreadable"
    OTHER_PROFILE = "other_profile"
    CLOCKS_DIFFER = "clocks_differ"
    TIME_UNKNOWN = "time_unknown"
    FROM_THE_FUTURE = "from_the_future"
    LEASE_HELD = "lease_held"
    # revocation
    ORPHAN = "orphan"
    GRACE_OVER = "grace_over"
    AGE_OVER = "age_over"
    OVERLAP_OVER = "overlap_over"
    REVOKE_UNFINISHED = "revoke_unfinished"
    LISTED_AGAIN = "listed_again"
    SECRET_LEFT = "secret_left"  # noqa: S105 - a reason code
    IN_GRACE = "in_grace"
    STILL_USED = "still_used"
    SERVED_ELSEWHERE = "served_elsewhere"
    NOT_ADOPTED_YET = "not_adopted_yet"
    NOT_LISTED = "not_listed"
    CURRENT_NOT_LIVE = "current_not_live"
    INTENT_OPEN = "intent_open"
    CAPPED = "capped"
    STALE_REVOKED = "stale_revoked"
    ORDERED = "ordered"
    FOREIGN = "foreign"
    # a person's hand
    ADOPTED = "adopted"
    RECLAIMED = "reclaimed"
    ROLLED_BACK = "rolled_back"
    ALREADY_MANAGED = "already_managed"
    NOTHING_TO_ADOPT = "nothing_to_adopt"
    OTHER_TOKEN = "other_token"  # noqa: S105 - a reason code
    SECRET_REFUSED = "secret_refused"  # noqa: S105 - a reason code
    NO_PREDECESSOR = "no_predecessor"
    NOTHING_LIVE = "nothing_live"
    # use
    STALE = "stale"
    UNUSED = "unused"
    STALE_FOR_LONG = "stale_for_long"
    USED_AGAIN = "used_again"
    ENDED = "ended"
    # what a verdict can be besides
    FREEZE_OUTLASTS = "freeze_outlasts"
    PAUSE_FORGOTTEN = "pause_forgotten"
    REVOCATION_STUCK = "revocation_stuck"
    NEAR_LIMIT = "near_limit"
    LOOKS_OURS = "looks_ours"
    RETIRED_CANDIDATE = "retired_candidate"
    # failure of a dependency
    FAILED = "failed"
    REDIS_UNAVAILABLE = "redis_unavailable"
    NO_WAKE_UPS = "no_wake_ups"
    FOREIGN_MESSAGE = "foreign_message"
    STOPPING = "stopping"  # the process was told to end; whoever comes next goes on


ORDERED = frozenset({Reason.COMPROMISED.value, Reason.RETIRED.value, Reason.ORDERED.value})
"""Why a person has a token revoked at once: no grace, freeze, pause, list or cap stands in the way."""


@dataclass(frozen=True, slots=True)
class Step:
    """One act that the plan asks for. `sentence` says to a person what will happen and why."""

    action: Action
    account: str
    credential: str
    reason: Reason
    sentence: str
    token_id: str | None = None
    label: str | None = None
    rotation_id: str | None = None
    last_used_by_others: datetime | None = None
    severity: Severity = Severity.INFO
    verdict: str | None = None
    evidence: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that is deliberately not done now. WARNING and ERROR holds reach an operator."""

    account: str
    credential: str
    reason: Reason
    sentence: str
    severity: Severity = Severity.INFO
    token_id: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """Who asked for an act at the command line, and why: it goes with every outcome of that act."""

    by: str
    why: str = ""

    @property
    def evidence(self) -> dict[str, str]:
        """The order as an outcome carries it."""
        return {"by": self.by, "why": self.why} if self.why else {"by": self.by}


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order in which they are to be done, and what is held back and why."""

    steps: tuple[Step, ...] = ()
    holds: tuple[Hold, ...] = ()


class Result(StrEnum):
    """How a step ended."""

    DONE = "done"
    HELD = "held"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step (or hold): the unit of logs, events and alerts. Never carries a secret."""

    at: datetime
    account: str
    credential: str
    action: Action | None
    result: Result
    reason: Reason
    sentence: str
    severity: Severity = Severity.INFO
    token_id: str | None = None
    rotation_id: str | None = None
    evidence: dict[str, str] = field(default_factory=dict)
