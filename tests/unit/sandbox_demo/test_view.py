import io
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sandbox.demo.frame import Frame
from sandbox.demo.picture import save_picture
from sandbox.demo.view import BAR_CELLS, age_bar, event_line, render, short, status_lines
from sandbox.trader_status import Counts
from tests.fakes.clock import START
from worker.models import Severity
from worker.policy.steps import Action, Outcome, Reason, Result
from worker.views import AccountView, CredentialView, HoldView, Report, StaleView, TokenState, TokenView

PERIOD = timedelta(seconds=20)
CURRENT = TokenView(
    token_id="aaaaaaaa-1",
    label="market-maker/r2",
    state=TokenState.CURRENT,
    listed=True,
    last_used_at=START - timedelta(seconds=1),
)
SUPERSEDED = TokenView(
    token_id="bbbbbbbb-2",
    label="market-maker/r1",
    state=TokenState.SUPERSEDED,
    listed=True,
    grace_ends_at=START + timedelta(seconds=4),
)
EVENT = Outcome(
    at=START,
    account="desk-one",
    credential="market-maker",
    action=Action.PROMOTE,
    result=Result.DONE,
    reason=Reason.PERIOD_REACHED,
    sentence="market-maker/r2 is now served.",
)


def credential(**changes: object) -> CredentialView:
    view = CredentialView(
        name="market-maker",
        account="desk-one",
        path="trading/limitless/market-maker",
        rotation_period=PERIOD,
        max_age=3 * PERIOD,
        age=timedelta(seconds=8),
        tokens=(CURRENT, SUPERSEDED),
    )
    return view.model_copy(update=changes)


def frame(view: CredentialView, counts: Counts | None = None) -> Frame:
    report = Report(
        at=START, accounts=(AccountView(name="desk-one", list_error=None, live_tokens=2),), credentials=(view,)
    )
    return Frame(
        elapsed=12,
        total=60,
        seed=7,
        phase="running",
        report=report,
        events=(EVENT,),
        traders={"market-maker": counts or Counts(accepted=120)},
    )


def shown(moment: Frame, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, record=True, color_system=None)
    console.print(render(moment))
    return console.export_text()


@pytest.mark.parametrize(
    "expected",
    [
        "market-maker",
        "8 of 20 s",
        "current",
        "aaaaaaaa…",
        "called 1 s ago",
        "superseded",
        "grace 4 s",
        "120 / 0",
        "promote",
        "12 s of 60 s",
        "seed 7",
        "0 rejected",
    ],
)
def test_the_picture_shows(expected: str) -> None:
    assert expected in shown(frame(credential()))


def test_the_picture_fits_a_terminal_of_80_columns() -> None:
    assert max(len(line) for line in shown(frame(credential()), width=80).splitlines()) <= 80


def test_a_picture_is_as_high_as_the_terminal_when_there_are_many_events() -> None:
    many = replace(frame(credential()), events=(EVENT,) * 60)
    console = Console(file=io.StringIO(), width=100, record=True, color_system=None)
    console.print(render(many, height=24))
    assert len(console.export_text().splitlines()) == 24


def test_a_rejected_request_is_counted_in_the_headline() -> None:
    assert "3 rejected" in shown(frame(credential(), Counts(accepted=1, rejected=3)))


def test_a_credential_that_nobody_uses_is_marked() -> None:
    assert "⚑ unused" in shown(frame(credential(stale=StaleView(kind="unused", since=START))))


def test_an_alert_is_shown_by_its_reason() -> None:
    hold = HoldView(severity=Severity.ERROR, reason=Reason.DRIFTED, sentence="Another hand changed it.")
    assert "drifted" in shown(frame(credential(holds=(hold,))))


def test_a_picture_without_a_report_is_drawn_all_the_same() -> None:
    assert "starting" in shown(Frame())


@given(st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=99)))
def test_the_bar_of_any_age_is_as_long_as_any_other(age: timedelta) -> None:
    plain = age_bar(credential(age=age)).plain
    assert plain.count("█") + plain.count("░") == BAR_CELLS


@given(st.timedeltas(timedelta(), timedelta(days=1)), st.timedeltas(timedelta(), timedelta(days=1)))
def test_an_older_token_never_has_the_shorter_bar(one: timedelta, other: timedelta) -> None:
    bars = [age_bar(credential(age=age)).plain.count("█") for age in sorted((one, other))]
    assert bars == sorted(bars)


def test_a_saved_picture_is_an_svg_that_fetches_nothing(tmp_path: Path) -> None:
    save_picture(frame(credential()), tmp_path / "demo.svg")
    svg = (tmp_path / "demo.svg").read_text(encoding="utf-8")
    assert ("market-maker" in svg, "font-face" in svg, svg.count("http")) == (True, False, 1)


def test_an_event_is_one_plain_line() -> None:
    assert event_line(EVENT) == "00:00:00 market-maker: promote done: market-maker/r2 is now served."


def test_a_status_line_tells_age_tokens_and_counts() -> None:
    assert list(status_lines(frame(credential()))) == [
        "  market-maker    8 of 20 s  current aaaaaaaa…, superseded bbbbbbbb…; 120 accepted, 0 rejected"
    ]


def test_a_short_token_id_is_shown_whole() -> None:
    assert short("token-1") == "token-1"
