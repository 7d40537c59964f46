"""However often, late or out of order wake-ups are delivered: one rotation for each due date, one for each request."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from config.schedule import FLAG_STALE, REVOKE_EXPIRED, ROTATE_DUE
from config.settings import load_settings
from sandbox.exchange.records import Call, Fault, FaultRule
from tests.e2e.outage_stack import BY_HAND, SCHEDULED, System, running_system, send_signal
from tests.e2e.processes import until
from worker.app import RotatorApp
from worker.engine import Engine
from worker.policy.steps import Reason
from worker.redis.lease import LEASE_PREFIX
from worker.tasks import FLAG_ACCOUNT, REVOKE_ACCOUNT, ROTATE_CREDENTIAL
from worker.wiring import build_container

pytestmark = [pytest.mark.e2e, pytest.mark.servers, pytest.mark.timeout(120)]

ROTATIONS = tuple((ROTATE_CREDENTIAL, (name,)) for name in SCHEDULED)
EVERYTHING = (
    *ROTATIONS,
    (REVOKE_ACCOUNT, ("desk",)),
    (FLAG_ACCOUNT, ("desk",)),
    (ROTATE_DUE, ()),
    (REVOKE_EXPIRED, ()),
    (FLAG_STALE, ()),
)
SENDERS = 4


@pytest.fixture(scope="module")
def shared() -> Iterator[System]:
    with running_system(workers=3) as system:
        yield system


@pytest.fixture
def system(shared: System) -> Iterator[System]:
    """The one system of this module; after each test nothing may be wrong with it."""
    yield shared
    assert shared.faults() == []


@pytest.fixture
def app(shared: System) -> Iterator[RotatorApp]:
    settings = load_settings(shared.stack.worker_environment)
    with closing(RotatorApp(lambda: settings)) as made:
        yield made


def once_more(system: System) -> Callable[[], bool]:
    """Return whether, from now on, every scheduled credential was rotated."""
    before = system.promotions()
    return lambda: all(system.promotions()[name] > before[name] for name in SCHEDULED)


def storm(app: RotatorApp, wake_ups: Sequence[tuple[str, tuple[str, ...]]], over: threading.Event) -> None:
    """Send wake-ups without pause, from several senders at once, in any order, many of them twice with one id."""

    def send(seed: int) -> None:
        draw = random.Random(seed)  # noqa: S311 - seeded, so that a run can be repeated
        with app.producer_or_acquire() as producer:
            while not over.is_set():
                task, args = draw.choice(wake_ups)
                task_id = f"{seed}-{draw.randrange(50)}"
                app.send_task(task, args=args, task_id=task_id, producer=producer)
                over.wait(0.02)

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(send, range(SENDERS)))


def issued(system: System, name: str) -> list[str]:
    """Return the ids of the tokens that were ever issued for that credential."""
    return [one.token_id for one in system.stack.control.tokens() if (one.label or "").startswith(f"{name}/")]


def promoted(system: System, name: str) -> list[str | None]:
    return [record.token_id for record in system.journal(name).ledger if record.promoted_at]


def nothing_is_left_over(system: System) -> bool:
    """Return whether every token that was ever issued on schedule was also served."""
    return all(set(issued(system, name)) == set(promoted(system, name)) for name in SCHEDULED)


def while_it_storms(
    app: RotatorApp, during: Callable[[], None], wake_ups: Sequence[tuple[str, tuple[str, ...]]]
) -> None:
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(storm, app, wake_ups, over)
        try:
            during()
        finally:
            over.set()
        sending.result()


def test_a_storm_of_wake_ups_in_any_order_makes_one_token_for_each_due_date(system: System, app: RotatorApp) -> None:
    done = once_more(system)
    while_it_storms(app, lambda: until(done, 40, "a rotation of every credential"), EVERYTHING)
    until(lambda: nothing_is_left_over(system), 5, "the end of the rotation in hand")


def test_without_leases_a_storm_of_wake_ups_still_makes_one_token_for_each_due_date(
    system: System, app: RotatorApp
) -> None:
    done = once_more(system)

    def without_leases() -> None:
        deadline = time.monotonic() + 40
        while not done() and time.monotonic() < deadline:
            for _ in range(20):
                for key in system.redis.scan_iter(f"{LEASE_PREFIX}*"):
                    system.redis.delete(key)

    while_it_storms(app, without_leases, ROTATIONS)
    assert done()
    until(lambda: nothing_is_left_over(system), 5, "the end of the rotation in hand")


def test_wake_ups_that_arrive_late_and_all_at_once_make_one_token(system: System, app: RotatorApp) -> None:
    workers = [child for child in system.stack.children if child.name.startswith("worker-")]
    before = system.promotions()
    for worker in workers:
        send_signal(worker.pid, signal.SIGSTOP)
    try:
        for _ in range(30):
            for task, args in ROTATIONS:
                app.send_task(task, args=args)
        period = system.stack.settings.credential(SCHEDULED[0]).policy.nominal_period.total_seconds()
        due = time.monotonic() + period
        until(lambda: time.monotonic() >= due, period + 5, "the next due date")
    finally:
        for worker in workers:
            send_signal(worker.pid, signal.SIGCONT)
    until(lambda: all(system.promotions()[one] > before[one] for one in SCHEDULED), 30, "the late rotations")
    assert all(len(issued(system, name)) == len(promoted(system, name)) for name in SCHEDULED)


@pytest.mark.parametrize("leases", [True, False], ids=["with leases", "without leases"])
@pytest.mark.parametrize("during", [Call.DERIVE, Call.LIST], ids=["the derive", "the verify"])
def test_a_rotation_asked_for_twice_within_its_own_run_time_happens_once(
    system: System, during: Call, *, leases: bool
) -> None:
    settings = load_settings(system.stack.worker_environment)
    before = issued(system, BY_HAND)
    system.stack.control.set_faults([FaultRule(fault=Fault.SLOW, call=during, percent=100, seconds=1.0)])
    with (
        build_container(settings) as first,
        build_container(settings) as second,
        ThreadPoolExecutor(1) as pool,
    ):
        one = pool.submit(_rotate_by_hand, first.engine)
        until(lambda: len(issued(system, BY_HAND)) > len(before), 20, "the derive of the first request")
        if during is Call.LIST:
            until(lambda: _staged(system), 20, "the staged token")
        if not leases:
            system.redis.delete(f"{LEASE_PREFIX}rotate:{BY_HAND}")
        second.engine.rotate(BY_HAND, requested=True)
        one.result()
    system.stack.control.use_faults("none")
    # Without leases a sweep may have taken it over last, and be about to promote it.
    until(lambda: set(issued(system, BY_HAND)) == set(promoted(system, BY_HAND)), 20, "the promotion")
    assert len(issued(system, BY_HAND)) == len(before) + 1


def _rotate_by_hand(engine: Engine) -> None:
    """Ask until the request is taken: for a moment a sweep may hold the lease to see that nothing is due."""

    def taken() -> bool:
        outcomes = engine.rotate(BY_HAND, requested=True)
        return all(one.reason is not Reason.LEASE_HELD for one in outcomes)

    until(taken, 20, "the lease")


def _staged(system: System) -> bool:
    journal = system.journal(BY_HAND)
    return journal.intent is not None and journal.intent.token is not None
