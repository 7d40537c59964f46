"""What a worker took from the queue and has not begun: each wake-up once, and none more often than it can be meant.

Nor less often: messages can be stolen, deleted and kept from being sent by whoever can write to Redis. So the schedule
is also kept here, by this process's own clock, and what no message asked for in time is done without one. Nothing that
is in Redis, or not, can stop a sweep.

Used by the one thread that reads the queue. What is refused is counted, and told once for each kind and hour: who can
write to Redis must not be able to fill the log.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from config.schedule import Expected
from worker.gate import Refused, WakeUp, read
from worker.heartbeat import Vitals
from worker.models import Severity
from worker.policy.steps import Outcome, Reason, Result
from worker.ports import Clock

BURST = 10
"""So many wake-ups for one name are taken at once: catching up, people, and beats that take over from each other."""

PER_INTERVAL = 2.0
"""How many more are taken in each of its intervals: the leading beat's, and one of a beat that does not trust it."""

TRUST = 1.75
"""How many intervals a worker waits for wake-ups of one kind before it wakes itself up: sweeps go on within two."""

TRUST_FOR_ONE = 5
"""How many it waits for the wake-up of one name. Longer, since other workers get most of them."""

LOOK_SECONDS = 0.2
"""How often it looks whether something is overdue."""

QUIET_INTERVALS = 10
"""A worker that no message woke up for so many of the shortest intervals says so."""

TELL_AGAIN = timedelta(hours=1)

_ROUTINE = frozenset({Refused.EXPIRED})
"""Of which nobody needs to be told: a worker was away while beat went on."""


class Inbox:
    """Sifts what was in the queue, and hands it out.

    Args:
        expected: what a message may ask for.
        clock: judges expiry and measures intervals.
        tell: is told outcomes that a person should know of.
        vitals: is told whenever Redis answers.
    """

    def __init__(
        self, *, expected: Mapping[str, Expected], clock: Clock, tell: Callable[[Outcome], None], vitals: Vitals
    ) -> None:
        self.vitals = vitals
        self._expected = expected
        self._clock = clock
        self._tell = tell
        self._waiting: OrderedDict[tuple[str, str | None], WakeUp] = OrderedDict()
        self._allowances: dict[tuple[str, str | None], _Allowance] = {}
        self._dropped: Counter[Refused] = Counter()
        self._said: dict[str, float] = {}
        self._woken = clock.monotonic()
        self._silent = False
        self._looked = self._woken
        self._last: dict[str, float] = {}
        self._last_of: dict[tuple[str, str | None], float] = {}
        shortest = min((one.every for one in expected.values()), default=timedelta(minutes=1))
        self._patience = QUIET_INTERVALS * shortest.total_seconds()

    def sift(self, elements: Iterable[bytes]) -> None:
        """Keep the wake-ups among these elements of the queue; drop everything else, for good."""
        now = self._clock.now()
        dropped: Counter[Refused] = Counter()
        for raw in elements:
            found = read(raw, self._expected, now)
            refused = self._keep(found) if isinstance(found, WakeUp) else found
            if refused is not None:
                dropped[refused] += 1
        self._account_for(dropped)

    def next(self) -> WakeUp | None:
        """Return the wake-up that waits longest, and forget it; None when none waits."""
        return self._waiting.popitem(last=False)[1] if self._waiting else None

    def flooded(self, length: int) -> None:
        """Say that the queue was longer than it can ever be, and was cut to its two ends."""
        self._say(
            Reason.FOREIGN_MESSAGE,
            "flood",
            f"The queue in Redis held {length} elements, far more than beat and workers ever send; all but both of "
            f"its ends was dropped. Sweeps go on. Somebody else can write to this Redis: see who, and give it a new "
            f"password.",
            Severity.WARNING,
        )

    def displaced(self, key: str) -> None:
        """Say that something that is no queue was in the queue's place, and was removed."""
        self._say(
            Reason.FOREIGN_MESSAGE,
            "key",
            f"The key {key} in Redis held something that is no queue; it was removed. Sweeps go on. Somebody else can "
            f"write to this Redis: see who, and give it a new password.",
            Severity.WARNING,
        )

    def wake_up_what_is_overdue(self) -> None:
        """Add what no message asked for in time; say once when no message comes at all, and when they come again."""
        now = self._clock.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        for task, expected in self._expected.items():
            if expected.names is None:
                continue  # fans out through Redis, which is what cannot be relied on here
            every = expected.every.total_seconds()
            silent = now - self._last.setdefault(task, self._woken) >= TRUST * every
            for name in sorted(expected.names):
                key = (task, name)
                if silent or now - self._last_of.setdefault(key, self._woken) >= TRUST_FOR_ONE * every:
                    self._waiting.setdefault(key, WakeUp(task, name))
                    self._last[task] = self._last_of[key] = now
        self._tell_of_silence(now - self._woken)

    def _tell_of_silence(self, quiet: float) -> None:
        if not self._silent and quiet > self._patience:
            self._silent = True
            self._record(
                Result.FAILED,
                Reason.NO_WAKE_UPS,
                f"No message woke this worker up for {quiet:.0f} s, {QUIET_INTERVALS} times the shortest interval of "
                f"the schedule. It sweeps by its own clock meanwhile, so rotations go on. Look whether a beat runs, "
                f"whether Redis can be reached, and whether beat and this worker use the same Redis and configuration.",
                Severity.WARNING,
            )

    def _keep(self, wake_up: WakeUp) -> Refused | None:
        key = (wake_up.task, wake_up.name)
        allowance = self._allowances.get(key)
        if allowance is None:
            every = self._expected[wake_up.task].every.total_seconds()
            allowance = self._allowances[key] = _Allowance(every / PER_INTERVAL, self._clock.monotonic())
        if key in self._waiting:
            return None  # it will be woken up: that is all that was asked for
        if not allowance.takes(self._clock.monotonic()):
            return Refused.TOO_OFTEN
        self._waiting[key] = wake_up
        self._woken = self._last[wake_up.task] = self._last_of[key] = self._clock.monotonic()
        if self._silent:
            self._silent = False
            self._record(Result.DONE, Reason.NO_WAKE_UPS, "Messages wake this worker up again.", Severity.INFO)
        return None

    def _account_for(self, dropped: Counter[Refused]) -> None:
        self._dropped.update(dropped)
        for reason in dropped:
            if reason in _ROUTINE:
                continue
            self._say(
                Reason.FOREIGN_MESSAGE,
                reason,
                f"A message in the queue was dropped: {reason}; {self._dropped[reason]} so far. It did nothing. Nobody "
                f"but beat and workers sends messages: if none of them is of another version or configuration, "
                f"somebody else can write to this Redis.",
                Severity.WARNING,
            )

    def _say(self, reason: Reason, kind: str, sentence: str, severity: Severity) -> None:
        now = self._clock.monotonic()
        said = self._said.get(kind)
        if said is not None and now - said < TELL_AGAIN.total_seconds():
            return
        self._said[kind] = now
        self._record(Result.HELD, reason, sentence, severity)

    def _record(self, result: Result, reason: Reason, sentence: str, severity: Severity) -> None:
        self._tell(
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


class _Allowance:
    """How many more wake-ups for one name are taken; it grows by one in each `every` seconds."""

    def __init__(self, every: float, now: float) -> None:
        self._every = every
        self._left = float(BURST)
        self._at = now

    def takes(self, now: float) -> bool:
        self._left = min(float(BURST), self._left + (now - self._at) / self._every)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
