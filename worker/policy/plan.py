"""The three decisions, in one place: `plan(facts, now)` for each scheduled job."""

from worker.policy.revocation import plan_revocations
from worker.policy.rotation import plan_rotation
from worker.policy.verdicts import plan_flags

__all__ = ["plan_flags", "plan_revocations", "plan_rotation"]
