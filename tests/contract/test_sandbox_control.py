"""The control API through its own client."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import jwt
import pytest

from sandbox.exchange.faults import DEFAULT_RULES
from sandbox.exchange.records import AuthKind, Call, Fault, FaultRule, Options, PendingFault
from sandbox.exchange.server import RunningExchange
from tests.contract.exchange_caller import Caller, Token

pytestmark = pytest.mark.servers

LIST = "/auth/api-tokens"


@pytest.fixture
def caller(sandbox: RunningExchange) -> Iterator[Caller]:
    with Caller(sandbox) as one:
        yield one


@pytest.fixture
def raw(sandbox: RunningExchange) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.control_url, trust_env=False) as one:
        yield one


def test_rules_are_replaced_as_a_whole(sandbox: RunningExchange) -> None:
    rule = FaultRule(fault=Fault.SLOW, call=Call.ORDER, percent=12.5, seconds=0.1)
    sandbox.control.use_faults("default")
    assert sandbox.control.set_faults([rule]).rules == (rule,)
    assert sandbox.control.faults().rules == (rule,)


def test_presets_name_the_default_faults_and_none(sandbox: RunningExchange) -> None:
    assert sandbox.control.use_faults("default").rules == DEFAULT_RULES
    assert sandbox.control.use_faults("none").rules == ()


def test_pending_faults_are_shown_until_they_are_used_up(sandbox: RunningExchange, caller: Caller) -> None:
    sandbox.control.next_calls("list", "throttle", count=2)
    caller.call("GET", LIST)
    assert sandbox.control.faults().pending == (PendingFault(fault=Fault.THROTTLE, call=Call.LIST, count=1),)


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("PUT", "/faults", {"rules": [{"fault": "slow", "call": "list", "percent": 101}]}),
        ("PUT", "/faults", {"rules": [{"fault": "fire", "call": "list", "percent": 1}]}),
        ("PUT", "/faults", {"rules": [{"fault": "slow", "call": "list", "percent": 1}] * 2}),
        ("PUT", "/faults", {"preset": "worst"}),
        ("PUT", "/faults", {}),
        ("POST", "/faults/next", {"fault": "slow", "call": "list", "count": 0}),
        ("PUT", "/options", {"unknown": 1}),
        ("PUT", "/options", [1]),
        ("PUT", "/clock", {"shift_seconds": "soon"}),
        ("POST", "/profiles", {"name": "../x"}),
        ("POST", "/profiles", {"name": "x", "allowed_scopes": ["admin"]}),
    ],
    ids=str,
)
def test_a_mistake_answers_400_with_its_cause(raw: httpx.Client, method: str, path: str, body: object) -> None:
    answer = raw.request(method, path, json=body)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_options_are_changed_one_by_one(sandbox: RunningExchange) -> None:
    sandbox.control.set_options(list_delay=2)
    assert sandbox.control.set_options(last_used_precision=60) == Options(list_delay=2, last_used_precision=60)
    assert sandbox.control.options() == Options(list_delay=2, last_used_precision=60)


def test_a_new_profile_gets_an_identity_of_its_own(sandbox: RunningExchange) -> None:
    profile = sandbox.control.put_profile("third", allowed_scopes=["trading"])
    with Caller(sandbox, profile="third") as third:
        answer = third.call("GET", "/auth/api-tokens/capabilities").json()
    assert (answer["partnerProfileId"], answer["allowedScopes"]) == (profile.id, ["trading"])
    assert len({one.id for one in sandbox.control.profiles()}) == 3


def test_an_identity_says_when_it_expires(sandbox: RunningExchange) -> None:
    token = sandbox.control.issue_identity("main", ttl=timedelta(seconds=90)).get_secret_value()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 90


def test_an_identity_for_an_unknown_profile_answers_404(sandbox: RunningExchange) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        sandbox.control.issue_identity("nobody")


@pytest.mark.parametrize("style", ["plain", "awkward"])
def test_a_person_revokes_a_token(sandbox: RunningExchange, caller: Caller, style: str) -> None:
    sandbox.control.set_options(id_style=style)
    token = caller.derive()
    entry = sandbox.control.revoke_token(token.token_id)
    assert (entry.live, entry.revoked_by) == (False, "person")
    assert caller.signed(token, "GET", LIST).status_code == 401


def test_a_person_cannot_revoke_what_is_not_there(sandbox: RunningExchange, caller: Caller) -> None:
    token = caller.derive()
    sandbox.control.revoke_token(token.token_id)
    for token_id, status in ((token.token_id, "409"), ("unknown", "404")):
        with pytest.raises(httpx.HTTPStatusError, match=status):
            sandbox.control.revoke_token(token_id)


def test_the_request_ledger_says_who_called_what_and_why_it_failed(sandbox: RunningExchange, caller: Caller) -> None:
    token = caller.derive()
    caller.signed(Token(token.token_id, "AAAA"), "GET", LIST)
    derived, listed = sandbox.control.requests()
    assert (derived.call, derived.auth, derived.profile, derived.status) == (
        Call.DERIVE,
        AuthKind.IDENTITY,
        "main",
        201,
    )
    assert (derived.token_id, derived.target_token_id) == (None, token.token_id)
    assert (listed.call, listed.auth, listed.profile, listed.status) == (Call.LIST, AuthKind.HMAC, None, 401)
    assert (listed.token_id, listed.reason) == (token.token_id, "bad_signature")


def test_the_request_ledger_pages_and_narrows(sandbox: RunningExchange, caller: Caller) -> None:
    token = caller.derive()
    caller.listed()
    caller.signed(token, "GET", LIST)
    seen = sandbox.control.requests()
    assert [entry.seq for entry in seen] == [1, 2, 3]
    assert sandbox.control.requests(after=1) == seen[1:]
    assert sandbox.control.requests(call="list") == seen[1:]
    assert sandbox.control.requests(call=Call.LIST, token_id=token.token_id) == seen[2:]
    assert sandbox.control.requests(profile="other") == ()


def test_the_token_ledger_keeps_uses_rejections_and_ends(sandbox: RunningExchange, caller: Caller) -> None:
    token = caller.derive(label="bot", scopes=["trading"])
    caller.signed(token, "GET", "/profiles/me")
    caller.call("DELETE", f"{LIST}/{token.token_id}")
    caller.signed(token, "GET", "/profiles/me")
    (entry,) = sandbox.control.tokens(profile="main")
    assert (entry.token_id, entry.label, entry.scopes, entry.uses) == (token.token_id, "bot", ("trading",), 1)
    assert (entry.revoked_by, entry.rejections) == ("identity", 1)
    assert entry.last_used_at is not None
    assert entry.revoked_at is not None
    assert entry.first_rejected_at is not None
    assert entry.created_at <= entry.last_used_at <= entry.revoked_at <= entry.first_rejected_at


def test_the_ledgers_hold_no_secret(raw: httpx.Client, sandbox: RunningExchange, caller: Caller) -> None:
    token = caller.derive()
    caller.signed(token, "GET", LIST)
    texts = [raw.get(path).text for path in ("/requests", "/tokens", "/faults", "/options", "/profiles")]
    needles = (token.secret, caller.identity)
    assert [needle in text for text in texts for needle in needles] == [False] * 10


def test_leak_scanners_get_every_secret(sandbox: RunningExchange, caller: Caller) -> None:
    token = caller.derive()
    assert {token.secret, caller.identity} <= set(sandbox.control.secrets().values())


def test_the_secrets_of_leak_scanners_do_not_show_in_their_repr(sandbox: RunningExchange, caller: Caller) -> None:
    token = caller.derive()
    assert token.secret not in repr(sandbox.control.secrets())


def test_a_reset_forgets_tokens_ledgers_faults_and_options(sandbox: RunningExchange, caller: Caller) -> None:
    caller.derive()
    sandbox.control.use_faults("default")
    sandbox.control.next_calls("list", "slow")
    sandbox.control.set_options(list_delay=5)
    sandbox.control.put_profile("third")
    sandbox.control.reset()
    assert (sandbox.control.tokens(), sandbox.control.requests()) == ((), ())
    assert (sandbox.control.faults().rules, sandbox.control.faults().pending) == ((), ())
    assert sandbox.control.options() == Options()
    assert [one.name for one in sandbox.control.profiles()] == ["main", "other"]


def listed(caller: Caller) -> list[str]:
    return [row["tokenId"] for row in caller.listed()]


def test_a_list_that_is_cut_short_shows_its_oldest_tokens_only(sandbox: RunningExchange, caller: Caller) -> None:
    first, _ = caller.derive(), caller.derive()
    sandbox.control.cut_list("main", 1)
    assert listed(caller) == [first.token_id]


def test_a_list_that_is_made_whole_again_shows_every_token(sandbox: RunningExchange, caller: Caller) -> None:
    tokens = [caller.derive().token_id, caller.derive().token_id]
    sandbox.control.cut_list("main", 0)
    sandbox.control.cut_list("main", None)
    assert listed(caller) == tokens


def test_cutting_one_profiles_list_leaves_another_ones_whole(sandbox: RunningExchange, caller: Caller) -> None:
    token = caller.derive()
    sandbox.control.cut_list("other", 0)
    assert listed(caller) == [token.token_id]


def test_the_list_of_an_unknown_profile_cannot_be_cut(raw: httpx.Client) -> None:
    assert raw.put("/list/nobody", json={"rows": 1}).status_code == 404
