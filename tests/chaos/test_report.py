"""The report: what is red is named with what failed and how to see it again."""

import io

from rich.console import Console, RenderableType

from sandbox.chaos.assertions import Violation
from sandbox.chaos.cell import Verdict
from sandbox.chaos.cells import Cell, Fault, RemoteCall, Scenario, Team, build_matrix
from sandbox.chaos.proxy import Moment
from sandbox.chaos.report import as_text, failures, line

CALL = RemoteCall(Scenario.ROTATION, 5, "vault", "post-journal", 2)
RED_CELL = Cell(CALL, Moment.AFTER, Fault.KILL, Team.TWO)


def verdict(cell: Cell, *, red: bool = False, subject: str = "worker") -> Verdict:
    violations = (Violation("the journal is closed", "rotation r9 is open"),) if red else ()
    logs = ("chaos-1-a one line",) if red else ()
    return Verdict(cell, subject, "cell-0001", violations, seconds=4.0, recovery=2.0, requests=30, logs=logs)


def all_but_one_green() -> list[Verdict]:
    return [verdict(cell, red=cell == RED_CELL) for cell in build_matrix([CALL])]


def shown(what: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_red_cell_is_named_with_what_failed_how_to_replay_it_and_what_the_workers_wrote() -> None:
    text = "\n".join(failures(all_but_one_green(), seed=7))
    assert "RED worker rotation.post-journal-2.after.kill.two" in text
    assert "the journal is closed: rotation r9 is open" in text
    assert 'make chaos ARGS="--seed 7 --cell rotation.post-journal-2.after.kill.two"' in text
    assert "chaos-1-a one line" in text


def test_green_cells_are_not_among_the_failures() -> None:
    assert list(failures([verdict(RED_CELL)], seed=1)) == []


def test_the_replay_of_another_subject_names_it() -> None:
    assert "--subject naive" in "\n".join(failures([verdict(RED_CELL, red=True, subject="naive")], seed=1))


def test_the_table_has_a_row_for_each_call_with_its_share_of_green_cells() -> None:
    assert "15/16" in shown(as_text(all_but_one_green(), seconds=60.0))


def test_the_totals_count_each_broken_promise() -> None:
    text = shown(as_text(all_but_one_green(), seconds=60.0))
    assert "broken: the journal is closed" in text


def test_two_subjects_have_a_column_each() -> None:
    both = [*all_but_one_green(), verdict(RED_CELL, subject="naive")]
    header = next(row for row in shown(as_text(both, seconds=1.0)).splitlines() if "worker" in row and "naive" in row)
    assert header


def test_the_line_of_a_red_cell_names_the_broken_promise() -> None:
    text = line(verdict(RED_CELL, red=True), 3, 16)
    assert "3/16 RED" in text
    assert "the journal is closed" in text
