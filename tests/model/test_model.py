"""Whatever happens between any two calls, in whatever weather: no promise is broken, and all comes right."""

import pytest

from tests.model.driver import run
from tests.model.report import shown

EXAMPLES = 300
_CHUNK = 25


@pytest.mark.parametrize("first", range(0, EXAMPLES, _CHUNK))
def test_no_promise_is_broken_whatever_happens(first: int) -> None:
    for seed in range(first, first + _CHUNK):
        if run(seed).violations:
            pytest.fail(shown(run(seed, traced=True)), pytrace=False)
