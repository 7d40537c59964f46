"""The `rotator` command line."""

import click

from worker.cli.exits import EPILOG
from worker.cli.lazy import LazyGroup

__all__ = ["main"]


@click.group(cls=LazyGroup, epilog=EPILOG)
@click.option("-v", "--verbose", is_flag=True, help="Log to standard error what is done.")
@click.version_option(package_name="limitless-rotator")
@click.pass_context
def main(ctx: click.Context, *, verbose: bool) -> None:
    """Keep the Limitless Exchange API tokens of a trading desk young.

    Settings come from the file named by ROTATOR_CONFIG (default config/rotator.toml) and from the environment. Every
    command works in this process: neither Redis nor a running worker is needed.
    """
    # Not above: help, version and completion need none of it.
    from worker.cli.runtime import Runtime, set_up_logging  # noqa: PLC0415
    from worker.core_dumps import forbid_core_dumps  # noqa: PLC0415

    forbid_core_dumps()
    ctx.obj = ctx.obj or Runtime()
    set_up_logging(verbose=verbose)
