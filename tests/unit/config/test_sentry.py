import json
import logging
from collections.abc import Iterator
from typing import Any

import certifi
import pytest
import sentry_sdk
from celery import Celery
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from config.schema import Infrastructure
from config.sentry import init_sentry, scrub_event
from tests.unit.config.secrets import ANY_SECRETS, SHAPED_SECRETS
from worker.errors import VaultForbiddenError


class Sink(Transport):
    """Keeps each envelope as the bytes that would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent.append(envelope.serialize())

    @property
    def text(self) -> str:
        # JSON escapes some characters; secrets here have none of those.
        return b"\n".join(self.sent).decode()

    def event(self) -> dict[str, Any]:
        (only,) = self.sent
        event: dict[str, Any] = json.loads(only.splitlines()[2])
        return event


def infrastructure(dsn: str | None) -> Infrastructure:
    return Infrastructure(
        redis_url=SecretStr("redis://127.0.0.1"),
        vault_addr="http://127.0.0.1:8200",
        sentry_dsn=SecretStr(dsn) if dsn else None,
        sentry_environment="lab",
    )


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    init_sentry(infrastructure("https://key@sentry.example/1"), "1.2.3", sink)
    yield sink
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


def test_without_a_dsn_nothing_is_started() -> None:
    assert init_sentry(infrastructure(None), "1.2.3") is False
    assert not sentry_sdk.get_client().is_active()


def test_an_error_of_ours_arrives_with_message_tags_release_and_environment(sink: Sink) -> None:
    with sentry_sdk.new_scope() as scope:
        scope.set_tag("credential", "maker")
        sentry_sdk.capture_exception(VaultForbiddenError("Vault denied trading/a"))

    event = sink.event()
    assert event["exception"]["values"][0]["value"] == "Vault denied trading/a"
    assert (event["tags"], event["release"], event["environment"]) == ({"credential": "maker"}, "1.2.3", "lab")


def test_a_foreign_error_arrives_with_its_type_and_place_alone(sink: Sink) -> None:
    try:
        fail_with("pl4nted")
    except ValueError as error:
        sentry_sdk.capture_exception(error)

    (told,) = sink.event()["exception"]["values"]
    frame = told["stacktrace"]["frames"][-1]
    assert (told["type"], told["value"]) == ("ValueError", "[withheld]")
    assert (frame["function"], set(frame) & {"vars", "context_line", "pre_context"}) == ("fail_with", set())


def test_a_warning_of_ours_keeps_its_group(sink: Sink) -> None:
    with sentry_sdk.new_scope() as scope:
        scope.fingerprint = ["stale", "token-1"]
        sentry_sdk.capture_message("Token token-1 of maker is stale.", level="warning")

    event = sink.event()
    assert (event["message"], event["level"], event["fingerprint"]) == (
        "Token token-1 of maker is stale.",
        "warning",
        ["stale", "token-1"],
    )


def test_a_log_line_is_no_event(sink: Sink) -> None:
    logging.getLogger("worker").error("x")

    assert sink.sent == []


def test_personal_data_is_not_collected(sink: Sink) -> None:
    client = sentry_sdk.get_client()

    assert (client.should_send_default_pii(), client.options["data_collection"]["queues"]) == (False, False)


def test_nothing_is_traced(sink: Sink) -> None:
    with sentry_sdk.start_transaction(name="t"):
        pass

    assert sink.sent == []


def fail_with(secret: str, cause: Exception | None = None) -> None:
    new_token = {"nested": [secret]}
    raise ValueError(secret, new_token) from cause


def fail_in_every_way(secret: str) -> None:
    group = ExceptionGroup(secret, [KeyError(secret), OSError(5, secret)])
    ours = VaultForbiddenError("Vault denied trading/a")
    ours.__cause__ = group
    group.add_note(secret)
    fail_with(secret, ours)


def test_a_failed_task_arrives_without_its_arguments(sink: Sink) -> None:
    app = Celery("tests", broker="memory://", set_as_current=False)

    @app.task(name="rotate")
    def rotate(argument: str, *, keyword: str) -> None:
        fail_with(argument + keyword)

    rotate.apply(args=("pl4nted",), kwargs={"keyword": "pl4nted"})

    event = sink.event()
    assert (event["transaction"], event["exception"]["values"][-1]["type"]) == ("rotate", "ValueError")
    assert "pl4nted" not in sink.text


EVERY_TIME = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)


@EVERY_TIME
@given(ANY_SECRETS)
def test_no_planted_secret_is_in_any_envelope(sink: Sink, secret: str) -> None:
    sink.sent.clear()
    with sentry_sdk.new_scope() as scope:
        scope.set_extra("response", secret)
        scope.set_extra("evidence", {"secret": secret, "token": secret, "held": SecretStr(secret)})
        scope.set_context("request", {"headers": {"identity": secret}})
        scope.set_context("rotator", {"vault_token": secret})
        scope.set_user({"id": secret})
        sentry_sdk.add_breadcrumb(message=secret, data={"url": f"https://host/?q={secret}"})
        logging.getLogger("hvac").error("failed with %s", secret)
        try:
            fail_in_every_way(secret)
        except ValueError as error:
            sentry_sdk.capture_exception(error)

    assert len(sink.sent) == 1
    assert secret not in sink.text


@EVERY_TIME
@given(SHAPED_SECRETS)
def test_a_secret_with_a_known_shape_is_replaced_in_what_is_ours_too(sink: Sink, secret: str) -> None:
    sink.sent.clear()
    with sentry_sdk.new_scope() as scope:
        scope.set_tag("credential", secret)
        scope.set_extra("sentence", f"see {secret}")
        scope.fingerprint = [secret]
        scope.set_context("rotator", {"note": secret})
        sentry_sdk.capture_message(f"Something with {secret} happened")
        sentry_sdk.capture_exception(VaultForbiddenError(f"Vault said {secret}"))

    assert len(sink.sent) == 2
    assert secret not in sink.text


@given(ANY_SECRETS, st.sampled_from(["celery.app.trace", None, "hvac"]))
def test_a_librarys_log_entry_is_withheld_whole(secret: str, logger: str | None) -> None:
    entry = {"message": f"x {secret}", "formatted": secret, "params": [secret]}

    assert secret not in str(scrub_event({"logger": logger, "logentry": entry}))  # type: ignore[typeddict-item]  # None occurs


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PARTS = ["exception", "threads", "logentry", "extra", "contexts", "tags", "breadcrumbs", "request", "message", "logger"]


@given(st.dictionaries(st.sampled_from(PARTS), JSON))
def test_whatever_an_event_looks_like_scrubbing_it_raises_nothing(event: dict[str, Any]) -> None:
    assert isinstance(scrub_event(event), dict)  # type: ignore[arg-type]  # malformed on purpose


@given(st.sampled_from(["breadcrumbs", "request", "user", "modules", "spans", "_meta", "anything"]), ANY_SECRETS)
def test_what_is_not_on_the_allow_list_is_dropped(key: str, secret: str) -> None:
    assert scrub_event({key: {"values": [secret]}}) == {}  # type: ignore[misc]  # any key


@pytest.mark.parametrize(
    "dsn, proxy, used",
    [
        ("https://key@sentry.example/1", None, None),
        ("https://key@sentry.example/1", "http://proxy.example:3128", "http://proxy.example:3128"),
        ("http://key@127.0.0.1:9000/1", "http://proxy.example:3128", None),
    ],
)
def test_alerts_take_the_proxy_of_the_settings_and_none_of_the_environment(
    dsn: str, proxy: str | None, used: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://of-the-environment.example:3128")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/of/the/environment.pem")
    given = infrastructure(dsn).model_copy(update={"outside_proxy": SecretStr(proxy) if proxy else None})
    init_sentry(given, "1.2.3")
    client = sentry_sdk.get_client()
    try:
        pool = client.transport._pool  # type: ignore[union-attr] # the HTTP transport's own
        address = getattr(pool, "proxy", None)
        assert (address.url.rstrip("/") if address else None) == used
        assert pool.connection_pool_kw["ca_certs"] == certifi.where()
    finally:
        client.close()
        sentry_sdk.get_global_scope().set_client(None)
