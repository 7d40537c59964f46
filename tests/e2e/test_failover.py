"""Redis fails over to a replica behind one address: workers and beats go on by themselves, and nothing is doubled."""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from sandbox.servers import LOCALHOST, EmbeddedRedis
from sandbox.stack import StackOptions
from tests.e2e.outage_stack import RESUME_SECONDS, OutageStack, System, running_system
from tests.e2e.processes import until
from tests.e2e.virtual_address import VirtualAddress

pytestmark = [pytest.mark.e2e, pytest.mark.servers, pytest.mark.timeout(240)]

SYNC_SECONDS = 20.0
UNNOTICED = 3.0
"""Seconds until whoever watches the primary acts: several sweeps would have been due meanwhile."""


class FailoverStack(OutageStack):
    """A stack whose Redis has a replica; workers and beats know one address for both."""

    address: VirtualAddress
    replica: EmbeddedRedis

    @property
    def worker_environment(self) -> dict[str, str]:
        return {**super().worker_environment, "REDIS_URL_FILE": str(self.private / "redis-url-virtual")}

    def _start_servers(self) -> None:
        super()._start_servers()
        self.replica = EmbeddedRedis(
            folder=self.folder / "replica", replica_of=self.redis, log=self.logs / "replica.log"
        )
        self._exit.enter_context(self.replica)
        until(self.replica.in_step, SYNC_SECONDS, "the replica")
        self.address = VirtualAddress()
        self._exit.callback(self.address.close)
        self.address.point_at(self.redis.port)
        login = urlsplit(self.redis.url).netloc.partition("@")[0]
        self._write_private("redis-url-virtual", f"redis://{login}@{LOCALHOST}:{self.address.port}/0")


@pytest.fixture
def stack_and_system() -> Iterator[tuple[FailoverStack, System]]:
    stacks: list[FailoverStack] = []

    def make(options: StackOptions) -> FailoverStack:
        stacks.append(FailoverStack(options))
        return stacks[0]

    with running_system(make=make) as system:
        yield stacks[0], system


def stay(seconds: float) -> None:
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() >= end, seconds + 5, "the end of the outage")


def wait_until_all_is_well_again(system: System) -> None:
    """Return when sweeps are back and everything is rotated again, within the time that is promised for the sweeps."""
    before = system.promotions()
    system.wait_for_sweeps()
    until(
        lambda: all(system.promotions()[name] > before[name] for name in ("market-maker", "hedger")),
        RESUME_SECONDS,
        "a rotation of every credential",
    )


def test_a_killed_primary_is_replaced_by_its_replica_without_a_restart(
    stack_and_system: tuple[FailoverStack, System],
) -> None:
    stack, system = stack_and_system
    stack.redis.kill()
    stay(UNNOTICED)
    # As it is moved by hand or by a script: for a moment the address leads to a replica that refuses every write.
    stack.address.point_at(stack.replica.port)
    stay(UNNOTICED)
    stack.replica.promote()
    wait_until_all_is_well_again(system)
    assert system.faults() == []


def test_a_primary_that_lives_on_beside_the_promoted_replica_doubles_nothing(
    stack_and_system: tuple[FailoverStack, System],
) -> None:
    stack, system = stack_and_system
    led = system.log("beat-2").count("beat_leads")
    stack.replica.promote()
    stack.address.point_at(stack.replica.port)
    # Whoever connects now has leases, queue and beat's lead on the new one; who is connected still has the old one's.
    for child in [one for one in stack.children if one.name in {"worker-2", "beat-2"}]:
        child.stop()
        child.restart()
    system.remember_processes()
    wait_until_all_is_well_again(system)
    # The lead that the replica copied has to expire first.
    until(lambda: system.log("beat-2").count("beat_leads") > led, 60, "a leader at each of them")
    system.wait_for_rotations()
    stack.redis.kill()
    wait_until_all_is_well_again(system)
    assert system.faults() == []
