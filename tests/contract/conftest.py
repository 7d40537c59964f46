"""The sandbox exchange for contract tests: one for each module, as new for each test."""

from collections.abc import Iterator

import pytest

from sandbox.exchange.server import RunningExchange, running_exchange


@pytest.fixture(scope="module")
def _shared_exchange() -> Iterator[RunningExchange]:
    with running_exchange(profiles=("main", "other")) as running:
        yield running


@pytest.fixture
def sandbox(_shared_exchange: RunningExchange) -> RunningExchange:
    """A sandbox exchange without faults, with the profiles main and other and no tokens."""
    _shared_exchange.state.reset()
    return _shared_exchange
