"""One suite for `worker.ports.Exchange`: the fake, and the real client against the sandbox exchange."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest
from pydantic import SecretStr

from sandbox.exchange.records import Call, Fault
from sandbox.exchange.server import RunningExchange, running_exchange
from tests.fakes.clock import FakeClock
from tests.fakes.exchange import FakeCall, FakeExchange
from worker.clock import SystemClock
from worker.errors import (
    AmbiguousDeriveError,
    AuthenticationRefusedError,
    ClockSkewError,
    ExchangeRefusedError,
    ExchangeUnavailableError,
    UnknownProfileError,
    WrongProfileError,
)
from worker.exchange import ExchangeClient, HmacClient
from worker.identity import StaticIdentity
from worker.models import DerivedToken, Profile, RevokeResult
from worker.ports import Exchange

pytestmark = pytest.mark.servers

DEADLINE = timedelta(seconds=10)
SKEW = timedelta(seconds=120)
ANOTHER = Profile(partner_profile_id=4711)


class World(Protocol):
    """An exchange, its port, and the hands that move things behind the port's back."""

    @property
    def port(self) -> Exchange: ...
    def now(self) -> datetime: ...
    def use(self, token: DerivedToken) -> None: ...
    def revoke_by_person(self, token_id: str) -> None: ...
    def lose_next_derive(self) -> None: ...
    def throttle_next_derive(self) -> None: ...
    def hide_next_token(self) -> None: ...
    def skew_clock(self) -> None: ...
    def allow(self, *scopes: str) -> None: ...
    def disable_management(self) -> None: ...


class FakeWorld:
    def __init__(self) -> None:
        self._clock = FakeClock()
        self.port = FakeExchange(self._clock)

    def now(self) -> datetime:
        return self._clock.now()

    def use(self, token: DerivedToken) -> None:
        assert self.port.use(token.token_id)

    def revoke_by_person(self, token_id: str) -> None:
        self.port.revoke_by_person(token_id)

    def lose_next_derive(self) -> None:
        self.port.lose_next(FakeCall.DERIVE)

    def throttle_next_derive(self) -> None:
        self.port.fail_next(FakeCall.DERIVE, ExchangeUnavailableError("throttled", retry_after=timedelta(seconds=7)))

    def hide_next_token(self) -> None:
        self.port.hide_next_tokens()

    def skew_clock(self) -> None:
        self.port.skew = SKEW

    def allow(self, *scopes: str) -> None:
        self.port.allowed_scopes = scopes

    def disable_management(self) -> None:
        self.port.management_enabled = False


class RealWorld:
    def __init__(self, sandbox: RunningExchange, resources: ExitStack) -> None:
        self._sandbox = sandbox
        self._control = sandbox.control
        self._clock = SystemClock()
        identity = StaticIdentity(sandbox.control.issue_identity("main"), account="main", clock=self._clock)
        self.port = resources.enter_context(
            ExchangeClient(account="main", api_url=sandbox.api_url, identity=identity, clock=self._clock)
        )

    def now(self) -> datetime:
        return datetime.now(UTC)

    def use(self, token: DerivedToken) -> None:
        with HmacClient(
            token_id=token.token_id,
            secret=token.secret,
            account="main",
            api_url=self._sandbox.api_url,
            clock=self._clock,
        ) as service:
            assert service.request("GET", "/profiles/me").is_success

    def revoke_by_person(self, token_id: str) -> None:
        self._control.revoke_token(token_id)

    def lose_next_derive(self) -> None:
        self._control.next_calls(Call.DERIVE, Fault.LOSE_ANSWER)

    def throttle_next_derive(self) -> None:
        self._control.next_calls(Call.DERIVE, Fault.THROTTLE, seconds=7)

    def hide_next_token(self) -> None:
        self._control.next_calls(Call.DERIVE, Fault.HIDE_NEW_TOKENS, seconds=3600)

    def skew_clock(self) -> None:
        self._control.shift_clock(SKEW)

    def allow(self, *scopes: str) -> None:
        self._control.put_profile("main", allowed_scopes=scopes)

    def disable_management(self) -> None:
        self._control.put_profile("main", token_management_enabled=False)


@pytest.fixture(params=["fake", "plain ids", "awkward ids"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    sandbox: RunningExchange = request.getfixturevalue("sandbox")
    sandbox.control.set_options(id_style=request.param.split()[0])
    with ExitStack() as resources:
        yield RealWorld(sandbox, resources)


def derive(world: World, label: str = "bot/1", *scopes: str) -> DerivedToken:
    return world.port.derive_token(label, scopes or ("trading",), deadline=DEADLINE)


def listed_labels(world: World) -> list[str | None]:
    return [token.label for token in world.port.list_tokens().tokens]


def test_the_capabilities_say_what_the_profile_may_do(world: World) -> None:
    world.allow("trading", "withdrawal")
    capabilities = world.port.get_capabilities()
    assert capabilities.token_management_enabled
    assert set(capabilities.allowed_scopes) == {"trading", "withdrawal"}


def test_the_port_the_list_and_a_derive_name_one_profile(world: World) -> None:
    profile, token = world.port.profile(), derive(world)
    listed = world.port.list_tokens().profile
    assert listed == profile
    assert token.profile.confirms(profile)
    assert (token.profile.profile_id is None, token.profile.address is None) == (False, False)


def test_a_call_for_its_own_profile_is_carried_out(world: World) -> None:
    profile = world.port.profile()
    token = world.port.derive_token("bot/1", ("trading",), deadline=DEADLINE, profile=profile)
    assert world.port.revoke_token(token.token_id, profile=profile) is RevokeResult.REVOKED


def test_nothing_is_derived_for_another_profile(world: World) -> None:
    with pytest.raises(WrongProfileError):
        world.port.derive_token("bot/1", ("trading",), deadline=DEADLINE, profile=ANOTHER)
    assert listed_labels(world) == []


def test_nothing_is_revoked_for_another_profile(world: World) -> None:
    token = derive(world)
    with pytest.raises(WrongProfileError):
        world.port.revoke_token(token.token_id, profile=ANOTHER)
    assert listed_labels(world) == ["bot/1"]


def test_nothing_is_revoked_for_a_profile_of_which_nothing_can_be_compared(world: World) -> None:
    token = derive(world)
    with pytest.raises(UnknownProfileError):
        world.port.revoke_token(token.token_id, profile=Profile(profile_id=1001))
    assert listed_labels(world) == ["bot/1"]


def test_a_derived_token_is_listed_with_its_label_and_scopes(world: World) -> None:
    token = derive(world, "bot/1", "trading", "delegated_signing")
    (listed,) = world.port.list_tokens().tokens
    assert (listed.token_id, listed.label) == (token.token_id, "bot/1")
    assert set(listed.scopes) == set(token.scopes) == {"trading", "delegated_signing"}
    assert listed.created_at == token.created_at
    assert listed.last_used_at is None


def test_every_derive_makes_another_token_even_for_one_label(world: World) -> None:
    one, two = derive(world), derive(world)
    assert one.token_id != two.token_id
    assert one.secret.get_secret_value() != two.secret.get_secret_value()
    assert listed_labels(world) == ["bot/1", "bot/1"]


def test_the_list_carries_the_exchanges_clock(world: World) -> None:
    server_time = world.port.list_tokens().server_time
    assert server_time is not None
    assert server_time.tzinfo is not None
    assert abs(server_time - world.now()) < timedelta(seconds=10)


def test_a_label_of_128_characters_is_accepted(world: World) -> None:
    derive(world, "x" * 128)
    assert listed_labels(world) == ["x" * 128]


def test_a_label_of_129_characters_is_refused(world: World) -> None:
    with pytest.raises(ExchangeRefusedError) as refused:
        derive(world, "x" * 129)
    assert refused.value.status == 400
    assert listed_labels(world) == []


def test_a_scope_that_the_profile_lacks_is_refused(world: World) -> None:
    world.allow("trading")
    with pytest.raises(ExchangeRefusedError) as refused:
        derive(world, "bot/1", "trading", "withdrawal")
    assert refused.value.status == 403


def test_delegated_signing_without_trading_is_refused(world: World) -> None:
    with pytest.raises(ExchangeRefusedError) as refused:
        derive(world, "bot/1", "delegated_signing")
    assert refused.value.status == 400


def test_without_token_management_derive_list_and_revoke_are_refused(world: World) -> None:
    token = derive(world)
    world.disable_management()
    assert not world.port.get_capabilities().token_management_enabled
    with pytest.raises(ExchangeRefusedError):
        derive(world)
    with pytest.raises(ExchangeRefusedError):
        world.port.list_tokens()
    with pytest.raises(ExchangeRefusedError):
        world.port.revoke_token(token.token_id)


def test_a_lost_answer_is_ambiguous_and_leaves_a_listed_token(world: World) -> None:
    world.lose_next_derive()
    with pytest.raises(AmbiguousDeriveError):
        derive(world, "bot/lost")
    assert listed_labels(world) == ["bot/lost"]


def test_a_throttled_derive_made_nothing_and_says_when_to_come_back(world: World) -> None:
    world.throttle_next_derive()
    with pytest.raises(ExchangeUnavailableError) as throttled:
        derive(world)
    assert throttled.value.retry_after == timedelta(seconds=7)
    assert listed_labels(world) == []


def test_a_token_that_is_not_listed_yet_works_already(world: World) -> None:
    world.hide_next_token()
    token = derive(world)
    assert world.port.list_tokens().tokens == ()
    assert world.port.list_tokens_as(token.token_id, token.secret).tokens == ()


def test_a_token_lists_with_its_own_signature(world: World) -> None:
    token = derive(world)
    assert world.port.list_tokens_as(token.token_id, token.secret).by_id(token.token_id) is not None


def test_listing_with_a_token_counts_as_its_use(world: World) -> None:
    token = derive(world)
    world.port.list_tokens_as(token.token_id, token.secret)
    listed = world.port.list_tokens().by_id(token.token_id)
    assert listed is not None
    assert listed.last_used_at is not None


def test_listing_with_the_identity_moves_no_last_use(world: World) -> None:
    token = derive(world)
    world.port.list_tokens()
    listed = world.port.list_tokens().by_id(token.token_id)
    assert listed is not None
    assert listed.last_used_at is None


def test_a_services_use_shows_on_its_token_alone(world: World) -> None:
    used, idle = derive(world, "used"), derive(world, "idle")
    world.use(used)
    listed = world.port.list_tokens()
    last_uses = [token.last_used_at is not None for token in listed.tokens if token.token_id == used.token_id]
    last_uses += [token.last_used_at is not None for token in listed.tokens if token.token_id == idle.token_id]
    assert last_uses == [True, False]


def test_another_secret_is_refused(world: World) -> None:
    one, two = derive(world), derive(world)
    with pytest.raises(AuthenticationRefusedError):
        world.port.list_tokens_as(one.token_id, two.secret)


def test_a_refused_signature_moves_no_last_use(world: World) -> None:
    token = derive(world)
    with pytest.raises(AuthenticationRefusedError):
        world.port.list_tokens_as(token.token_id, SecretStr("AAAA"))
    assert [one.last_used_at for one in world.port.list_tokens().tokens] == [None]


def test_an_unknown_token_is_refused(world: World) -> None:
    with pytest.raises(AuthenticationRefusedError) as refused:
        world.port.list_tokens_as("never-issued", derive(world).secret)
    assert refused.value.status == 401


def test_a_revoked_token_is_not_listed_and_signs_nothing(world: World) -> None:
    token = derive(world)
    assert world.port.revoke_token(token.token_id) is RevokeResult.REVOKED
    assert world.port.list_tokens().tokens == ()
    with pytest.raises(AuthenticationRefusedError):
        world.port.list_tokens_as(token.token_id, token.secret)


def test_revoking_again_finds_it_gone(world: World) -> None:
    token = derive(world)
    world.port.revoke_token(token.token_id)
    assert world.port.revoke_token(token.token_id) is RevokeResult.ALREADY_GONE


def test_revoking_what_a_person_revoked_finds_it_gone(world: World) -> None:
    token = derive(world)
    world.revoke_by_person(token.token_id)
    assert world.port.revoke_token(token.token_id) is RevokeResult.ALREADY_GONE


def test_revoking_what_never_was_finds_it_gone(world: World) -> None:
    assert world.port.revoke_token("never/was issued") is RevokeResult.ALREADY_GONE


def test_revoking_leaves_other_tokens_alone(world: World) -> None:
    one, two = derive(world, "one"), derive(world, "two")
    world.port.revoke_token(one.token_id)
    assert listed_labels(world) == ["two"]
    assert world.port.list_tokens_as(two.token_id, two.secret).tokens


def test_clocks_that_differ_say_nothing_about_the_token(world: World) -> None:
    token = derive(world)
    world.skew_clock()
    with pytest.raises(ClockSkewError) as skewed:
        world.port.list_tokens_as(token.token_id, token.secret)
    assert abs(skewed.value.skew - SKEW) < timedelta(seconds=10)


def test_the_list_by_identity_survives_clocks_that_differ_and_shows_by_how_much(world: World) -> None:
    world.skew_clock()
    server_time = world.port.list_tokens().server_time
    assert server_time is not None
    assert abs(server_time - world.now() - SKEW) < timedelta(seconds=10)


def test_nothing_listens_is_transient() -> None:
    with running_exchange() as gone:
        identity = gone.control.issue_identity("main")
    clock = SystemClock()
    source = StaticIdentity(identity, account="main", clock=clock)
    with (
        ExchangeClient(account="main", api_url=gone.api_url, identity=source, clock=clock) as client,
        pytest.raises(ExchangeUnavailableError),
    ):
        client.derive_token("bot/1", ("trading",), deadline=DEADLINE)
