"""Fixtures that every test may use; the servers among them start when a test first asks for one."""

from collections.abc import Iterator

import pytest
import sentry_sdk
from hypothesis import settings
from structlog.contextvars import clear_contextvars

pytest_plugins = ["tests.fixtures.servers"]

# A busy machine makes an example slow, which says nothing about the code.
settings.register_profile("default", deadline=None)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _no_names_left_over() -> Iterator[None]:
    """Give each test its own log context and Sentry scope: tasks put names on both, and a test is no task's process."""
    clear_contextvars()
    with sentry_sdk.isolation_scope():
        yield
    clear_contextvars()
