"""Error reports to Sentry, made of what is known to be harmless and nothing else.

Each event is built anew from an allow-list before it is sent. Exceptions of our own keep their message, which is safe
by construction; of all others the type and the place remain. Tracing, breadcrumbs, request data, locals and source
lines are off: the first four carry secrets, the last says nothing that the repository does not.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import certifi
import sentry_sdk
from sentry_sdk.integrations import Integration
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.threading import ThreadingIntegration
from sentry_sdk.transport import Transport
from sentry_sdk.types import Event, Hint

from config.redaction import WITHHELD, is_ours, redact_text, redact_value
from config.schema import Infrastructure
from config.urls import is_loopback_url

EXTRA_KEYS = frozenset({"evidence", "reason", "result", "sentence", "severity", "step", "kind", "age", "since"})
"""The `extra` that our own code attaches to an event; any other is dropped."""

CONTEXT_NAME = "rotator"
"""The one context of our own; `trace` and `runtime`, which the SDK makes itself, are let through beside it."""

_TOP_LEVEL = (
    "event_id", "timestamp", "start_timestamp", "type", "level", "platform", "release", "environment", "server_name",
    "sdk", "transaction_info",
)  # fmt: skip
_TEXTS = ("message", "transaction", "logger", "fingerprint", "tags")
_FRAME = ("filename", "abs_path", "module", "function", "lineno", "in_app", "platform")
_MECHANISM = ("type", "handled", "synthetic", "exception_id", "parent_id", "is_exception_group", "source")
_TRACE = ("trace_id", "span_id", "parent_span_id", "op", "status")


def init_sentry(infrastructure: Infrastructure, release: str, transport: Transport | None = None) -> bool:
    """Start reporting errors when a DSN is set; return whether it is.

    Beat's schedule is not registered as Sentry's cron monitors: those of less than a minute send nothing, silently,
    and a task that expired stays "in progress", so a monitor would be believed that does not watch.

    Args:
        infrastructure: where the DSN and the environment's name come from.
        release: version of this project.
        transport: where envelopes go instead of to the DSN.
    """
    if infrastructure.sentry_dsn is None:
        return False
    proxy = _proxy(infrastructure)
    integrations: list[Integration] = [
        AtexitIntegration(callback=lambda _pending, _timeout: None),
        CeleryIntegration(propagate_traces=False, monitor_beat_tasks=False),
        DedupeIntegration(),
        ExcepthookIntegration(),
        ThreadingIntegration(propagate_scope=False),
    ]
    sentry_sdk.init(
        dsn=infrastructure.sentry_dsn.get_secret_value(),
        environment=infrastructure.sentry_environment,
        release=release,
        transport=transport,
        # Given or empty, so that neither proxies nor authorities are taken from the environment.
        http_proxy=proxy,
        https_proxy=proxy,
        ca_certs=str(infrastructure.outside_cacert or certifi.where()),
        # Only these: others patch HTTP clients, record breadcrumbs, or send the command line.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=integrations,
        include_local_variables=False,
        include_source_context=False,
        # send_default_pii is deprecated; unset, it and its successor data_collection mean "none".
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_breadcrumb=lambda _crumb, _hint: None,
        before_send=scrub_event,
        before_send_transaction=scrub_event,
        before_send_log=lambda _log, _hint: None,
        before_send_metric=lambda _metric, _hint: None,
        traces_sample_rate=None,
        trace_propagation_targets=[],
        auto_session_tracking=False,
        enable_logs=False,
        enable_metrics=False,
        # Unset, these two follow environment variables, and either would send or print unscrubbed events.
        spotlight=False,
        debug=False,
    )
    return True


def _proxy(infrastructure: Infrastructure) -> str:
    if infrastructure.outside_proxy is None or infrastructure.sentry_dsn is None:
        return ""
    to_here = is_loopback_url(infrastructure.sentry_dsn.get_secret_value())
    return "" if to_here else infrastructure.outside_proxy.get_secret_value()


def scrub_event(event: Event, _hint: Hint | None = None) -> Event:
    """Return a new event with the harmless parts of this one; never raises, whatever the event looks like."""
    raw = cast("Mapping[str, Any]", event)
    clean: dict[str, Any] = {key: raw[key] for key in _TOP_LEVEL if key in raw}
    clean.update({key: redact_value(raw[key]) for key in _TEXTS if raw.get(key) is not None})
    if isinstance(raw.get("logentry"), Mapping):
        clean["logentry"] = {"message": _log_template(raw["logentry"], raw.get("logger"))}
    if "exception" in raw:
        clean["exception"] = {"values": [_exception(one) for one in _values(raw["exception"])]}
    if "threads" in raw:
        clean["threads"] = {"values": [_thread(one) for one in _values(raw["threads"])]}
    if isinstance(raw.get("extra"), Mapping):
        clean["extra"] = {key: redact_value(raw["extra"][key], key=key) for key in EXTRA_KEYS & raw["extra"].keys()}
    if isinstance(raw.get("contexts"), Mapping):
        clean["contexts"] = _contexts(raw["contexts"])
    return cast("Event", clean)


def _log_template(entry: Mapping[str, Any], logger: object) -> str:
    # The arguments are never sent. A template of a library may have been formatted before it was logged.
    ours = is_ours(logger if isinstance(logger, str) else None)
    return redact_text(str(entry.get("message", ""))) if ours else WITHHELD


def _values(container: object) -> Iterable[Mapping[str, Any]]:
    values = container.get("values") if isinstance(container, Mapping) else container
    return [one for one in values if isinstance(one, Mapping)] if isinstance(values, list | tuple) else []


def _exception(raw: Mapping[str, Any]) -> dict[str, Any]:
    module = raw.get("module")
    ours = isinstance(module, str) and is_ours(module)
    clean: dict[str, Any] = {
        "type": raw.get("type"),
        "module": module,
        "value": redact_text(str(raw.get("value", ""))) if ours else WITHHELD,
    }
    if isinstance(raw.get("mechanism"), Mapping):
        clean["mechanism"] = _only(raw["mechanism"], _MECHANISM)
    return clean | _stacktrace(raw)


def _thread(raw: Mapping[str, Any]) -> dict[str, Any]:
    return _only(raw, ("id", "crashed", "current", "main")) | _stacktrace(raw)


def _stacktrace(raw: Mapping[str, Any]) -> dict[str, Any]:
    trace = raw.get("stacktrace")
    if not isinstance(trace, Mapping):
        return {}
    frames = [_only(one, _FRAME) for one in trace.get("frames") or () if isinstance(one, Mapping)]
    return {"stacktrace": {"frames": frames}}


def _contexts(raw: Mapping[str, Any]) -> dict[str, Any]:
    clean: dict[str, Any] = {}
    for name, keys in (("trace", _TRACE), ("runtime", ("name", "version"))):
        if isinstance(raw.get(name), Mapping):
            clean[name] = _only(raw[name], keys)
    if CONTEXT_NAME in raw:
        clean[CONTEXT_NAME] = redact_value(raw[CONTEXT_NAME])
    return clean


def _only(raw: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: raw[key] for key in keys if key in raw}
