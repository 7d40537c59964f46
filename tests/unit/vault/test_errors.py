import sys
from collections.abc import Iterator

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import MaxRetryError, NewConnectionError

from worker.errors import (
    PermanentError,
    RotatorError,
    TransientError,
    VaultForbiddenError,
    VaultRefusedError,
    VaultUnavailableError,
)
from worker.vault.errors import Answer, NoAnswerError, read_answer, refusal, transport_error

ADDRESS = "https://vault.example:8200"
ACT = "read trading/limitless/a"


def errors(*texts: str) -> dict[str, object]:
    return {"errors": list(texts)}


@pytest.mark.parametrize(
    "answer, kind, words",
    [
        (Answer(503, errors("Vault is sealed")), VaultUnavailableError, "is sealed"),
        (Answer(503), VaultUnavailableError, "answered 503"),
        (Answer(500, errors("internal error")), VaultUnavailableError, "answered 500"),
        (Answer(501), VaultUnavailableError, "not initialised"),
        (Answer(412), VaultUnavailableError, "behind its primary"),
        (Answer(429), VaultUnavailableError, "throttling"),
        (Answer(472), VaultUnavailableError, "secondary"),
        (Answer(473), VaultUnavailableError, "standby"),
        (Answer(400, errors("Upgrading from non-versioned to versioned data.")), VaultUnavailableError, "preparing"),
        (Answer(403, errors("permission denied")), VaultForbiddenError, "denied"),
        (Answer(404, errors("no handler for route")), VaultRefusedError, "no secrets engine is mounted"),
        (Answer(404), VaultRefusedError, "status 404"),
        (Answer(400, errors("invalid role or secret ID")), VaultRefusedError, "issue a new secret id"),
        (Answer(413, errors("http: request body too large")), VaultRefusedError, "larger than Vault allows"),
        (Answer(307), VaultUnavailableError, "redirects elsewhere"),
        (Answer(301, elsewhere="https://other:8200"), VaultRefusedError, "redirects elsewhere (https://other:8200)"),
        (Answer(418, errors("something new")), VaultRefusedError, "status 418"),
    ],
)
def test_each_answer_has_its_error(answer: Answer, kind: type[RotatorError], words: str) -> None:
    error = refusal(answer, address=ADDRESS, act=ACT)

    assert type(error) is kind
    assert words in str(error)


@given(st.integers(300, 599), st.text(), st.text())
def test_every_refusal_names_address_and_act_and_quotes_nothing(status: int, errors_text: str, extra: str) -> None:
    secret = "planted-" + errors_text
    error = refusal(Answer(status, {"errors": [secret], "data": {"a": extra}}), address=ADDRESS, act=ACT)

    assert ADDRESS in str(error)
    assert ACT in str(error)
    assert "planted-" not in str(error)
    assert isinstance(error, TransientError | PermanentError)


@pytest.mark.parametrize(
    "answer, landed",
    [
        (Answer(500), True),
        (Answer(502), True),
        (Answer(503), True),
        (Answer(504), True),
        (Answer(200), True),
        (Answer(503, errors("Vault is sealed")), False),
        (Answer(501), False),
        (Answer(400), False),
        (Answer(403), False),
        (Answer(412), False),
        (Answer(429), False),
        (Answer(473), False),
        (Answer(307), False),
    ],
)
def test_which_answers_leave_open_whether_a_write_landed(answer: Answer, landed: bool) -> None:  # noqa: FBT001 - a column
    assert answer.may_have_landed is landed


@pytest.mark.parametrize(
    "exc, kind",
    [
        (requests.exceptions.ConnectTimeout(), VaultUnavailableError),
        (requests.exceptions.ReadTimeout(), NoAnswerError),
        (requests.exceptions.ConnectionError("reset"), NoAnswerError),
        (requests.exceptions.ChunkedEncodingError(), NoAnswerError),
        (requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED"), VaultRefusedError),
        (requests.exceptions.InvalidURL("planted"), VaultRefusedError),
        (requests.exceptions.InvalidHeader("planted"), VaultRefusedError),
    ],
)
def test_each_missing_answer_has_its_error(exc: requests.RequestException, kind: type[RotatorError]) -> None:
    error = transport_error(exc, address=ADDRESS, act=ACT)

    assert type(error) is kind
    assert "planted" not in str(error)


def test_a_refused_connection_was_certainly_not_used() -> None:
    refused = NewConnectionError(None, "refused")  # type: ignore[arg-type] # its connection is not looked at
    exc = requests.exceptions.ConnectionError(MaxRetryError(None, "/", refused))  # type: ignore[arg-type] # likewise

    assert type(transport_error(exc, address=ADDRESS, act=ACT)) is VaultUnavailableError


def response(status: int, body: bytes, headers: dict[str, str] | None = None) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = body
    made.headers.update(headers or {})
    return made


@given(st.integers(200, 599), st.binary(max_size=200))
def test_any_body_can_be_read(status: int, body: bytes) -> None:
    assert read_answer(response(status, body)).status == status


@pytest.mark.parametrize("header, seconds", [("7", 7), ("999999", 3600), ("soon", None), ("-1", None), ("", None)])
def test_the_wait_that_vault_asks_for_is_bounded(header: str, seconds: int | None) -> None:
    wait = read_answer(response(429, b"", {"Retry-After": header})).retry_after

    assert (wait.total_seconds() if wait else None) == seconds


def test_absence_must_be_vaults_own_word() -> None:
    absent = [read_answer(response(404, body)).is_absent for body in (b'{"errors":[]}', b"<html>", b"{}", b"[]")]

    assert absent == [True, False, False, False]


@pytest.fixture
def _usual_recursion_limit() -> Iterator[None]:
    """Undo what other tests' tools set: with a far higher limit the parser would overflow the stack instead."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("_usual_recursion_limit")
@pytest.mark.parametrize(
    "value",
    [
        pytest.param("[" * 5_000 + "]" * 5_000, id="nested deeper than Python reads"),
        pytest.param("9" * 5_000, id="a number longer than Python reads"),
    ],
)
def test_a_body_that_somebody_made_unreadable_is_an_answer_without_one(value: str) -> None:
    response = requests.Response()
    response.status_code = 200
    response._content = f'{{"data": {{"data": {{"note": {value}}}}}}}'.encode()

    assert read_answer(response) == Answer(200)
