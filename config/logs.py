"""Logging: one line of JSON for each event to a pipe, colours to a terminal, and no secret in either.

The libraries' own records (Celery, httpx, hvac, redis) go through the same renderer. Of them only the message is
kept: what they attach (a task's arguments and return value, a broken message's body) is not ours to judge.
"""

import json
import logging
import sys
import threading
from collections.abc import Mapping
from typing import IO, Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.failures import describe_exception, exception_lines
from config.redaction import WITHHELD, is_ours, redact_text, redact_value

CONTEXT_KEYS = ("task_id", "account", "credential", "rotation_id")
"""What a task binds with `structlog.contextvars`, and every line of it then carries."""

_QUIET = ("httpx", "httpcore", "hvac", "urllib3", "requests")
"""Libraries that log whole URLs and more below WARNING."""

_TOLD_OF_A_TASK = frozenset({"id", "name", "description", "runtime", "hostname", "expires", "eta"})
"""What Celery's lines about a task may say. Not: args, kwargs, return_value, exc, traceback."""


def configure_logging(level: int | str = "INFO", stream: IO[str] | None = None) -> None:
    """Send every log record, ours and the libraries', to the stream in the form that suits it.

    Args:
        level: the lowest level that is written, as `logging` names it.
        stream: standard error unless told otherwise; colours when it is a terminal, else JSON.
    """
    stream = stream if stream is not None else sys.stderr
    handler = _Handler(stream)
    handler.setFormatter(_Formatter(terminal=stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_common_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def log_uncaught_exceptions() -> None:
    """Let an exception that ends the process or a thread be logged like any other, instead of printed with its text."""
    log = structlog.stdlib.get_logger("config.logs")

    def of_process(kind: type[BaseException], exc: BaseException, traceback: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, exc, traceback)
        else:
            log.critical("the process ends by an uncaught exception", exc_info=exc)

    def of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
            log.critical("a thread ended by an uncaught exception", exc_info=args.exc_value)

    sys.excepthook = of_process
    threading.excepthook = of_thread


class _Handler(logging.StreamHandler[IO[str]]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        # The inherited one prints the record's arguments.
        try:
            event = f"a line of logger {record.name} could not be written"
            self.stream.write(json.dumps({"event": event, "logger": "config.logs", "level": "error"}) + "\n")
        except (OSError, ValueError):
            return  # the stream is gone, and there is no other place to say so


class _Formatter(structlog.stdlib.ProcessorFormatter):
    def __init__(self, *, terminal: bool) -> None:
        render: list[Processor] = (
            [_exception_as_text, structlog.dev.ConsoleRenderer(colors=True)]
            if terminal
            else [structlog.processors.JSONRenderer(ensure_ascii=False)]
        )
        super().__init__(
            foreign_pre_chain=_common_processors(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _exception_as_facts,
                _redact,
                *render,
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        if not isinstance(record.msg, dict):
            record = logging.makeLogRecord(record.__dict__)
            record.args = _safe_args(record)
        return super().format(record)


def _common_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _safe_args(record: logging.LogRecord) -> Any:
    # A single mapping is what `%(name)s` refers to; Celery uses it for everything it says about a task.
    if isinstance(record.args, Mapping):
        return {key: _safe_arg(value) if key in _TOLD_OF_A_TASK else WITHHELD for key, value in record.args.items()}
    if not record.args:
        return record.args
    if not is_ours(record.name) and "body" in str(record.msg).lower():
        return tuple(WITHHELD for _ in record.args)
    return tuple(_safe_arg(arg) for arg in record.args)


def _safe_arg(arg: object) -> object:
    if arg is None or isinstance(arg, int | float):
        return arg
    if isinstance(arg, str):
        return redact_text(arg)
    if isinstance(arg, BaseException):
        return redact_value(arg)
    return f"[{type(arg).__name__}]"


def _exception_as_facts(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    info = event.pop("exc_info", None)
    exc = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else None
    if info is True:
        exc = sys.exc_info()[1]
    if exc is not None:
        event["exception"] = describe_exception(exc)
    return event


def _exception_as_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if "exception" in event:
        event["exception"] = exception_lines(event["exception"])
    return event


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    # Described already, file names included, which a pattern could mistake for a key.
    exception = event.pop("exception", None)
    redacted: EventDict = redact_value(event)
    if exception is not None:
        redacted["exception"] = exception
    return redacted
