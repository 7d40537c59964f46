from dataclasses import replace

import pytest

from sandbox.demo.summary import Summary
from sandbox.leaks import Finding
from sandbox.trader_status import Counts

GOOD = Summary(
    seconds=60,
    seed=1,
    rotations={"market-maker": 2, "hedger": 3},
    revocations=4,
    traders={"market-maker": Counts(accepted=600, failed=2)},
    refused=0,
    tokens_live=3,
    orphans=(),
    leaks=(),
)


def test_a_run_in_which_everything_held_fails_no_condition() -> None:
    assert GOOD.failed_conditions == ()


@pytest.mark.parametrize(
    "bad, condition",
    [
        (replace(GOOD, rotations={"hedger": 1}), "hedger was rotated 1 times, not at least 2"),
        (replace(GOOD, traders={"mm": Counts(accepted=5, rejected=1)}), "the trader was rejected 1 times"),
        (replace(GOOD, refused=2), "the trader was rejected 2 times"),
        (replace(GOOD, traders={"mm": Counts()}), "the trader never traded with mm"),
        (replace(GOOD, orphans=("mm/abc",)), "orphan mm/abc is alive"),
        (
            replace(GOOD, leaks=(Finding("secret of token t", "raw", "file a.log"),)),
            "secret of token t (raw) in file a.log was seen outside Vault",
        ),
        (replace(GOOD, trouble="worker-1 ended with code 1"), "worker-1 ended with code 1"),
    ],
)
def test_a_condition_that_does_not_hold_is_named(bad: Summary, condition: str) -> None:
    assert bad.failed_conditions == (condition,)


def test_the_summary_for_people_ends_with_the_verdict() -> None:
    assert GOOD.lines()[-1] == "OK: every condition holds."


def test_the_summary_for_people_names_each_failure() -> None:
    assert replace(GOOD, orphans=("mm/abc",)).lines()[-1] == "FAILED: orphan mm/abc is alive."


@pytest.mark.parametrize(
    "line",
    [
        "  rotations                   5 (market-maker 2, hedger 3)",
        "  revocations                 4",
        "  requests                    602 by the trader, 2 without a usable answer",
        "  rejected                    0",
        "  tokens live                 3",
        "  orphans                     0",
        "  secrets seen outside Vault  0",
    ],
)
def test_the_summary_for_people_tells(line: str) -> None:
    assert line in GOOD.lines()


def test_the_summary_as_json_says_whether_it_is_good() -> None:
    assert (GOOD.as_json()["ok"], replace(GOOD, refused=1).as_json()["ok"]) == (True, False)
