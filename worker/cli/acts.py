"""What commands share: how plans and outcomes are shown, and how an order is asked for, tried and carried out."""

import getpass
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, Protocol

import click
from pydantic import TypeAdapter

from worker.cli.exits import ATTENTION, OK, USAGE
from worker.cli.output import console, mark, print_json, table
from worker.cli.runtime import Runtime
from worker.models import Severity
from worker.policy.steps import Hold, Order, Outcome, Plan, Reason, Result, Step
from worker.wiring import Container

_STEPS: TypeAdapter[tuple[Step, ...]] = TypeAdapter(tuple[Step, ...])
_HOLDS: TypeAdapter[tuple[Hold, ...]] = TypeAdapter(tuple[Hold, ...])
_OUTCOMES: TypeAdapter[tuple[Outcome, ...]] = TypeAdapter(tuple[Outcome, ...])

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done, and touch nothing.")
yes = click.option("--yes", is_flag=True, help="Do not ask.")

_LONGEST_REASON = 500
"""Characters. A reason is kept in the account ledger, and quoted once more for each credential that it holds back."""


def _legible(text: str) -> str:
    # A byte that is no text could not be written to the event stream, and the order would leave no trace there.
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def legible_reason(_ctx: click.Context, _param: click.Parameter, text: str) -> str:
    """Return the text with what cannot be printed replaced; raise BadParameter when it is too long to be kept."""
    if len(text) > _LONGEST_REASON:
        raise click.BadParameter(f"it has {len(text)} characters; write at most {_LONGEST_REASON}")
    return _legible(text)


why = click.option(
    "--reason", "why", default="", callback=legible_reason, metavar="TEXT", help="Why; it goes into the event stream."
)


class Planned(Protocol):
    """Anything that says what is to be done and what is held back."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """What is to be done."""

    @property
    def holds(self) -> tuple[Hold, ...]:
        """What is not, and why."""


def order(why: str) -> Order:
    """Return the order of whoever runs this command."""
    try:
        by = getpass.getuser()
    except (KeyError, OSError):
        by = f"uid {os.getuid()}"  # a container may run under a number that has no name
    return Order(by=_legible(by), why=why)


def carry_out(
    runtime: Runtime,
    *,
    plan: Callable[[Container], Plan],
    act: Callable[[Container], tuple[Outcome, ...]],
    as_json: bool,
    dry_run: bool,
    warning: str | None = None,
    yes: bool = True,
    done_already: Reason | None = None,
) -> NoReturn:
    """Show the plan (`dry_run`), or ask when there is a warning, act, show the outcomes, and end with the exit code.

    Args:
        runtime: settings and clients.
        plan: what would be done, or the hold that refuses it.
        act: does it.
        as_json: print JSON.
        dry_run: only show the plan.
        warning: what a person must agree to first, a sentence.
        yes: they already have.
        done_already: the reason of a hold that says that what is asked for was done before.
    """
    with runtime.build(runtime.load()) as container:
        if dry_run:
            planned = plan(container)
            print_json({"dry_run": True, **plan_as_json(planned)}) if as_json else print_plan(planned)
            end(attention=not planned.steps)
        if warning is not None and not yes:
            planned = plan(container)
            if not planned.steps:
                # What was refused a moment ago may be possible now, and nobody has agreed to that.
                print_json({"outcomes": [], **plan_as_json(planned)}) if as_json else print_plan(planned)
                end(attention=any(hold.reason is not done_already for hold in planned.holds))
            _ask(warning)
        outcomes = act(container)
    if as_json:
        print_json({"outcomes": outcomes_as_json(outcomes)})
    else:
        print_outcomes(outcomes)
    end(attention=not is_done(outcomes, done_already))


def is_done(outcomes: Iterable[Outcome], done_already: Reason | None = None) -> bool:
    """Whether an order was carried out: here, by somebody else who was faster, or long ago.

    A race that was lost is no failure when something done follows it: what was left was planned anew, or found done.
    """
    told = tuple(outcomes)
    last = max((at for at, one in enumerate(told) if one.result is Result.DONE), default=-1)
    after = {one.reason for one in told[last + 1 :]}
    before = {one.reason for one in told[: last + 1] if one.result is not Result.DONE}
    return bool(told) and after <= {done_already} and before <= {Reason.SUPERSEDED_BY_OTHER, done_already}


def _ask(warning: str) -> None:
    click.echo(warning, err=True)
    try:
        agreed = click.confirm("Go on?", err=True)
    except click.Abort:
        agreed = False
    if not agreed:
        click.echo("Nothing was done. (--yes answers this question beforehand.)", err=True)
        raise click.exceptions.Exit(USAGE)


def plan_as_json(planned: Planned) -> dict[str, Any]:
    """Return steps and holds, JSON-ready."""
    return {
        "steps": _STEPS.dump_python(planned.steps, mode="json"),
        "holds": _HOLDS.dump_python(planned.holds, mode="json"),
    }


def outcomes_as_json(outcomes: tuple[Outcome, ...]) -> Any:
    """Return the outcomes, JSON-ready."""
    return _OUTCOMES.dump_python(outcomes, mode="json")


def print_plan(planned: Planned) -> None:
    """Print what would be done now, what would not, and why."""
    out = console()
    if planned.steps:
        rows = ((_whose(step), step.action.value, step.reason.value, step.sentence) for step in planned.steps)
        out.print(table(("credential", "would", "because", "that is"), rows, title="Now"))
    else:
        out.print("Nothing would happen now.")
    if planned.holds:
        out.print(table(("credential", "because", "that is"), _hold_rows(planned.holds), title="Not now"))


def print_outcomes(outcomes: Iterable[Outcome]) -> None:
    """Print what became of each step."""
    rows = (
        (one.action.value if one.action else "-", mark(_weight(one), one.result.value), one.reason.value, one.sentence)
        for one in outcomes
    )
    console().print(table(("step", "result", "because", "that is"), rows))


def end(*, attention: bool) -> NoReturn:
    """End the command: exit code 1 when something needs a person, else 0."""
    raise click.exceptions.Exit(ATTENTION if attention else OK)


def _hold_rows(holds: Iterable[Hold]) -> Iterator[tuple[Any, ...]]:
    for hold in holds:
        yield _whose(hold), mark(hold.severity, hold.reason.value), hold.sentence


def _weight(outcome: Outcome) -> Severity:
    return Severity.ERROR if outcome.result is Result.FAILED else outcome.severity


def _whose(one: Step | Hold) -> str:
    return one.credential or f"(account {one.account})"
