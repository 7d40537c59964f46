"""Another profile's identity, end to end: the engine, the real client, and two profiles at the sandbox exchange."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from pydantic import SecretStr

from config.schema import Account, Credential, Infrastructure, Policy, Schedule, Settings, VaultLayout
from sandbox.exchange.records import Call
from sandbox.exchange.server import RunningExchange
from tests.fakes.vault import FakeVault
from tests.harness import HeldLeases, Outcomes
from worker.clock import SystemClock
from worker.engine import Engine
from worker.engine.pausing import rebinds
from worker.exchange import ExchangeClient
from worker.identity import FileIdentity, subject
from worker.journal import RecordState
from worker.models import PathLocation, Profile, Severity
from worker.policy.steps import Order, Reason
from worker.snapshot import Gatherer

pytestmark = pytest.mark.servers

ANN = Order(by="ann", why="drill")
WHERE = PathLocation("trading", "limitless/mm")
MAIN = Profile(partner_profile_id=1001, profile_id=1001, address=f"0x{1001:040x}", subject="did:privy:main")


class World:
    """An engine on a Vault in memory whose account `desk` reads its identity from a file."""

    def __init__(self, sandbox: RunningExchange, folder: Path, resources: ExitStack) -> None:
        self.sandbox = sandbox
        self.clock = SystemClock()
        self.vault = FakeVault(clock=self.clock)
        self.outcomes = Outcomes()
        self._file = folder / "identity.jwt"
        self.log_in("main")
        self.settings = Settings(
            infrastructure=Infrastructure(redis_url=SecretStr("redis://unused"), vault_addr="http://unused"),
            vault=VaultLayout(),
            schedule=Schedule(),
            accounts=(Account(name="desk", api_url=sandbox.api_url),),
            credentials=(
                Credential(
                    name="mm", account="desk", mount=WHERE.mount, path=WHERE.path, policy=Policy(lastused_lag=_NO_LAG)
                ),
            ),
        )
        client = ExchangeClient(
            account="desk",
            api_url=sandbox.api_url,
            identity=FileIdentity(self._file, account="desk", clock=self.clock),
            clock=self.clock,
            subject_of=subject,
        )
        exchanges = {"desk": resources.enter_context(client)}
        numbers = count(1)
        self.engine = Engine(
            gatherer=Gatherer(
                settings=self.settings,
                exchanges=exchanges,
                consumers=self.vault.consumers,
                journals=self.vault.journals,
                accounts=self.vault.accounts,
                clock=self.clock,
            ),
            settings=self.settings,
            exchanges=exchanges,
            consumers=self.vault.consumers,
            journals=self.vault.journals,
            accounts=self.vault.accounts,
            leases=HeldLeases(),
            outcomes=self.outcomes,
            clock=self.clock,
            new_rotation_id=lambda: f"id{next(numbers):04}",
        )

    def log_in(self, profile: str) -> None:
        """Put a fresh identity token of that profile in place."""
        self._file.write_text(self.sandbox.control.issue_identity(profile).get_secret_value())

    @property
    def bound(self) -> Profile | None:
        binding = self.vault.accounts.read("desk").ledger.profile
        return binding.profile if binding else None

    @property
    def served(self) -> str | None:
        document = self.vault.consumers.read(WHERE).document
        return document.token_id if document else None

    @property
    def states(self) -> dict[str | None, RecordState]:
        found = self.vault.journals.read(WHERE)
        return {one.token_id: one.state for one in found.journal.ledger} if found else {}

    def told(self) -> list[tuple[Reason, Severity]]:
        return [(one.reason, one.severity) for one in self.outcomes.seen]

    def calls(self, call: Call) -> int:
        return sum(entry.call is call for entry in self.sandbox.state.requests())


_NO_LAG = timedelta(0)


@pytest.fixture
def world(sandbox: RunningExchange, tmp_path: Path) -> Iterator[World]:
    """A world whose credential was rotated once and whose account was swept."""
    with ExitStack() as resources:
        world = World(sandbox, tmp_path, resources)
        world.engine.rotate("mm")
        world.engine.revoke("desk")
        world.outcomes.seen.clear()
        yield world


def live(world: World, profile: str) -> list[str]:
    return [one.token_id for one in world.sandbox.state.tokens() if one.live and one.profile == profile]


def test_the_account_is_bound_to_all_that_identifies_its_profile(world: World) -> None:
    assert world.bound == MAIN


def test_an_identity_token_costs_one_look_up(world: World) -> None:
    for _ in range(3):
        world.engine.rotate("mm", requested=True)
        world.engine.revoke("desk")
    assert world.calls(Call.CAPABILITIES) == 1


def test_another_profiles_identity_derives_nothing_and_serves_nothing(world: World) -> None:
    served = world.served
    world.log_in("other")
    world.engine.rotate("mm", requested=True)
    assert (live(world, "other"), world.served) == ([], served)
    assert world.told() == [(Reason.OTHER_PROFILE, Severity.ERROR)]


def test_an_emergency_with_another_profiles_identity_derives_nothing(world: World) -> None:
    world.log_in("other")
    world.engine.ordered_by(ANN).emergency("mm")
    assert (live(world, "other"), len(live(world, "main"))) == ([], 1)


def test_a_revocation_ordered_with_another_profiles_identity_is_not_done_until_the_right_one_is_back(
    world: World,
) -> None:
    token_id = world.served
    world.log_in("other")
    world.engine.ordered_by(ANN).revoke_all("mm")
    before = world.states[token_id]
    world.log_in("main")
    world.engine.revoke("desk")
    assert (before, world.states[token_id], live(world, "main")) == (RecordState.REVOKING, RecordState.REVOKED, [])


def test_a_sweep_with_another_profiles_identity_holds_the_account_and_learns_nothing(world: World) -> None:
    before = world.vault.accounts.read("desk")
    world.log_in("other")
    for _ in range(3):
        world.engine.revoke("desk")
    assert world.vault.accounts.read("desk") == before
    assert world.told() == [(Reason.OTHER_PROFILE, Severity.ERROR)] * 3


def test_rotation_goes_on_with_a_renewed_identity_of_the_right_profile(world: World) -> None:
    world.log_in("other")
    world.engine.rotate("mm", requested=True)
    world.log_in("main")
    world.engine.rotate("mm", requested=True)
    assert world.served == world.sandbox.state.tokens()[-1].token_id


def test_a_person_can_let_the_account_move_to_another_profile(world: World) -> None:
    world.log_in("other")
    world.engine.edit(rebinds(world.settings, "desk"), ANN)
    assert world.bound is None
    world.engine.revoke("desk")
    assert world.told()[-1][0] is Reason.LIST_SHRANK  # the other profile's list lacks what the account had
