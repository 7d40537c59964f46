"""A queue that is never empty has nobody behind it: told once when that begins, and once when it ends."""

from hypothesis import given
from hypothesis import strategies as st

from worker.backlog import Backlog, News

LOOKS = st.lists(st.tuples(st.integers(0, 2), st.floats(0, 100)), max_size=30)


def told(*looks: tuple[int, float]) -> list[News | None]:
    backlog = Backlog(patience=60.0)
    return [backlog.look(waiting, now) for waiting, now in looks]


def test_wake_ups_that_lie_there_for_long_are_told_once() -> None:
    assert told((1, 0), (3, 60), (4, 61), (9, 500)) == [None, None, News.UNTAKEN, None]


def test_a_queue_that_was_empty_in_between_is_no_backlog() -> None:
    assert told((1, 0), (0, 50), (1, 55), (1, 100)) == [None] * 4


def test_wake_ups_that_are_taken_again_are_told_once() -> None:
    assert told((1, 0), (1, 61), (0, 62), (0, 63)) == [None, News.UNTAKEN, News.TAKEN_AGAIN, None]


def test_what_lay_there_while_nobody_looked_counts_from_the_next_look_on() -> None:
    backlog = Backlog(patience=60.0)
    assert backlog.look(1, 0) is None
    backlog.begin_anew()
    assert (backlog.look(1, 1200), backlog.look(1, 1261)) == (None, News.UNTAKEN)


@given(LOOKS)
def test_what_is_told_begins_and_ends_in_turn(looks: list[tuple[int, float]]) -> None:
    backlog, now, news = Backlog(patience=60.0), 0.0, []
    for waiting, passed in looks:
        now += passed
        news.append(backlog.look(waiting, now))
    kinds = [one for one in news if one is not None]
    assert kinds == [News.UNTAKEN, News.TAKEN_AGAIN] * (len(kinds) // 2) + [News.UNTAKEN] * (len(kinds) % 2)
