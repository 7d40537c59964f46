"""The inbox: each wake-up once, none too often, none that is overdue left out, and nothing told without end."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schedule import FLAG_ACCOUNT, REVOKE_ACCOUNT, ROTATE_CREDENTIAL, expected_wake_ups
from tests.crafted import CRAFTED, element, message
from tests.fakes.clock import FakeClock
from tests.unit.celery.apps import settings_of
from worker.gate import WakeUp
from worker.heartbeat import Vitals
from worker.inbox import BURST, Inbox
from worker.policy.steps import Outcome, Reason

MINUTE = timedelta(minutes=1)


class Box:
    """An inbox on a clock that is moved by hand; every minute each credential is due."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.told: list[Outcome] = []
        settings = settings_of({"market-maker": "desk", "hedger": "desk"})
        self.inbox = Inbox(
            expected=expected_wake_ups(settings),
            clock=self.clock,
            tell=self.told.append,
            vitals=Vitals(self.clock.monotonic),
        )

    def send(self, name: str, count: int = 1) -> None:
        self.inbox.sift([element(message(ROTATE_CREDENTIAL, [name]))] * count)

    def taken(self) -> list[WakeUp]:
        found = []
        while (one := self.inbox.next()) is not None:
            found.append(one)
        return found

    def overdue(self, after: timedelta) -> list[tuple[str, str | None]]:
        self.clock.advance(after)
        self.inbox.wake_up_what_is_overdue()
        return [(one.task, one.name) for one in self.taken()]

    def reasons(self) -> list[Reason]:
        return [one.reason for one in self.told]


@pytest.fixture
def box() -> Box:
    return Box()


def test_wake_ups_are_handed_out_in_the_order_of_their_arrival(box: Box) -> None:
    for name in ("hedger", "market-maker"):
        box.send(name)
    assert [one.name for one in box.taken()] == ["hedger", "market-maker"]


def test_a_wake_up_that_waits_already_is_not_added(box: Box) -> None:
    box.send("hedger", count=1000)
    assert len(box.taken()) == 1


def test_wake_ups_that_come_too_often_are_dropped(box: Box) -> None:
    taken = 0
    for _ in range(100):
        box.send("hedger")
        taken += len(box.taken())
    assert taken == BURST


@given(st.lists(st.floats(0.1, 10), min_size=20, max_size=60))
def test_however_often_one_is_woken_up_it_is_never_left_out_for_an_interval(pauses: list[float]) -> None:
    box = Box()
    last = box.clock.monotonic()
    for pause in pauses:
        box.clock.advance(timedelta(seconds=pause))
        box.send("hedger")
        if box.taken():
            last = box.clock.monotonic()
        assert box.clock.monotonic() - last <= 60


def test_a_flood_for_one_leaves_room_for_another(box: Box) -> None:
    for _ in range(100):
        box.send("hedger")
        box.taken()
    box.send("market-maker")
    assert [one.name for one in box.taken()] == ["market-maker"]


def test_what_no_message_asks_for_is_woken_up_before_two_intervals_are_over(box: Box) -> None:
    assert box.overdue(MINUTE) == []
    assert set(box.overdue(0.76 * MINUTE)) == {
        (ROTATE_CREDENTIAL, "market-maker"),
        (ROTATE_CREDENTIAL, "hedger"),
        (REVOKE_ACCOUNT, "desk"),
    }
    assert box.overdue(MINUTE) == []


def test_what_messages_ask_for_in_time_is_left_to_them(box: Box) -> None:
    for _ in range(30):
        box.inbox.sift(
            [element(message(ROTATE_CREDENTIAL, [name])) for name in ("market-maker", "hedger")]
            + [element(message(task, ["desk"])) for task in (REVOKE_ACCOUNT, FLAG_ACCOUNT)]
        )
        box.taken()
        assert box.overdue(MINUTE) == []


def test_one_that_is_left_out_while_others_of_its_kind_are_woken_up_is_woken_up_later(box: Box) -> None:
    found: list[tuple[str, str | None]] = []
    for _ in range(6):
        box.send("market-maker")
        box.taken()
        found += [one for one in box.overdue(MINUTE) if one[0] == ROTATE_CREDENTIAL]
    assert found == [(ROTATE_CREDENTIAL, "hedger")]


def test_silence_is_told_once_and_its_end_once(box: Box) -> None:
    for _ in range(30):
        box.overdue(MINUTE)
    assert box.reasons() == [Reason.NO_WAKE_UPS]
    box.send("hedger")
    assert box.reasons() == [Reason.NO_WAKE_UPS] * 2


def test_what_is_refused_is_told_once_for_each_kind_and_hour_and_never_shown(box: Box) -> None:
    for _ in range(50):
        box.inbox.sift(element(one) for one in CRAFTED.values())
    sentences = [one.sentence for one in box.told]
    assert len(sentences) <= 6
    assert not any("os.system" in one or "nobody" in one.split("Nobody")[0] for one in sentences)


def test_a_message_that_expired_is_told_to_nobody(box: Box) -> None:
    box.inbox.sift([element(CRAFTED["expired"])])
    assert box.told == []
