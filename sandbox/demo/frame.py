"""What the demo shows at one moment, gathered beside the system through the worker's own read model."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sandbox.trader_status import Counts
from worker.policy.plan import plan_revocations, plan_rotation
from worker.policy.steps import Outcome, Plan
from worker.redis import RedisEvents
from worker.report import build_report
from worker.views import Report
from worker.wiring import Container

REFRESH_SECONDS = 1.0
KEPT_EVENTS = 60


@dataclass(frozen=True, slots=True)
class Frame:
    """One moment. `events` are the latest last; `report` is None before the first one could be made."""

    elapsed: float = 0.0
    total: float = 0.0
    seed: int = 0
    phase: str = "starting"
    report: Report | None = None
    events: tuple[Outcome, ...] = ()
    traders: Mapping[str, Counts] = field(default_factory=dict)


def current_report(container: Container) -> Report:
    """Return the report of every account, with what each plan holds back."""
    facts = [container.gatherer.account(one.name) for one in container.settings.accounts]
    now = container.clock.now()
    plans: list[Plan] = []
    for account in facts:
        plans.append(plan_revocations(account, now))
        plans.extend(plan_rotation(credential, now) for credential in account.credentials)
    return build_report(facts, plans, now)


class Watcher:
    """Makes a fresh frame every second in a thread of its own, so that a slow exchange never freezes the picture.

    Args:
        container: the worker's clients, used for reading only.
        events: the worker's event stream.
        traders: returns the trader's counts.
    """

    def __init__(
        self, *, container: Container, events: RedisEvents, traders: Callable[[], Mapping[str, Counts]]
    ) -> None:
        self._container = container
        self._events = events
        self._traders = traders
        self._stop = threading.Event()
        self._latest = Frame()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._thread.start()

    @property
    def latest(self) -> Frame:
        """The latest frame; report and events as of the last second, the trader's counts of now."""
        return replace(self._latest, traders=self._traders())

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            report = current_report(self._container)
            self._latest = Frame(report=report, events=self._events.read_latest(KEPT_EVENTS))
            if self._stop.wait(REFRESH_SECONDS):
                return
