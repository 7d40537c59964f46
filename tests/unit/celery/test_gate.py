"""What is in the queue is a wake-up for something that is configured, or it is refused, and never an error."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schedule import FLAG_ACCOUNT, REVOKE_ACCOUNT, ROTATE_CREDENTIAL, ROTATE_DUE, expected_wake_ups
from tests.crafted import CRAFTED, CREDENTIAL, HARMLESS, SWEEP, element, message
from tests.unit.celery.apps import settings_of
from worker.app import RotatorApp
from worker.gate import MAX_BYTES, Refused, WakeUp, read

SETTINGS = settings_of({CREDENTIAL: "desk"})
EXPECTED = expected_wake_ups(SETTINGS)
NOW = datetime(2026, 1, 1, tzinfo=UTC)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


def verdict(made: Any) -> WakeUp | Refused:
    return read(element(made), EXPECTED, NOW)


@pytest.mark.parametrize("made", CRAFTED.values(), ids=CRAFTED)
def test_what_is_no_wake_up_is_refused(made: Any) -> None:
    assert isinstance(verdict(made), Refused)


@pytest.mark.parametrize("made", HARMLESS.values(), ids=HARMLESS)
def test_what_is_not_needed_of_a_wake_up_is_not_looked_at(made: Any) -> None:
    assert verdict(made) == WakeUp(ROTATE_CREDENTIAL, CREDENTIAL, "00000000-0000-0000-0000-000000000001")


@pytest.mark.parametrize(
    "task, args, name",
    [
        (ROTATE_CREDENTIAL, [CREDENTIAL], CREDENTIAL),
        (REVOKE_ACCOUNT, ["desk"], "desk"),
        (FLAG_ACCOUNT, ["desk"], "desk"),
        (ROTATE_DUE, [], None),
    ],
)
def test_a_wake_up_for_something_that_is_configured_is_accepted(task: str, args: list[str], name: str | None) -> None:
    assert verdict(message(task, args)) == WakeUp(task, name, "00000000-0000-0000-0000-000000000001")


@pytest.mark.parametrize("task", EXPECTED)
def test_what_beat_and_workers_send_is_accepted(task: str) -> None:
    app = RotatorApp(lambda: SETTINGS)
    app.loader.import_default_modules()
    names = EXPECTED[task].names
    args = () if names is None else tuple(names)
    sent = app.amqp.as_task_v2("id-1", task, args=args, expires=5)
    made = message(task, args, headers=sent.headers)
    assert read(element(made), EXPECTED, datetime.now(UTC)) == WakeUp(task, args[0] if args else None, "id-1")


def test_a_wake_up_that_expired_is_dropped_and_one_that_has_not_is_not() -> None:
    made = message(headers={"expires": NOW.isoformat()})
    found = [read(element(made), EXPECTED, NOW + timedelta(seconds=one)) for one in (-1, 1)]
    assert [isinstance(one, WakeUp) for one in found] == [True, False]


def test_an_odd_id_is_not_taken_over() -> None:
    assert verdict(message(headers={"id": "x" * 500})) == WakeUp(ROTATE_CREDENTIAL, CREDENTIAL, None)


@given(st.binary(max_size=300))
def test_bytes_are_refused_and_raise_nothing(raw: bytes) -> None:
    assert isinstance(read(raw, EXPECTED, NOW), Refused)


@given(anything)
def test_any_json_is_refused_and_raises_nothing(value: Any) -> None:
    assert isinstance(verdict(value), Refused)


@given(st.data())
def test_a_message_with_anything_in_any_place_is_our_wake_up_or_refused(data: st.DataObject) -> None:
    made = message(*data.draw(st.sampled_from([(), (SWEEP, [])])))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from([made, made["headers"], made["properties"]]))
        if isinstance(place, dict) and place:
            place[data.draw(st.sampled_from(sorted(place)))] = data.draw(anything)
    found = verdict(made)
    assert isinstance(found, Refused) or (found.task, found.name) in {(ROTATE_CREDENTIAL, CREDENTIAL), (SWEEP, None)}


@given(st.integers(0, 5))
def test_what_is_too_long_is_not_looked_at(more: int) -> None:
    raw = element(message())
    padded = raw + b" " * (MAX_BYTES + more - len(raw))
    assert (read(padded, EXPECTED, NOW) is Refused.TOO_LONG) == (more > 0)
