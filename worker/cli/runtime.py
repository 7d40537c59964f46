"""How commands reach settings and clients."""

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from config.logs import configure_logging
from config.schema import Settings
from config.settings import load_settings
from worker.wiring import Container, build_container


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where a command gets its settings and clients from."""

    load: Callable[[], Settings] = lambda: load_settings(os.environ)
    build: Callable[[Settings], AbstractContextManager[Container]] = build_container


def set_up_logging(*, verbose: bool) -> None:
    """Send log lines to standard error when asked for; the commands' own output says all that matters."""
    configure_logging(logging.INFO if verbose else logging.CRITICAL)
