"""What refusals mean, and whose clock is wrong."""

from datetime import timedelta

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.exchange.support import NOW, http_date
from worker.errors import (
    AmbiguousError,
    AuthenticationRefusedError,
    ClockSkewError,
    ConflictError,
    ExchangeRefusedError,
    ExchangeUnavailableError,
    PermanentError,
    TransientError,
)
from worker.exchange.refusal import clock_skew, refusal, retry_after
from worker.exchange.transport import Answer

SENT = NOW.replace(microsecond=0)


def answer(
    status: int = 401, *, date: str | None = None, took: float = 0, body: bytes = b"", again: str = ""
) -> Answer:
    all_headers = {"retry-after": again} | ({} if date is None else {"date": date})
    return Answer(status, httpx.Headers(all_headers), body, SENT, SENT + timedelta(seconds=took))


@given(skew=st.integers(-86400, 86400))
@example(skew=30)
@example(skew=31)
@example(skew=-30)
@example(skew=-31)
def test_a_401_is_about_the_clock_only_when_it_is_more_than_30_s_off(skew: int) -> None:
    error = refusal(answer(date=http_date(SENT + timedelta(seconds=skew))), purpose="p", secrets=())
    if abs(skew) <= 30:
        assert type(error) is AuthenticationRefusedError
    else:
        assert isinstance(error, ClockSkewError)
        assert error.skew == timedelta(seconds=skew)
        assert f"{abs(skew)} s {'behind' if skew > 0 else 'ahead'}" in str(error)


@given(took=st.integers(0, 300), at=st.floats(0, 1))
def test_a_slow_answer_is_not_taken_for_a_skewed_clock(took: int, at: float) -> None:
    dated = SENT + timedelta(seconds=int(took * at))
    assert clock_skew(answer(date=http_date(dated), took=took)) == timedelta(0)


@pytest.mark.parametrize("date", [None, "", "nonsense"])
def test_without_a_readable_date_a_401_is_about_the_token(date: str | None) -> None:
    assert type(refusal(answer(date=date), purpose="p", secrets=())) is AuthenticationRefusedError


@pytest.mark.parametrize(
    "status, kind",
    [
        (400, ExchangeRefusedError),
        (401, AuthenticationRefusedError),
        (403, ExchangeRefusedError),
        (404, ExchangeRefusedError),
        (408, ExchangeUnavailableError),
        (409, ExchangeRefusedError),
        (422, ExchangeRefusedError),
        (425, ExchangeUnavailableError),
        (429, ExchangeUnavailableError),
        (500, TransientError),
        (502, ExchangeUnavailableError),
        (503, ExchangeUnavailableError),
        (504, ExchangeUnavailableError),
        (301, ExchangeRefusedError),
    ],
)
def test_every_status_has_its_error(status: int, kind: type[Exception]) -> None:
    assert type(refusal(answer(status), purpose="p", secrets=())) is kind


@given(status=st.integers(300, 599))
def test_every_status_belongs_to_exactly_one_branch_of_the_tree(status: int) -> None:
    error = refusal(answer(status), purpose="p", secrets=())
    branches = [TransientError, PermanentError, AmbiguousError, ConflictError]
    assert sum(isinstance(error, branch) for branch in branches) == 1


def test_a_message_says_who_what_and_why() -> None:
    error = refusal(
        answer(403, body=b'{"message":"Token management is disabled"}'), purpose="Account desk: listing", secrets=()
    )
    assert str(error).startswith("Account desk: listing: the exchange answered 403: Token management is disabled.")


@pytest.mark.parametrize(
    "status, advice",
    [(429, "let sweeps come less often"), (502, "/maintenance/status"), (503, "/maintenance/status")],
)
def test_a_refusal_that_passes_says_that_nothing_is_lost_and_what_to_look_at(status: int, advice: str) -> None:
    told = str(refusal(answer(status), purpose="p", secrets=()))
    assert ("Nothing is lost" in told, advice in told) == (True, True)


@pytest.mark.parametrize("status", [429, 503])
def test_a_date_to_come_back_at_is_measured_by_the_exchanges_clock(status: int) -> None:
    theirs = SENT + timedelta(days=1)
    again = http_date(theirs + timedelta(seconds=20))
    assert retry_after(answer(status, date=http_date(theirs), again=again)) == timedelta(seconds=20)
