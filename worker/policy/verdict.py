"""A verdict: one thing that is the matter now, told once when it begins and once when it ends."""

from dataclasses import dataclass, field

from worker.models import Severity
from worker.policy.steps import Reason

ANNOUNCED = frozenset(
    {
        Reason.STALE,
        Reason.STALE_FOR_LONG,
        Reason.UNUSED,
        Reason.STILL_USED,
        Reason.DANGLING,
        Reason.OVERDUE,
        Reason.LATE,
        Reason.PARKED,
        Reason.NOT_ADOPTED,
        Reason.DRIFTED,
        Reason.JOURNAL_BEHIND,
        Reason.MOVED,
        Reason.LIST_SHRANK,
        Reason.FREEZE_OUTLASTS,
        Reason.PAUSE_FORGOTTEN,
        Reason.REVOCATION_STUCK,
        Reason.NEAR_LIMIT,
        Reason.FOREIGN,
        Reason.LOOKS_OURS,
        Reason.RETIRED_CANDIDATE,
    }
)
"""Reasons that are told as verdicts, once when they begin and once when they end; holds for them alert nobody."""


BY_LIST = frozenset(
    {
        Reason.STALE,
        Reason.STALE_FOR_LONG,
        Reason.UNUSED,
        Reason.STILL_USED,
        Reason.FOREIGN,
        Reason.LOOKS_OURS,
    }
)
"""Verdicts that need the exchange's list: while it cannot be read they neither begin nor end."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that is the matter now, with its evidence."""

    kind: Reason
    credential: str
    sentence: str
    severity: Severity = Severity.WARNING
    token_id: str | None = None
    label: str | None = None
    evidence: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What makes two verdicts the same one."""
        return (self.kind.value, self.credential, self.token_id)
