"""Fixtures of the command line's tests."""

from collections.abc import Iterator

import pytest

from tests.unit.cli.world import CliWorld, logging_restored


@pytest.fixture
def cli() -> Iterator[CliWorld]:
    """The command line on fakes."""
    with logging_restored():
        yield CliWorld()
