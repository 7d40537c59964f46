"""Whose an identity token is: found out once, and judged on the very token that signs."""

from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr

from tests.fakes.clock import FakeClock
from tests.unit.exchange.support import API_URL, DERIVED, NOW, Identities, Reply, Script
from worker.errors import UnknownProfileError, WrongProfileError
from worker.exchange import ExchangeClient
from worker.models import Profile, RevokeResult

OURS, OTHERS = "identity-of-ours", "identity-of-others"
SUBJECTS = {OURS: "did:privy:ours", OTHERS: "did:privy:others"}
OUR_PROFILE = Profile(partner_profile_id=7, subject="did:privy:ours")
DEADLINE = timedelta(seconds=10)
EMPTY = httpx.Response(200, json=[])
REVOKED = httpx.Response(200, json={"message": "revoked"})


def capabilities(number: int = 7) -> httpx.Response:
    return httpx.Response(
        200, json={"partnerProfileId": number, "tokenManagementEnabled": True, "allowedScopes": ["trading"]}
    )


def client_of(script: Script, *identities: str, clock: FakeClock | None = None) -> ExchangeClient:
    return ExchangeClient(
        account="desk",
        api_url=API_URL,
        identity=Identities(*(identities or (OURS,))),
        clock=clock or FakeClock(NOW),
        transport=script,
        subject_of=lambda token: SUBJECTS.get(token.get_secret_value()),
    )


def paths(script: Script) -> list[str]:
    return [f"{one.method} {one.url.path.removeprefix('/auth/api-tokens')}" for one in script.requests]


def test_the_profile_is_the_partner_id_and_the_subject() -> None:
    with client_of(Script([capabilities()])) as client:
        assert client.profile() == OUR_PROFILE


def test_one_identity_token_is_looked_up_once_for_all_calls() -> None:
    script = Script([capabilities(), EMPTY, httpx.Response(201, json=DERIVED), REVOKED, EMPTY])
    with client_of(script) as client:
        client.profile()
        client.list_tokens()
        client.derive_token("maker/abc", ("trading",), deadline=DEADLINE, profile=OUR_PROFILE)
        client.revoke_token("tok-1", profile=OUR_PROFILE)
        client.list_tokens()
    assert paths(script) == ["GET /capabilities", "GET ", "POST /derive", "DELETE /tok-1", "GET "]


def test_a_fresh_identity_token_is_looked_up_anew() -> None:
    script = Script([capabilities(), capabilities(8)])
    with client_of(script, OURS, OTHERS) as client:
        assert client.profile() == OUR_PROFILE
        assert client.profile() == Profile(partner_profile_id=8, subject="did:privy:others")


def test_a_list_says_whose_it_is() -> None:
    with client_of(Script([EMPTY, capabilities()])) as client:
        assert client.list_tokens().profile == OUR_PROFILE


def test_a_list_that_was_signed_by_a_renewed_identity_says_whose_that_one_is() -> None:
    script = Script([httpx.Response(401), EMPTY, capabilities(8)])
    with client_of(script, OURS, OTHERS) as client:
        assert client.list_tokens().profile == Profile(partner_profile_id=8, subject="did:privy:others")


def test_a_list_signed_by_a_token_says_nothing_of_an_identity() -> None:
    with client_of(Script([EMPTY])) as client:
        assert client.list_tokens_as("tok-1", SecretStr("c2VjcmV0")).profile is None


def test_a_derive_is_not_sent_by_an_identity_of_another_profile() -> None:
    script = Script([capabilities(8)])
    with client_of(script, OTHERS) as client, pytest.raises(WrongProfileError):
        client.derive_token("maker/abc", ("trading",), deadline=DEADLINE, profile=OUR_PROFILE)
    assert paths(script) == ["GET /capabilities"]


def test_a_revocation_is_not_sent_by_an_identity_of_another_profile() -> None:
    script = Script([capabilities(8)])
    with client_of(script, OTHERS) as client, pytest.raises(WrongProfileError):
        client.revoke_token("tok-1", profile=OUR_PROFILE)
    assert paths(script) == ["GET /capabilities"]


def test_an_identity_that_is_swapped_after_the_check_is_checked_itself() -> None:
    script = Script([capabilities(), capabilities(8)])
    with client_of(script, OURS, OTHERS) as client:
        assert client.profile() == OUR_PROFILE
        with pytest.raises(WrongProfileError):
            client.revoke_token("tok-1", profile=OUR_PROFILE)
    assert paths(script) == ["GET /capabilities", "GET /capabilities"]


def test_a_derive_that_was_answered_401_is_not_sent_again_by_another_profile() -> None:
    script = Script([capabilities(), httpx.Response(401), capabilities(8)])
    with client_of(script, OURS, OTHERS) as client, pytest.raises(WrongProfileError):
        client.derive_token("maker/abc", ("trading",), deadline=DEADLINE, profile=OUR_PROFILE)
    assert paths(script) == ["GET /capabilities", "POST /derive", "GET /capabilities"]


def test_the_error_says_what_was_expected_and_found_and_quotes_no_token() -> None:
    with client_of(Script([capabilities(8)]), OTHERS) as client, pytest.raises(WrongProfileError) as caught:
        client.revoke_token("tok-1", profile=OUR_PROFILE)
    assert all(part in str(caught.value) for part in ("desk", "did:privy:ours", "did:privy:others", "7", "8"))
    assert OTHERS not in str(caught.value)


@pytest.mark.parametrize("status", [403, 404])
def test_where_capabilities_are_refused_the_subject_decides_and_nobody_asks_again(status: int) -> None:
    script = Script([httpx.Response(status), REVOKED, REVOKED])
    with client_of(script) as client:
        assert client.revoke_token("tok-1", profile=OUR_PROFILE) is RevokeResult.REVOKED
        client.revoke_token("tok-2", profile=OUR_PROFILE)
    assert paths(script) == ["GET /capabilities", "DELETE /tok-1", "DELETE /tok-2"]


def test_the_subject_alone_refuses_another_profile() -> None:
    with client_of(Script([httpx.Response(403)]), OTHERS) as client, pytest.raises(WrongProfileError):
        client.revoke_token("tok-1", profile=OUR_PROFILE)


NOT_ANSWERED: list[Reply] = [httpx.Response(503), httpx.ConnectError("refused"), httpx.Response(200, text="<html>")]


@pytest.mark.parametrize("reply", NOT_ANSWERED)
def test_a_look_up_that_failed_for_now_is_repeated_after_a_minute(reply: Reply) -> None:
    clock, script = FakeClock(NOW), Script([reply, capabilities()])
    with client_of(script, clock=clock) as client:
        found = [client.profile(), client.profile()]
        clock.advance(timedelta(seconds=61))
        found.append(client.profile())
    assert found == [Profile(subject="did:privy:ours")] * 2 + [OUR_PROFILE]


def test_nothing_is_sent_while_whose_identity_it_is_is_unknown() -> None:
    script = Script([httpx.Response(503)])
    with client_of(script, "an identity without a subject") as client, pytest.raises(UnknownProfileError):
        client.derive_token("maker/abc", ("trading",), deadline=DEADLINE, profile=OUR_PROFILE)
    assert paths(script) == ["GET /capabilities"]


def test_a_derives_answer_names_its_profile_beside_what_is_known_of_the_signer() -> None:
    with client_of(Script([capabilities(), httpx.Response(201, json=DERIVED)])) as client:
        token = client.derive_token("maker/abc", ("trading",), deadline=DEADLINE, profile=OUR_PROFILE)
    assert token.profile == Profile(7, DERIVED["profile"]["id"], DERIVED["profile"]["account"], "did:privy:ours")  # type: ignore[index]


@pytest.mark.parametrize("profile", [None, "main", {"id": "x", "account": 3}, {}])
def test_a_derives_profile_that_makes_no_sense_does_not_cost_the_token(profile: object) -> None:
    with client_of(Script([httpx.Response(201, json={**DERIVED, "profile": profile})])) as client:
        token = client.derive_token("maker/abc", ("trading",), deadline=DEADLINE)
    assert (token.token_id, token.profile) == ("tok-1", Profile(subject="did:privy:ours"))
