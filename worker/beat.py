"""Beat: any number may run, one leads, and none ends because Redis is away.

Celery RedBeat keeps the schedule in Redis and sends from it. Left alone it ends at the first answer that it did not
hope for (connection lost for long, memory full, lock gone), and one that takes over an emptied Redis finds no schedule
and sends nothing, silently. So the lead is held here, and whoever newly has it writes the schedule first.
"""

import secrets
import time
from datetime import timedelta
from typing import Any

import structlog
from kombu.exceptions import OperationalError
from redbeat import RedBeatScheduler
from redbeat.schedulers import get_redis
from redis.exceptions import RedisError

from worker.clock import SystemClock
from worker.heartbeat import pulse_from_environment
from worker.models import Severity
from worker.policy.steps import Outcome, Reason, Result
from worker.reporting import Reporter

RETRY_SECONDS = 2.0
"""How soon Redis is asked again after it failed."""

AHEAD = timedelta(seconds=5)
"""A last run that lies so far in the future was noted before this machine's clock was set back."""

# One step, so that it may be repeated when its answer was lost.
_LEAD = """
local holder = redis.call('get', KEYS[1])
if holder and holder ~= ARGV[1] then return 'another' end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return holder and 'still' or 'newly'
"""
_RESIGN = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end"

_log = structlog.get_logger(__name__)


class SteadyScheduler(RedBeatScheduler):  # type: ignore[misc]  # redbeat has no types
    """RedBeat's scheduler with a lead of its own, a heartbeat, and patience."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._pulse = pulse_from_environment()
        self._name = secrets.token_hex(8)
        self._installed = False
        self._away_since: float | None = None
        self._clock = SystemClock()
        self._reporter = Reporter(events=None, clock=self._clock)
        super().__init__(*args, **kwargs)
        # RedBeat's own lock would be waited for without end, and is fatal when it is lost.
        self.lock_key = None

    def setup_schedule(self) -> None:
        """Write nothing yet: only the leader may, or a standby of another version would change the schedule."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due if this one leads; return the seconds until the next look."""
        try:
            pause = self._send_due(*args, **kwargs) if self._leads() else self.max_interval
        except (RedisError, OperationalError, OSError) as error:
            self._tell_away(error)
            return RETRY_SECONDS
        self._tell_back()
        self._pulse.beat()
        return pause

    def close(self) -> None:
        """Give the lead back, if Redis can be told."""
        try:
            get_redis(self.app).eval(_RESIGN, 1, self.app.redbeat_conf.lock_key, self._name)
        except (RedisError, OSError):
            _log.info("beat_lead_left_to_expire")
        super().close()
        self._pulse.end()

    def _leads(self) -> bool:
        ttl = int(self.lock_timeout * 1000)
        answer = get_redis(self.app).eval(_LEAD, 1, self.app.redbeat_conf.lock_key, self._name, ttl)
        if answer != "still":
            # Whoever led before may have had another schedule, or Redis was emptied and with it the schedule.
            self._installed = False
        return bool(answer != "another")

    def _send_due(self, *args: Any, **kwargs: Any) -> float:
        if not self._installed:
            super().setup_schedule()
            self._installed = True
            _log.info("beat_leads")
        self._repair()
        pause: float = super().tick(*args, **kwargs)
        return pause

    def _repair(self) -> None:
        """Write anew what somebody deleted, and let nothing wait until a clock that was set back has caught up."""
        for name in self.app.conf.beat_schedule:
            try:
                entry = self.Entry.from_key(self.Entry.generate_key(self.app, name), app=self.app)
            except KeyError:
                _log.warning("beat_entry_missing", entry=name)
                super().setup_schedule()
                return
            if entry.last_run_at is not None and entry.last_run_at > self._clock.now() + AHEAD:
                _log.warning("beat_clock_was_set_back", entry=name, last_run_at=entry.last_run_at.isoformat())
                entry.reschedule()

    def _tell_away(self, error: Exception) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            self._tell(
                Result.FAILED,
                f"Beat cannot work with Redis ({type(error).__name__}): no sweep is scheduled, so nothing is rotated, "
                f"revoked or flagged until Redis is back. Services are not affected. Look whether Redis runs, can be "
                f"reached and has memory left; beat and workers go on by themselves.",
                Severity.ERROR,
            )

    def _tell_back(self) -> None:
        if self._away_since is not None:
            away, self._away_since = time.monotonic() - self._away_since, None
            self._tell(Result.DONE, f"Redis is back after {away:.0f} s; sweeps are scheduled again.", Severity.INFO)

    def _tell(self, result: Result, sentence: str, severity: Severity) -> None:
        self._reporter.record(
            Outcome(
                at=self._clock.now(),
                account="",
                credential="",
                action=None,
                result=result,
                reason=Reason.REDIS_UNAVAILABLE,
                sentence=sentence,
                severity=severity,
            )
        )
