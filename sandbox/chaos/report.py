"""The matrix as a table, what failed and how to see it again, and the totals."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, product
from statistics import quantiles
from typing import Final

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from sandbox.chaos.assertions import PROMISES
from sandbox.chaos.cell import Verdict
from sandbox.chaos.cells import Fault, RemoteCall, Team
from sandbox.chaos.proxy import Moment

_GREEN: Final = "[green]✓[/]"
_RED: Final = "[bold red]✗[/]"
_NOT_RUN: Final = "[dim]·[/]"
_COLUMNS: Final = tuple(product(Fault, Team))


def matrix(verdicts: Sequence[Verdict]) -> Table:
    """Return a row for each call; in each column how it went when held before, and after, the server's work."""
    table = Table(title="Held before · after the server's work", title_justify="left")
    table.add_column("remote call")
    for fault, team in _COLUMNS:
        table.add_column(f"{fault}\n{team}", justify="center")
    table.add_column("green", justify="right")
    for scenario, calls in groupby(sorted({one.cell.call for one in verdicts}), key=lambda call: call.scenario):
        table.add_section()
        table.add_row(f"[bold]{scenario}[/]")
        for call in calls:
            own = [one for one in verdicts if one.cell.call == call]
            row = (" ".join(_mark(own, moment, fault, team) for moment in Moment) for fault, team in _COLUMNS)
            table.add_row(f"  {call_text(call)}", *row, _share(own))
    return table


def call_text(call: RemoteCall) -> str:
    """Return the call in words, such as "3 POST journal, 2nd, at vault"."""
    method, _, resource = call.name.partition("-")
    again = f" ({call.occurrence})" if call.occurrence > 1 else ""
    return f"{call.position:>2} {call.server} {method.upper()} {resource}{again}"


def failures(verdicts: Iterable[Verdict], *, seed: int) -> Iterator[str]:
    """Yield, for each red cell, what failed, how to replay it, and what the workers wrote."""
    for one in sorted(verdicts, key=lambda verdict: verdict.cell):
        if one.green:
            continue
        subject = "" if one.subject == "worker" else f" --subject {one.subject}"
        yield f"RED {one.subject} {one.cell.id} ({one.account})"
        yield from (f"    {violation}" for violation in one.violations)
        yield f'    again: make chaos ARGS="--seed {seed}{subject} --cell {one.cell.id}"'
        yield from (f"      | {line}" for line in one.logs)


def totals(verdicts: Sequence[Verdict], *, seconds: float) -> Table:
    """Return one column for each subject: green cells by fault and team, broken promises, times."""
    subjects = list(dict.fromkeys(one.subject for one in verdicts))
    table = Table(title="Totals", title_justify="left", show_header=True)
    table.add_column("")
    for subject in subjects:
        table.add_column(subject, justify="right")
    by_subject = [[one for one in verdicts if one.subject == subject] for subject in subjects]
    for fault, team in _COLUMNS:
        shares = (_share([v for v in own if v.cell.fault is fault and v.cell.team is team]) for own in by_subject)
        table.add_row(f"{fault}, {team} worker{'s' if team is Team.TWO else ''}", *shares)
    table.add_section()
    table.add_row("[bold]cells green[/]", *(f"[bold]{_share(own)}[/]" for own in by_subject))
    for promise in PROMISES:
        broken = [sum(promise in {v.promise for v in one.violations} for one in own) for own in by_subject]
        if any(broken):
            table.add_row(f"broken: {escape(promise)}", *(str(count) for count in broken))
    table.add_section()
    table.add_row("trader's accepted requests", *(f"{sum(one.requests for one in own):,}" for own in by_subject))
    table.add_row("recovery p50 / p99 / max", *(_recovery(own) for own in by_subject))
    table.caption = f"{len(verdicts)} cells in {seconds:.0f} s"
    return table


def as_text(verdicts: Sequence[Verdict], *, seconds: float) -> Group:
    """Return a matrix for each subject, and the totals."""
    subjects = dict.fromkeys(one.subject for one in verdicts)
    tables = [matrix([one for one in verdicts if one.subject == subject]) for subject in subjects]
    for subject, table in zip(subjects, tables, strict=True):
        table.title = f"{subject}: each call held before · after the server's work"
    return Group(*tables, totals(verdicts, seconds=seconds))


def line(verdict: Verdict, number: int, of: int) -> str:
    """Return the line that is printed when a cell ends."""
    mark = "ok " if verdict.green else "RED"
    broken = Counter(violation.promise for violation in verdict.violations)
    return f"{number:>4}/{of} {mark} {verdict.seconds:5.1f} s  {verdict.subject} {verdict.cell.id} {'; '.join(broken)}"


def _mark(verdicts: Sequence[Verdict], moment: Moment, fault: Fault, team: Team) -> str:
    found = [one for one in verdicts if (one.cell.moment, one.cell.fault, one.cell.team) == (moment, fault, team)]
    return _NOT_RUN if not found else _GREEN if all(one.green for one in found) else _RED


def _share(verdicts: Sequence[Verdict]) -> str:
    return f"{sum(one.green for one in verdicts)}/{len(verdicts)}" if verdicts else "-"


def _recovery(verdicts: Sequence[Verdict]) -> str:
    seconds = sorted(one.recovery for one in verdicts)
    if len(seconds) < 2:  # noqa: PLR2004 - no quantiles of one
        return f"{seconds[0]:.1f} s" if seconds else "-"
    percentiles = quantiles(seconds, n=100, method="inclusive")
    return f"{percentiles[49]:.1f} / {percentiles[98]:.1f} / {seconds[-1]:.1f} s"
