"""What each fault looks like to a real client, and what the exchange did meanwhile."""

import contextlib
import email.utils
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from sandbox.exchange.records import Call, Fault, FaultRule
from sandbox.exchange.server import RunningExchange, running_exchange
from tests.contract.exchange_caller import Caller

pytestmark = pytest.mark.servers

DERIVE = "/auth/api-tokens/derive"
LIST = "/auth/api-tokens"

NOTHING_DONE = [Fault.CUT_BEFORE, Fault.THROTTLE, Fault.UNAVAILABLE, Fault.HTML_ERROR]
DONE = [Fault.LOSE_ANSWER, Fault.CUT_ANSWER, Fault.TRUNCATED_JSON, Fault.SLOW, Fault.SKEW_CLOCK]


@pytest.fixture
def caller(sandbox: RunningExchange) -> Iterator[Caller]:
    with Caller(sandbox) as one:
        yield one


def server_time(answer: httpx.Response) -> datetime:
    return email.utils.parsedate_to_datetime(answer.headers["date"])


def derive_under(sandbox: RunningExchange, caller: Caller, fault: Fault) -> None:
    sandbox.control.next_calls(Call.DERIVE, fault, seconds=0 if fault is Fault.SLOW else None)
    with contextlib.suppress(httpx.TransportError):
        caller.call("POST", DERIVE, json={"label": "bot"})


@pytest.mark.parametrize("fault", NOTHING_DONE)
def test_faults_before_the_work_issue_no_token(sandbox: RunningExchange, caller: Caller, fault: Fault) -> None:
    derive_under(sandbox, caller, fault)
    assert sandbox.control.tokens() == ()


@pytest.mark.parametrize("fault", DONE)
def test_faults_after_the_work_leave_a_live_token(sandbox: RunningExchange, caller: Caller, fault: Fault) -> None:
    derive_under(sandbox, caller, fault)
    assert [(token.label, token.live) for token in sandbox.control.tokens()] == [("bot", True)]


@pytest.mark.parametrize("fault", [*NOTHING_DONE, *DONE])
def test_the_ledger_names_the_fault(sandbox: RunningExchange, caller: Caller, fault: Fault) -> None:
    derive_under(sandbox, caller, fault)
    assert [entry.faults for entry in sandbox.control.requests()] == [(fault,)]


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.LOSE_ANSWER, Fault.CUT_ANSWER])
@pytest.mark.parametrize("call, method, path", [(Call.DERIVE, "POST", DERIVE), (Call.LIST, "GET", LIST)])
def test_a_cut_connection_is_a_protocol_error_to_the_client(
    sandbox: RunningExchange, caller: Caller, fault: Fault, call: Call, method: str, path: str
) -> None:
    sandbox.control.next_calls(call, fault)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        caller.call(method, path)


@pytest.mark.parametrize("fault", [*NOTHING_DONE, *DONE])
def test_the_call_after_a_fault_succeeds(sandbox: RunningExchange, caller: Caller, fault: Fault) -> None:
    derive_under(sandbox, caller, fault)
    assert caller.call("POST", DERIVE).status_code == 201


def test_throttling_answers_429_with_retry_after(sandbox: RunningExchange, caller: Caller) -> None:
    sandbox.control.next_calls(Call.LIST, Fault.THROTTLE, seconds=2.5)
    answer = caller.call("GET", LIST)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert answer.json()["error"] == "Too Many Requests"


def test_retry_after_can_be_a_date(sandbox: RunningExchange, caller: Caller) -> None:
    sandbox.control.set_options(retry_after="date")
    sandbox.control.next_calls(Call.LIST, Fault.THROTTLE, seconds=7)
    answer = caller.call("GET", LIST)
    wait = email.utils.parsedate_to_datetime(answer.headers["retry-after"]) - server_time(answer)
    assert wait == timedelta(seconds=7)


@pytest.mark.parametrize("seconds, header", [(None, None), (4, "4")])
def test_503_has_a_retry_after_only_when_one_is_given(
    sandbox: RunningExchange, caller: Caller, seconds: float | None, header: str | None
) -> None:
    sandbox.control.next_calls(Call.LIST, Fault.UNAVAILABLE, seconds=seconds)
    answer = caller.call("GET", LIST)
    assert (answer.status_code, answer.headers.get("retry-after")) == (503, header)


def test_an_html_error_is_a_proxys_page(sandbox: RunningExchange, caller: Caller) -> None:
    sandbox.control.next_calls(Call.LIST, Fault.HTML_ERROR)
    answer = caller.call("GET", LIST)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
    assert answer.text.startswith("<html>")


def test_truncated_json_is_whole_http_and_broken_json(sandbox: RunningExchange, caller: Caller) -> None:
    caller.derive()
    sandbox.control.next_calls(Call.LIST, Fault.TRUNCATED_JSON)
    answer = caller.call("GET", LIST)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_slow_answer_comes_after_the_work_was_done(sandbox: RunningExchange, caller: Caller) -> None:
    sandbox.control.next_calls(Call.DERIVE, Fault.SLOW, seconds=60)
    with pytest.raises(httpx.ReadTimeout):
        caller.call("POST", DERIVE, timeout=0.2)
    assert len(sandbox.control.tokens()) == 1


@pytest.mark.parametrize("seconds", [-90, 90])
def test_a_skewed_clock_shows_in_the_date_and_refuses_signatures(
    sandbox: RunningExchange, caller: Caller, seconds: float
) -> None:
    token = caller.derive()
    sandbox.control.next_calls(Call.LIST, Fault.SKEW_CLOCK, seconds=seconds)
    answer = caller.signed(token, "GET", LIST)
    off = server_time(answer) - datetime.now(UTC)
    assert (answer.status_code, answer.json()["message"]) == (401, "Invalid HMAC authentication")
    assert abs(off - timedelta(seconds=seconds)) < timedelta(seconds=20)


def test_a_skewed_clock_leaves_an_identity_valid(sandbox: RunningExchange, caller: Caller) -> None:
    sandbox.control.next_calls(Call.LIST, Fault.SKEW_CLOCK, seconds=3600)
    assert caller.call("GET", LIST).status_code == 200


def test_a_shifted_clock_moves_everything(sandbox: RunningExchange, caller: Caller) -> None:
    sandbox.control.shift_clock(timedelta(days=10))
    answer = caller.call("GET", LIST)
    assert (answer.status_code, answer.json()["message"]) == (401, "Invalid or expired identity token")
    assert server_time(answer) - datetime.now(UTC) > timedelta(days=9)


def test_a_hidden_token_works_before_it_is_listed(sandbox: RunningExchange, caller: Caller) -> None:
    sandbox.control.next_calls(Call.DERIVE, Fault.HIDE_NEW_TOKENS, seconds=3600)
    token = caller.derive()
    assert caller.listed() == []
    assert caller.signed(token, "GET", "/profiles/me").status_code == 200


def test_a_dead_token_is_listed_and_can_be_revoked_but_signs_nothing(sandbox: RunningExchange, caller: Caller) -> None:
    sandbox.control.issue_dead_tokens("main")
    token = caller.derive()
    refused = caller.signed(token, "GET", LIST)
    listed = [row["tokenId"] for row in caller.listed()]
    revoked = caller.call("DELETE", f"{LIST}/{token.token_id}")
    assert (refused.status_code, listed, revoked.status_code) == (401, [token.token_id], 200)


def test_as_many_tokens_are_dead_as_were_asked_for_and_only_of_that_profile(
    sandbox: RunningExchange, caller: Caller
) -> None:
    sandbox.control.put_profile("other")
    sandbox.control.issue_dead_tokens("other", count=5)
    sandbox.control.issue_dead_tokens("main", count=1)
    answers = [caller.signed(caller.derive(), "GET", LIST).status_code for _ in range(2)]
    assert answers == [401, 200]


def test_one_list_can_be_behind(sandbox: RunningExchange, caller: Caller) -> None:
    token = caller.derive()
    sandbox.control.next_calls(Call.LIST, Fault.HIDE_NEW_TOKENS, seconds=3600)
    assert [caller.listed(), [row["tokenId"] for row in caller.listed()]] == [[], [token.token_id]]


def test_one_list_can_show_the_uses_of_a_while_ago(sandbox: RunningExchange, caller: Caller) -> None:
    caller.signed(caller.derive(), "GET", "/profiles/me")
    sandbox.control.next_calls(Call.LIST, Fault.LAG_LAST_USED, seconds=3600)
    lagging, fresh = (caller.listed()[0]["lastUsedAt"] for _ in range(2))
    assert (lagging, fresh is None) == (None, False)


def test_the_same_seed_replays_the_same_faults(sandbox: RunningExchange, caller: Caller) -> None:
    sandbox.control.set_faults(
        FaultRule(fault=fault, call=Call.LIST, percent=20)
        for fault in (Fault.THROTTLE, Fault.HTML_ERROR, Fault.UNAVAILABLE)
    )

    def run() -> list[int]:
        sandbox.control.set_seed(7)
        return [caller.call("GET", LIST).status_code for _ in range(40)]

    first = run()
    assert len(set(first)) > 1
    assert run() == first


def test_a_run_with_the_default_faults_never_refuses_a_trader() -> None:
    with running_exchange() as exchange, Caller(exchange) as caller:
        token = caller.derive()
        exchange.control.use_faults("default")
        statuses = {caller.signed(token, "POST", "/orders", body="{}").status_code for _ in range(100)}
    assert statuses == {201}
