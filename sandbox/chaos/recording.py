"""Records which remote calls each scenario really makes, so that the matrix cannot go stale."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import dropwhile
from typing import Final

from config.schema import Credential, VaultLayout
from sandbox.chaos.cells import ORDERS, RemoteCall, Scenario, worth_striking
from sandbox.chaos.naming import REDIS, Names, calls_of
from sandbox.chaos.subject import Lane, Slot
from sandbox.chaos.trading import Desk
from sandbox.chaos.waiting import Halt
from sandbox.stack import StackError

SECONDS: Final = 30.0
BEGINS_WITH: Final[Mapping[Scenario, str]] = {Scenario.REFUSAL: "post-path", Scenario.ORPHAN: "post-journal"}
"""What comes before the first call of that name is, in these scenarios, what other scenarios do as well."""

LOGOUT: Final = "post-token-revoke-self"
"""What every command does last of all."""
OF_LISTS: Final = frozenset({"get-tokens", "post-account"})
"""What is struck while the list is cut short: the list, and the doubt that is kept of it."""


class Recorder:
    """Lets a lane's first worker do each scenario once, undisturbed.

    Args:
        lane: with a fresh credential for each scenario.
        layout: where things live in Vault.
        desk: gives each credential a trader, without whom nothing is ever revoked.
        halt: ends every wait.
    """

    def __init__(self, *, lane: Lane, layout: VaultLayout, desk: Desk, halt: Halt) -> None:
        self._lane = lane
        self._layout = layout
        self._desk = desk
        self._halt = halt

    def record(self, scenarios: Sequence[Scenario]) -> tuple[RemoteCall, ...]:
        """Return the calls of all scenarios.

        `START` keeps only those that no other work of a worker makes, and an order leaves those to it. Of a first
        rotation those to Redis are left to the later one, whose are the same.

        Raises StackError when the work of a scenario is not done in time.
        """
        credentials = iter(self._lane.credentials)
        recorded = {scenario: self._one(scenario, next(credentials)) for scenario in scenarios}
        of_workers = [one for one in recorded if one not in ORDERS and one is not Scenario.START]
        known = {call.name for scenario in of_workers for call in recorded[scenario]}
        starting = {call.name for call in recorded.get(Scenario.START, ()) if call.name not in known}
        return tuple(call for scenario in recorded for call in _kept(scenario, recorded[scenario], starting))

    def _one(self, scenario: Scenario, credential: Credential) -> tuple[RemoteCall, ...]:
        lane, slot = self._lane, self._lane.struck(scenario)
        lane.prepare(scenario, credential)
        with self._desk.trader(credential):
            lane.await_due(scenario, credential)
            if scenario is Scenario.START:
                lane.restart(slot)
            for proxy in slot.proxies.values():
                proxy.forget()
            slot.wake(scenario, credential)
            done = self._halt.until(
                lambda: slot.idle() and lane.progress(scenario, credential).taken_over and slot.idle(), SECONDS
            )
            if not done:
                raise StackError(f"{scenario}, undisturbed: {lane.progress(scenario, credential).missing}")
        return _from(BEGINS_WITH.get(scenario), calls_of(scenario, self._seen(slot, credential)))

    def _seen(self, slot: Slot, credential: Credential) -> Iterator[tuple[str, str]]:
        names = Names(credential, self._layout)
        passed = [(one.at, server, one.message) for server, proxy in slot.proxies.items() for one in proxy.passed()]
        for _, server, message in sorted(passed, key=lambda one: one[0]):
            if name := names.of(server, message):
                yield server, name


def _kept(scenario: Scenario, calls: tuple[RemoteCall, ...], starting: Collection[str]) -> tuple[RemoteCall, ...]:
    if scenario is Scenario.START:
        return tuple(call for call in calls if call.name in starting)
    if scenario is Scenario.SHRINKING:
        return tuple(call for call in calls if call.name in OF_LISTS)
    if scenario is Scenario.FIRST:
        # A first rotation tells Redis what any other tells it, and the matrix must end within half an hour.
        return tuple(call for call in calls if call.server != REDIS)
    if scenario in ORDERS:
        return worth_striking(call for call in calls if call.name not in {*starting, LOGOUT})
    return calls


def _from(name: str | None, calls: tuple[RemoteCall, ...]) -> tuple[RemoteCall, ...]:
    return tuple(dropwhile(lambda call: name is not None and call.name != name, calls))
