"""`rotator plan`, `rotator status`: they look and touch nothing."""

import click

from worker.cli import completion
from worker.cli.acts import as_json, end, plan_as_json, print_plan
from worker.cli.exits import EPILOG
from worker.cli.output import print_json
from worker.cli.planning import look
from worker.cli.runtime import Runtime
from worker.cli.status_view import print_status
from worker.models import Severity
from worker.policy.steps import Reason
from worker.report import build_report


@click.command(epilog=EPILOG)
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=completion.credentials)
@as_json
@click.pass_obj
def plan(runtime: Runtime, names: tuple[str, ...], *, as_json: bool) -> None:
    """Show what would happen now, and why, for every credential or for those named. Touches nothing."""
    with runtime.build(runtime.load()) as container:
        outlook = look(container, names)
    if as_json:
        print_json({"at": outlook.at.isoformat(), **plan_as_json(outlook)})
    else:
        print_plan(outlook)
    # A sweep meets a parked credential every minute, so it is not told there; but nothing goes on without a person.
    end(attention=any(hold.severity is not Severity.INFO or hold.reason is Reason.PARKED for hold in outlook.holds))


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
    end(attention=report.needs_attention)
