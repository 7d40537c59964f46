"""Beat: any number may run, one leads, and none ends because Redis is away or holds what it should not.

What is sent, and how often, is our own configuration, and nothing else is ever read: Redis only holds who leads and
when each sweep was last sent, and both are hints (see `worker.timetable`).
"""

import secrets
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

import structlog
from celery.beat import Scheduler
from kombu.exceptions import OperationalError
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from config.celery import QUEUE
from worker.app import RotatorApp
from worker.backlog import Backlog, News
from worker.clock import SystemClock
from worker.heartbeat import pulse_from_environment
from worker.models import Severity
from worker.policy.steps import Outcome, Reason, Result
from worker.policy.wording import span
from worker.redis import connect
from worker.reporting import Reporter
from worker.timetable import due_at, hint

LEAD_KEY = "rotator:beat::lock"
"""Which beat leads. The name is the one that earlier versions use: beats of both may run side by side for a moment."""

SENT_KEY = "rotator:beat:sent"
"""When each sweep was last sent, in seconds since the epoch."""

LEAD_SECONDS = 30.0
"""A leader that was killed is replaced after so long at most."""

LOOK_SECONDS = 5.0
"""How often a beat looks whether it leads, at least; several times in the life of a lead."""

PATIENCE = timedelta(minutes=15)
"""How long the queue may not be empty before it is told."""

RETRY_SECONDS = 2.0
"""How soon Redis is asked again after it failed."""

# One step, so that it may be repeated when its answer was lost. A lead without end, or of another kind, is nobody's.
_LEAD = """
if redis.call('type', KEYS[1]).ok ~= 'string' then redis.call('unlink', KEYS[1]) end
local holder = redis.call('get', KEYS[1])
local left = redis.call('pttl', KEYS[1])
if holder and holder ~= ARGV[1] and left >= 0 and left <= tonumber(ARGV[2]) then return 'another' end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return holder == ARGV[1] and 'still' or 'newly'
"""
_RESIGN = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end"
_NOTE = """
if redis.call('type', KEYS[1]).ok ~= 'hash' then redis.call('unlink', KEYS[1]) end
return redis.call('hset', KEYS[1], ARGV[1], ARGV[2])
"""
_READ = """
if redis.call('type', KEYS[1]).ok ~= 'hash' then return false end
local sent = {}
for place, name in ipairs(ARGV) do
  local one = redis.call('hget', KEYS[1], name)
  sent[place] = one and #one < 40 and one or ''
end
return sent
"""

# Another thing in the queue's place is the workers' to remove; they see it at once, if there are any.
_WAITING = """
local kind = redis.call('type', KEYS[1]).ok
if kind == 'list' then return redis.call('llen', KEYS[1]) end
return kind == 'none' and 0 or 1
"""

_log = structlog.get_logger(__name__)


class SteadyScheduler(Scheduler):
    """Celery's scheduler with a schedule that does not change, a lead, a heartbeat, and patience."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._pulse = pulse_from_environment()
        self._name = secrets.token_hex(8)
        self._away_since: float | None = None
        self._clock = SystemClock()
        self._started = self._clock.monotonic()
        self._sent: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._reporter = Reporter(events=None, clock=self._clock)
        super().__init__(*args, **kwargs)
        settings = cast("RotatorApp", self.app).settings
        self._patience = min(PATIENCE, settings.schedule.longest_wait)
        self._backlog = Backlog(self._patience.total_seconds())
        self._redis = connect(
            settings.infrastructure.redis_url,
            socket_timeout=5,
            connect_timeout=3,
            # What beat asks is safe to ask again, so that one broken connection is not told as an outage.
            retry=Retry(ExponentialBackoff(cap=1, base=0.2), 2),
            text=False,
        )

    def setup_schedule(self) -> None:
        """Do nothing: the schedule is the configuration's."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; return the seconds until the next look. Never raises."""
        del args, kwargs
        try:
            pause = self._lead() if self._leads() else LOOK_SECONDS
        except (RedisError, OperationalError, OSError) as error:
            self._tell_away(error)
            pause = RETRY_SECONDS
        except Exception:  # noqa: BLE001 - whatever it is, it must not end the process
            # Beat is the one thing that nobody would miss in time: whatever it is, the next look may do better.
            _log.exception("beat_failed")
            pause = RETRY_SECONDS
        else:
            self._tell_back()
        # Also while Redis is away: this process is well, and a restart would not bring Redis back.
        self._pulse.beat()
        return pause

    def close(self) -> None:
        """Give the lead back, if Redis can be told."""
        try:
            self._redis.eval(_RESIGN, 1, LEAD_KEY, self._name)
        except (RedisError, OSError):
            _log.info("beat_lead_left_to_expire")
        super().close()
        self._redis.close()
        self._pulse.end()

    def _lead(self) -> float:
        # Before anything is sent: that lies there for a moment, however well it is taken.
        self._tell_of_backlog()
        return self._send_due()

    def _leads(self) -> bool:
        answer = self._redis.eval(_LEAD, 1, LEAD_KEY, self._name, str(int(LEAD_SECONDS * 1000)))
        if answer == b"newly":
            self._told = self._read_hints()
            # What lay there while another led, or while Redis was away, is not this leader's to tell.
            self._backlog.begin_anew()
            _log.info("beat_leads")
        return bool(answer != b"another")

    def _read_hints(self) -> dict[str, float]:
        """Return when each sweep was last sent, by this process's clock, as far as what is noted makes sense."""
        entries = list(self._entries)
        noted = cast("list[object]", self._redis.eval(_READ, 1, SENT_KEY, *entries) or [])
        wall, now = self._clock.now().timestamp(), self._clock.monotonic()
        ages = {name: hint(raw, now=wall) for name, raw in zip(entries, noted, strict=False)}
        return {name: now - age for name, age in ages.items() if age is not None}

    def _send_due(self) -> float:
        for name, entry in self._entries.items():
            if self._due_at(name, entry) > self._clock.monotonic():
                continue
            self.app.send_task(entry["task"], **entry["options"])
            self._sent[name] = self._clock.monotonic()
            _log.info("sweep_sent", entry=name)
            self._redis.eval(_NOTE, 1, SENT_KEY, name, f"{self._clock.now().timestamp():.3f}")
        next_due = min(self._due_at(name, entry) for name, entry in self._entries.items())
        return max(0.0, min(next_due - self._clock.monotonic(), LOOK_SECONDS))

    def _due_at(self, name: str, entry: Mapping[str, Any]) -> float:
        every: timedelta = entry["schedule"]
        return due_at(
            every=every.total_seconds(),
            started=self._started,
            sent=self._sent.get(name),
            told=self._told.get(name),
        )

    @property
    def _entries(self) -> Mapping[str, Mapping[str, Any]]:
        return cast("Mapping[str, Mapping[str, Any]]", self.app.conf.beat_schedule)

    def _tell_of_backlog(self) -> None:
        try:
            waiting = cast("int", self._redis.eval(_WAITING, 1, QUEUE))
        except ResponseError as error:  # such as a right that is missing: no reason to send nothing
            _log.warning("beat_cannot_see_the_queue", error=type(error).__name__)
            return
        match self._backlog.look(waiting, self._clock.monotonic()):
            case News.UNTAKEN:
                sentence = (
                    f"The queue of wake-ups in Redis has not been empty for {span(self._patience)}: no worker is "
                    f"running, or none can keep up. Rotations, revocations and flags may be late; services keep "
                    f"their tokens. Look whether a worker runs, what its log says, and whether it uses this Redis."
                )
                self._tell(Result.FAILED, sentence, Severity.ERROR, Reason.LATE)
            case News.TAKEN_AGAIN:
                self._tell(Result.DONE, "The wake-ups in Redis are taken again.", Severity.INFO, Reason.LATE)

    def _tell_away(self, error: Exception) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            self._tell(
                Result.FAILED,
                f"Beat cannot work with Redis ({type(error).__name__}): no wake-up is sent. While workers cannot "
                f"reach Redis either, nothing is rotated, revoked or flagged. Services are not affected. Look whether "
                f"Redis runs, can be reached and has memory left; beat and workers go on by themselves.",
                Severity.ERROR,
            )

    def _tell_back(self) -> None:
        if self._away_since is not None:
            away, self._away_since = time.monotonic() - self._away_since, None
            self._tell(Result.DONE, f"Redis is back after {away:.0f} s; wake-ups are sent again.", Severity.INFO)

    def _tell(
        self, result: Result, sentence: str, severity: Severity, reason: Reason = Reason.REDIS_UNAVAILABLE
    ) -> None:
        self._reporter.record(
            Outcome(
                at=self._clock.now(),
                account="",
                credential="",
                action=None,
                result=result,
                reason=reason,
                sentence=sentence,
                severity=severity,
            )
        )
