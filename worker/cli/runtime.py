"""How commands reach settings and clients, and how their failures reach a person."""

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NoReturn

import click

from config.logs import configure_logging
from config.schema import Settings
from config.settings import SettingsError, load_settings
from worker.cli.exits import ATTENTION, USAGE
from worker.errors import RotatorError, UnknownNameError
from worker.wiring import Container, build_container


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where a command gets its settings and clients from."""

    load: Callable[[], Settings] = lambda: load_settings(os.environ)
    build: Callable[[Settings], AbstractContextManager[Container]] = build_container


class ReportingGroup(click.Group):
    """A group whose commands fail with sentences instead of tracebacks."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end with the documented exit code when it fails in a foreseen way."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            _fail(str(error), USAGE)
        except UnknownNameError as error:
            _fail(str(error), USAGE)
        except RotatorError as error:
            _fail(str(error), ATTENTION)


def set_up_logging(*, verbose: bool) -> None:
    """Send log lines to standard error when asked for; the commands' own output says all that matters."""
    configure_logging(logging.INFO if verbose else logging.CRITICAL)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    raise click.exceptions.Exit(code)
