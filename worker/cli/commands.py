"""`rotator plan`, `rotator rotate`, `rotator status`: in this process, without the broker."""

from collections.abc import Iterable, Iterator
from typing import Any

import click
from pydantic import TypeAdapter

from worker.cli.exits import ATTENTION, EPILOG, OK
from worker.cli.output import console, mark, print_json, table
from worker.cli.planning import Outlook, look
from worker.cli.runtime import Runtime
from worker.cli.status_view import print_status
from worker.models import Severity
from worker.policy.steps import Action, Hold, Outcome, Result, Step
from worker.report import build_report

_STEPS: TypeAdapter[tuple[Step, ...]] = TypeAdapter(tuple[Step, ...])
_HOLDS: TypeAdapter[tuple[Hold, ...]] = TypeAdapter(tuple[Hold, ...])
_OUTCOMES: TypeAdapter[tuple[Outcome, ...]] = TypeAdapter(tuple[Outcome, ...])

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")


@click.command(epilog=EPILOG)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@as_json
@click.pass_obj
def plan(runtime: Runtime, names: tuple[str, ...], *, as_json: bool) -> None:
    """Show what would happen now, and why, for every credential or for those named. Touches nothing."""
    with runtime.build(runtime.load()) as container:
        outlook = look(container, names)
    if as_json:
        print_json(
            {
                "at": outlook.at.isoformat(),
                "steps": _STEPS.dump_python(outlook.steps, mode="json"),
                "holds": _HOLDS.dump_python(outlook.holds, mode="json"),
            }
        )
    else:
        _print_plan(outlook)
    _exit(attention=any(hold.severity is not Severity.INFO for hold in outlook.holds))


@click.command(epilog=EPILOG)
@click.argument("name")
@as_json
@click.pass_obj
def rotate(runtime: Runtime, name: str, *, as_json: bool) -> None:
    """Rotate one credential now, due or not; an interrupted rotation is finished first.

    The old token keeps its grace. It is safe to interrupt: the next run goes on from the journal.
    """
    with runtime.build(runtime.load()) as container:
        outcomes = container.engine.rotate(name, requested=True)
    rotated = _is_rotated(outcomes)
    if as_json:
        print_json({"rotated": rotated, "outcomes": _OUTCOMES.dump_python(outcomes, mode="json")})
    else:
        _print_outcomes(name, outcomes, rotated=rotated)
    _exit(attention=not rotated)


@click.command(epilog=EPILOG)
@click.argument("name")
@as_json
@click.pass_obj
def resume(runtime: Runtime, name: str, *, as_json: bool) -> None:
    """Let a parked credential be tried again: its failed attempts are forgotten, and the next sweep takes it up."""
    with runtime.build(runtime.load()) as container:
        outcomes = container.engine.resume(name)
    resumed = all(one.result is Result.DONE for one in outcomes)
    if as_json:
        print_json({"resumed": resumed, "outcomes": _OUTCOMES.dump_python(outcomes, mode="json")})
    else:
        for outcome in outcomes:
            console().print(outcome.sentence)
    _exit(attention=not resumed)


@click.command(epilog=EPILOG)
@as_json
@click.pass_obj
def status(runtime: Runtime, *, as_json: bool) -> None:
    """Show each credential, its tokens and their states, its age against its period, and what is the matter."""
    with runtime.build(runtime.load()) as container:
        outlook = look(container)
    report = build_report(outlook.facts, outlook.plans, outlook.at)
    if as_json:
        print_json({**report.model_dump(mode="json"), "needs_attention": report.needs_attention})
    else:
        print_status(report)
    _exit(attention=report.needs_attention)


def _is_rotated(outcomes: Iterable[Outcome]) -> bool:
    """Whether a rotation was closed and nothing failed after it."""
    for outcome in reversed(tuple(outcomes)):
        if outcome.result is Result.FAILED:
            return False
        if outcome.action is Action.CLOSE and outcome.result is Result.DONE:
            return True
    return False


def _print_plan(outlook: Outlook) -> None:
    out = console()
    if outlook.steps:
        rows = ((_whose(step), step.action.value, step.reason.value, step.sentence) for step in outlook.steps)
        out.print(table(("credential", "would", "because", "that is"), rows, title="Now"))
    else:
        out.print("Nothing would happen now.")
    if outlook.holds:
        out.print(table(("credential", "because", "that is"), _hold_rows(outlook.holds), title="Not now"))


def _hold_rows(holds: Iterable[Hold]) -> Iterator[tuple[Any, ...]]:
    for hold in holds:
        yield _whose(hold), mark(hold.severity, hold.reason.value), hold.sentence


def _print_outcomes(name: str, outcomes: Iterable[Outcome], *, rotated: bool) -> None:
    out = console()
    rows = (
        (one.action.value if one.action else "-", mark(_weight(one), one.result.value), one.reason.value, one.sentence)
        for one in outcomes
    )
    out.print(table(("step", "result", "because", "that is"), rows))
    out.print(f"{name} was rotated." if rotated else f"{name} was NOT rotated; the last lines above say why.")


def _weight(outcome: Outcome) -> Severity:
    return Severity.ERROR if outcome.result is Result.FAILED else outcome.severity


def _whose(one: Step | Hold) -> str:
    return one.credential or f"(account {one.account})"


def _exit(*, attention: bool) -> None:
    raise click.exceptions.Exit(ATTENTION if attention else OK)
