"""The story of a red cell: in the order of time, of one credential, without repetitions."""

import json

from sandbox.chaos.story import story


def line(second: int, sentence: str, credential: str = "mm") -> str:
    entry = {"timestamp": f"12:00:0{second}", "credential": credential, "result": "done", "reason": "r"}
    return json.dumps({**entry, "sentence": sentence})


def test_what_two_workers_wrote_is_told_in_the_order_of_time() -> None:
    lines = [("a", line(1, "one")), ("a", line(3, "three")), ("b", line(2, "two"))]
    assert [one.rpartition(" ")[2] for one in story(lines, "mm")] == ["one", "two", "three"]


def test_what_is_said_over_and_over_is_told_once() -> None:
    lines = [("a", line(second, "it waits")) for second in (1, 2, 3)]
    assert list(story(lines, "mm")) == ["12:00:01 a done r: it waits (3 times in a row)"]


def test_other_credentials_and_lines_without_an_outcome_are_left_out() -> None:
    lines = [("a", line(1, "other", "hedger")), ("a", "Traceback"), ("a", '{"credential": "mm", "event": "begun"}')]
    assert list(story(lines, "mm")) == []
