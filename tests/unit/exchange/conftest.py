from collections.abc import Iterator

import pytest
import stamina


@pytest.fixture(autouse=True)
def _repeats_do_not_wait() -> Iterator[None]:
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
