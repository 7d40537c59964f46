import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from pydantic import SecretStr

from config.logs import CONTEXT_KEYS, configure_logging, log_uncaught_exceptions
from tests.unit.config.secrets import ANY_SECRETS, BASE64_SECRETS
from worker.errors import VaultForbiddenError

LIBRARIES = ["celery.app.trace", "celery.worker.strategy", "kombu.connection", "hvac.adapters", "redis", "celery.beat"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook)
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook, threading.excepthook = hooks
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    for name in ("httpx", "httpcore", "hvac", "urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    configure_logging("DEBUG", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def line(stream: io.StringIO) -> dict[str, Any]:
    (only,) = lines(stream)
    return only


def denied(cause: Exception | None) -> None:
    raise VaultForbiddenError("Vault denied trading/a") from cause


def test_a_line_of_ours_is_json_with_level_logger_and_time_in_utc(stream: io.StringIO) -> None:
    structlog.stdlib.get_logger("worker.tasks").info("promoted", version=3)

    written = line(stream)

    assert written.pop("timestamp").endswith("Z")
    assert written == {"event": "promoted", "version": 3, "level": "info", "logger": "worker.tasks"}


def test_a_librarys_line_goes_through_the_same_renderer(stream: io.StringIO) -> None:
    logging.getLogger("celery.worker").warning("%s is %d s late", "beat", 4)

    written = line(stream)

    assert (written["event"], written["level"], written["logger"]) == ("beat is 4 s late", "warning", "celery.worker")


@pytest.mark.parametrize("ours", [True, False])
def test_every_line_of_a_task_carries_its_context(stream: io.StringIO, *, ours: bool) -> None:
    context = {key: f"the-{key}" for key in CONTEXT_KEYS}

    with structlog.contextvars.bound_contextvars(**context):
        if ours:
            structlog.stdlib.get_logger("worker").info("x")
        else:
            logging.getLogger("redis").info("x")

    assert context.items() <= line(stream).items()


def test_a_terminal_gets_colours_instead_of_json() -> None:
    terminal = Terminal()
    configure_logging("INFO", terminal)

    structlog.stdlib.get_logger("worker").info("promoted")

    assert "\x1b[" in terminal.getvalue()


def test_a_terminal_shows_a_failure_with_its_places() -> None:
    terminal = Terminal()
    configure_logging("INFO", terminal)

    try:
        denied(None)
    except VaultForbiddenError:
        structlog.stdlib.get_logger("worker").exception("failed")

    assert "worker.errors.VaultForbiddenError: Vault denied trading/a\n    at " in terminal.getvalue()


@pytest.mark.parametrize("name", ["httpx", "httpcore.http11", "urllib3.connectionpool"])
def test_libraries_that_log_urls_are_heard_from_warning_on(stream: io.StringIO, name: str) -> None:
    logging.getLogger(name).info("GET https://host/?a=b")

    assert stream.getvalue() == ""


def test_a_level_below_the_chosen_one_is_not_written() -> None:
    stream = io.StringIO()
    configure_logging("WARNING", stream)

    structlog.stdlib.get_logger("worker").info("x")

    assert stream.getvalue() == ""


def test_configuring_twice_writes_each_line_once(stream: io.StringIO) -> None:
    configure_logging("INFO", stream)

    structlog.stdlib.get_logger("worker").info("x")

    assert len(lines(stream)) == 1


def test_an_exception_of_ours_is_told_with_message_chain_and_places(stream: io.StringIO) -> None:
    try:
        denied(ValueError("the cause"))
    except VaultForbiddenError:
        structlog.stdlib.get_logger("worker").exception("failed")

    told = [(link["type"], link["message"]) for link in line(stream)["exception"]]
    assert told == [("worker.errors.VaultForbiddenError", "Vault denied trading/a"), ("ValueError", "[withheld]")]


def test_an_exceptions_frames_name_file_line_and_function(stream: io.StringIO) -> None:
    try:
        denied(None)
    except VaultForbiddenError:
        structlog.stdlib.get_logger("worker").exception("failed")

    frames = line(stream)["exception"][0]["frames"]
    functions = ["test_an_exceptions_frames_name_file_line_and_function", "denied"]
    assert [frame.rpartition(" ")[2] for frame in frames] == functions
    assert all(frame.startswith(f"{__file__}:") for frame in frames)


def test_what_celery_says_of_a_task_keeps_its_name_and_loses_arguments_and_return_value(stream: io.StringIO) -> None:
    context = {"id": "1", "name": "rotate", "runtime": 0.5, "return_value": "'r3turned'", "args": "('4rgs',)"}

    logging.getLogger("celery.app.trace").info(
        "Task %(name)s[%(id)s] succeeded in %(runtime)ss: %(return_value)s", context, extra={"data": context}
    )

    assert line(stream)["event"] == "Task rotate[1] succeeded in 0.5s: [withheld]"


def test_what_celery_attaches_to_a_record_is_not_written(stream: io.StringIO) -> None:
    logging.getLogger("celery.app.trace").info("done", extra={"data": {"args": "4rgs"}, "task_id": "1"})

    assert set(line(stream)) == {"event", "level", "logger", "timestamp"}


def test_the_body_of_a_rejected_message_is_not_written(stream: io.StringIO) -> None:
    logging.getLogger("celery.worker.consumer.consumer").warning(
        "The full contents of the message body was: %s", "b0dy"
    )

    assert "b0dy" not in stream.getvalue()


class _Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("pl4nted")


def test_a_line_that_cannot_be_written_is_reported_without_its_arguments(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("INFO", stream)  # anew, without the handlers that pytest added in the meantime
    structlog.stdlib.get_logger("worker").info("x", broken=_Unprintable(), other="pl4nted")

    assert "worker could not be written" in line(stream)["event"]
    assert "pl4nted" not in stream.getvalue() + "".join(capsys.readouterr())


def test_an_exception_that_ends_a_thread_is_logged_without_a_foreign_message(stream: io.StringIO) -> None:
    log_uncaught_exceptions()

    def fail() -> None:
        raise ValueError("pl4nted")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join(5)

    assert line(stream)["exception"][0]["type"] == "ValueError"
    assert "pl4nted" not in stream.getvalue()


def test_an_exception_that_ends_the_process_is_logged_without_a_foreign_message(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    log_uncaught_exceptions()

    sys.excepthook(ValueError, ValueError("pl4nted"), None)

    assert line(stream)["exception"][0]["type"] == "ValueError"
    assert "pl4nted" not in stream.getvalue() + "".join(capsys.readouterr())


EVERY_TIME = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)


@EVERY_TIME
@given(ANY_SECRETS)
def test_no_secret_comes_out_through_an_exception_whatever_holds_it(stream: io.StringIO, secret: str) -> None:
    def fail(local: str) -> None:
        try:
            dict[str, str]()[local]
        except KeyError:
            error = RuntimeError(f"message {local}")
            error.add_note(local)
            raise ExceptionGroup(local, [error, OSError(1, local, local)])  # noqa: B904 - the context is the point

    for logger in ("worker", "celery.worker"):
        try:
            fail(secret)
        except ExceptionGroup as caught:
            logging.getLogger(logger).log(logging.ERROR, "failed: %s %r", caught, caught, exc_info=True)
            structlog.stdlib.get_logger(logger).error("failed", error=caught, exc_info=True)

    assert stream.getvalue().count("ExceptionGroup") > 0
    assert secret not in stream.getvalue()


@EVERY_TIME
@given(ANY_SECRETS)
def test_no_secret_comes_out_through_what_a_library_logs_as_an_object(stream: io.StringIO, secret: str) -> None:
    for name in LIBRARIES:
        log = logging.getLogger(name)
        log.error("failed: %s", ConnectionError(secret), extra={"data": secret})
        log.error("got %r and %s", {"payload": secret}, [secret])
        log.error("Task %(name)s raised %(exc)s %(traceback)s", {"name": "t", "exc": secret, "traceback": secret})

    assert len(lines(fresh_copy(stream))) >= len(LIBRARIES)
    assert secret not in stream.getvalue()


@EVERY_TIME
@given(BASE64_SECRETS.filter(lambda text: text.endswith("=") or (text.lower() != text and text.upper() != text)))
def test_a_base64_secret_comes_out_nowhere(stream: io.StringIO, secret: str) -> None:
    structlog.stdlib.get_logger("worker").warning(f"text {secret}", value=secret, nested={"a": [secret]})
    logging.getLogger("hvac").warning("text %s", secret)
    logging.getLogger("hvac").warning(f"text {secret}")  # noqa: G004 - as libraries do

    assert secret not in stream.getvalue()


@EVERY_TIME
@given(ANY_SECRETS)
def test_a_secret_type_comes_out_masked_from_every_argument(stream: io.StringIO, secret: str) -> None:
    held = SecretStr(secret)
    structlog.stdlib.get_logger("worker").info("x", value=held, nested=[held])
    structlog.stdlib.get_logger("worker").info("x %s", held)
    logging.getLogger("worker").info("x %s", held)

    assert secret not in stream.getvalue()


def fresh_copy(stream: io.StringIO) -> io.StringIO:
    return io.StringIO(stream.getvalue())
