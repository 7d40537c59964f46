"""Which commands there are; each is imported when it is called, so that help and completion come at once."""

from importlib import import_module
from typing import Any, NamedTuple, NoReturn

import click

from worker.cli.exits import ATTENTION, USAGE


class Entry(NamedTuple):
    """Where a command is, and what the list of commands says of it."""

    module: str
    name: str
    says: str


_ORDERS, _PAUSING, _COMMANDS = "worker.cli.orders", "worker.cli.pausing", "worker.cli.commands"

ENTRIES: dict[str, Entry] = {
    "adopt": Entry(_ORDERS, "adopt", "Take over the token that the credential's path serves already."),
    "config": Entry("worker.cli.config_check", "config_group", "Look at the configuration."),
    "freeze": Entry(_PAUSING, "freeze", "Rotate and revoke nothing from now until a moment, such as over an election."),
    "pause": Entry(_PAUSING, "pause", "Leave a credential, an account or everything alone for a while."),
    "plan": Entry(_COMMANDS, "plan", "Show what would happen now, and why, for every credential or for those named."),
    "resume": Entry(
        _PAUSING,
        "resume",
        "Lift the pause of a credential, an account or everything, and let what was parked be tried again.",
    ),
    "retire": Entry(
        _ORDERS,
        "retire",
        "End a credential's life: revoke its tokens, empty its path, destroy the secrets, keep the ledger.",
    ),
    "revoke": Entry(
        _ORDERS, "revoke", "Revoke every token of a credential at once, the one that services use included."
    ),
    "rollback": Entry(_ORDERS, "rollback", "Serve the predecessor again, while it lives."),
    "rotate": Entry(
        _ORDERS, "rotate", "Rotate one credential now, due or not; an interrupted rotation is finished first."
    ),
    "status": Entry(
        _COMMANDS,
        "status",
        "Show each credential, its tokens and their states, its age against its period, and what is the matter.",
    ),
    "trust": Entry(_PAUSING, "trust", "Believe an account's list of tokens that shrank unexpectedly, and go on."),
    "unfreeze": Entry(_PAUSING, "unfreeze", "Lift what `rotator freeze` ordered."),
}


class LazyGroup(click.Group):
    """A group that imports a command when it is called, and whose commands fail with sentences, not tracebacks."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return sorted(ENTRIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import that command and return it, or None when there is none of that name."""
        del ctx
        entry = ENTRIES.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(entry.module), entry.name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.says) for name, entry in sorted(ENTRIES.items())])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end with the documented exit code when it fails in a foreseen way."""
        # Only now, when a command is called: reading settings takes longer than all that help needs.
        from config.settings import SettingsError  # noqa: PLC0415
        from worker.errors import RotatorError, UnknownNameError  # noqa: PLC0415

        try:
            return super().invoke(ctx)
        except (SettingsError, UnknownNameError) as error:
            _fail(str(error), USAGE)
        except RotatorError as error:
            _fail(str(error), ATTENTION)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    raise click.exceptions.Exit(code)
