"""Fixtures of the command line's tests."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.unit.cli.world import CliWorld


@pytest.fixture
def cli() -> Iterator[CliWorld]:
    """The command line on fakes; the logging that it sets up is undone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in ("httpx", "httpcore", "hvac", "urllib3", "requests")}
    structlog_config = structlog.get_config()
    yield CliWorld()
    root.handlers[:], root.level = handlers, level
    for name, old in quiet.items():
        logging.getLogger(name).setLevel(old)
    structlog.configure(**structlog_config)
