"""One thing at a time, in the order of virtual time."""

from functools import partial

import pytest

from tests.model.scheduler import Crash, Scheduler


def work_in_steps(scheduler: Scheduler, seen: list[str], steps: int) -> None:
    for _ in range(steps):
        scheduler.sleep(1.0)
        seen.append("a")


def test_tasks_go_on_in_the_order_of_virtual_time() -> None:
    scheduler, seen = Scheduler(), []

    def work(name: str, every: float) -> None:
        for _ in range(3):
            scheduler.sleep(every)
            seen.append((name, round(scheduler.now, 1)))

    scheduler.start("a", lambda: work("a", 1.0))
    scheduler.start("b", lambda: work("b", 1.6))
    scheduler.sleep(10.0)
    assert seen == [("a", 1.0), ("b", 1.6), ("a", 2.0), ("a", 3.0), ("b", 3.2), ("b", 4.8)]


def test_time_jumps_when_everybody_waits() -> None:
    scheduler = Scheduler()
    scheduler.sleep(30 * 86_400.0)
    assert scheduler.now == 30 * 86_400.0


def test_what_is_to_happen_happens_between_two_calls_of_a_task() -> None:
    scheduler = Scheduler()
    seen: list[str] = []
    scheduler.start("a", partial(work_in_steps, scheduler, seen, 2))
    scheduler.at(1.5, lambda: seen.append("person"))
    scheduler.sleep(5.0)
    assert seen == ["a", "person", "a"]


def test_a_killed_task_dies_at_its_next_switching_point() -> None:
    scheduler = Scheduler()
    seen: list[str] = []
    task = scheduler.start("a", partial(work_in_steps, scheduler, seen, 1))
    scheduler.at(0.5, lambda: setattr(task, "killed", True))
    scheduler.sleep(5.0)
    assert (seen, task.done, task.error) == ([], True, None)


def test_a_dying_task_cannot_make_another_call() -> None:
    scheduler, seen = Scheduler(), []

    def work() -> None:
        try:
            scheduler.sleep(1.0)
        except Crash:
            scheduler.sleep(1.0)
        seen.append("alive")

    task = scheduler.start("a", work)
    task.killed = True
    scheduler.sleep(5.0)
    assert seen == []


def test_an_error_of_a_task_is_kept_for_the_observer() -> None:
    scheduler = Scheduler()
    task = scheduler.start("a", lambda: 1 / 0)
    scheduler.sleep(1.0)
    assert isinstance(task.error, ZeroDivisionError)


def test_an_error_of_the_model_itself_reaches_whoever_drives_it() -> None:
    scheduler = Scheduler()
    scheduler.at(1.0, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scheduler.sleep(2.0)


def test_the_end_kills_whoever_still_runs() -> None:
    scheduler = Scheduler()
    tasks = [scheduler.start("a", lambda: scheduler.sleep(1e6)) for _ in range(3)]
    scheduler.sleep(1.0)
    scheduler.end()
    assert all(one.done for one in tasks)
