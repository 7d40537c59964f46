"""The `rotator` command line."""

from importlib.metadata import version

import click

from worker.cli.commands import plan, status
from worker.cli.config_check import config_group
from worker.cli.exits import EPILOG
from worker.cli.orders import adopt, retire, revoke, rollback, rotate
from worker.cli.pausing import freeze, pause, resume, trust, unfreeze
from worker.cli.runtime import ReportingGroup, Runtime, set_up_logging
from worker.core_dumps import forbid_core_dumps

__all__ = ["main"]


@click.group(cls=ReportingGroup, epilog=EPILOG)
@click.option("-v", "--verbose", is_flag=True, help="Log to standard error what is done.")
@click.version_option(version("limitless-rotator"))
@click.pass_context
def main(ctx: click.Context, *, verbose: bool) -> None:
    """Keep the Limitless Exchange API tokens of a trading desk young.

    Settings come from the file named by ROTATOR_CONFIG (default config/rotator.toml) and from the environment. Every
    command works in this process: neither Redis nor a running worker is needed.
    """
    forbid_core_dumps()
    ctx.obj = ctx.obj or Runtime()
    set_up_logging(verbose=verbose)


for _command in (
    adopt,
    freeze,
    pause,
    plan,
    resume,
    retire,
    revoke,
    rollback,
    rotate,
    status,
    trust,
    unfreeze,
    config_group,
):
    main.add_command(_command)
