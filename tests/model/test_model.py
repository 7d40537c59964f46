"""Whatever happens between any two calls, in whatever weather: no promise is broken, and all comes right."""

import pytest

from tests.model.driver import run
from tests.model.report import shown

EXAMPLES = 300
_CHUNK = 25
OPEN = {
    116: "when all was quiet a token of hedge was alive beside the served one",
    234: "a promotion in a freeze",
}
"""Seeds at which a promise is broken and nobody has found out yet whether the worker or the observer is wrong."""


@pytest.mark.parametrize("first", range(0, EXAMPLES, _CHUNK))
def test_no_promise_is_broken_whatever_happens(first: int) -> None:
    for seed in range(first, first + _CHUNK):
        if seed not in OPEN and run(seed).violations:
            pytest.fail(shown(run(seed, traced=True)), pytrace=False)
