"""The rotator as a subject: real Celery workers behind proxies, woken up through the real broker."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from typing import Final

from config.schema import Credential
from sandbox.chaos.by_hand import put_a_token_in_service
from sandbox.chaos.cells import ORDERS, REVOCATIONS, RemoteCall, Scenario
from sandbox.chaos.command_slot import CommandSlot
from sandbox.chaos.evidence import is_paused
from sandbox.chaos.naming import REDIS, VAULT
from sandbox.chaos.past import moved_into_the_past
from sandbox.chaos.progress import progress_of
from sandbox.chaos.story import story
from sandbox.chaos.subject import Progress, Slot
from sandbox.chaos.truth import Truth
from sandbox.chaos.waiting import Halt
from sandbox.chaos.worker_slot import WorkerSlot
from sandbox.chaos.world import settings_of, share
from sandbox.exchange.records import TokenEntry
from sandbox.leaks import Needle
from sandbox.processes import Children
from sandbox.stack import Stack, StackError
from worker.app import RotatorApp
from worker.exchange.transport import READ_SECONDS
from worker.journal import Journal
from worker.models import PathLocation
from worker.policy.plan import plan_revocations, plan_rotation
from worker.policy.steps import Action
from worker.ports import JournalStore
from worker.redis import connect
from worker.redis.connection import SOCKET_TIMEOUT
from worker.vault import Vault
from worker.vault.client import TIMEOUT_SECONDS
from worker.wiring import Container, build_container

START_SECONDS: Final = 60.0
PREPARE_SECONDS: Final = 20.0
LONG_AGO: Final = timedelta(hours=1)
"""More than the rotation period: what was promoted then is due."""
A_WHILE_AGO: Final = timedelta(minutes=10)
"""Beyond every grace and window, and within the rotation period."""
_NOT_DUE: Final = frozenset({Scenario.EMERGENCY, Scenario.RETIREMENT, Scenario.PAUSE})

VAULT_DELAY: Final = TIMEOUT_SECONDS + 0.7
"""Beyond the time-out of the worker's Vault client."""
EXCHANGE_DELAY: Final = READ_SECONDS + 0.7
"""Beyond the time-out of the worker's exchange client."""
DERIVE_DELAY: Final = 4.5
"""Beyond the derive's deadline (a third of `derive_deadline`), and beyond the moment when it is abandoned."""
DERIVE: Final = "post-derive"
REDIS_DELAY: Final = SOCKET_TIMEOUT + 0.7
"""Beyond the time-out of the worker's Redis client."""
_DELAYS: Final = {VAULT: VAULT_DELAY, REDIS: REDIS_DELAY}


class WorkerLane:
    """Two workers that share leases, and the means to prepare and to look, which use no proxy."""

    def __init__(
        self,
        *,
        stack: Stack,
        halt: Halt,
        vault: Vault,
        slots: tuple[WorkerSlot, WorkerSlot],
        person: CommandSlot,
        credentials: Sequence[Credential],
    ) -> None:
        self.first, self.second = slots
        self._person = person
        self.credentials = credentials
        self._stack = stack
        self._halt = halt
        self._vault = vault

    def struck(self, scenario: Scenario) -> Slot:
        """Return the first worker, or, of an order, the person who gives it."""
        return self._person if scenario in ORDERS else self.first

    def prepare(self, scenario: Scenario, credential: Credential) -> None:
        """Issue what the scenario presupposes, in this process and without faults, and move it into the past."""
        if scenario is Scenario.FIRST:
            return
        if scenario is Scenario.ADOPTION:
            put_a_token_in_service(self._stack, credential)
            return
        with build_container(settings_of(self._stack, credential)) as container:
            container.engine.rotate(credential.name)
            if scenario is Scenario.SHRINKING:
                self._have_much_to_do(container, credential)
            elif scenario in _NOT_DUE:
                _age(self._vault.journals, credential, A_WHILE_AGO)
            elif scenario is not Scenario.ORPHAN:
                self.make_due(credential)
            if scenario is Scenario.ROLLBACK:
                container.engine.rotate(credential.name)
            if scenario is Scenario.REVOCATION:
                container.engine.rotate(credential.name)
                _age(self._vault.journals, credential, A_WHILE_AGO)
                # Vault's versions cannot be moved into the past, and a grace counts from them as well.
                time.sleep(credential.policy.grace.total_seconds() + 1)
            if scenario in {Scenario.REFUSAL, Scenario.ORPHAN}:
                self._stack.control.issue_dead_tokens(credential.account)
            if scenario is Scenario.ORPHAN:
                container.engine.rotate(credential.name, requested=True)

    def _have_much_to_do(self, container: Container, credential: Credential) -> None:
        """Leave two superseded tokens beyond their grace, and a list that shows only one of three."""
        for _ in range(2):
            container.engine.rotate(credential.name, requested=True)
        container.engine.revoke(credential.account)  # remembers the whole list; nothing has had its grace yet
        _age(self._vault.journals, credential, A_WHILE_AGO)
        self._stack.control.cut_list(credential.account, 1)

    def await_due(self, scenario: Scenario, credential: Credential) -> None:
        """Wait until the scenario's work is due: a revocation is when the trader uses the successor.

        Raises StackError when it does not become due.
        """
        if scenario in ORDERS or scenario is Scenario.SHRINKING:
            return
        with build_container(settings_of(self._stack, credential)) as container:
            if not self._halt.until(lambda: _is_due(container, scenario, credential), PREPARE_SECONDS):
                raise StackError(f"{credential.name} did not become due for {scenario}")

    def make_due(self, credential: Credential) -> None:
        """Move what the journal remembers into the past; raises StackError when there is none."""
        _age(self._vault.journals, credential, LONG_AGO)

    def make_list_whole(self, credential: Credential) -> None:
        """Let the account's list show every token again."""
        self._stack.control.cut_list(credential.account, None)

    def tokens(self, credential: Credential) -> tuple[TokenEntry, ...]:
        """Return the exchange's ledger of the account."""
        return self._stack.control.tokens(profile=credential.account)

    def restart(self, slot: Slot) -> None:
        """Replace a worker's process and wait until it reads its queue."""
        slot.kill()
        slot.revive()
        self.await_ready(slot)

    def await_ready(self, slot: Slot) -> None:
        """Return when the worker reads its queue; raises StackError when it does not in time."""
        if not self._halt.until(slot.ready, START_SECONDS):
            raise StackError(f"A worker did not start within {START_SECONDS:.0f} s; see the logs")

    def progress(self, scenario: Scenario, credential: Credential) -> Progress:
        """Return how far the journal, the path and the exchange say that it has come."""
        location = PathLocation(credential.mount, credential.path)
        journal = self.journal(credential)
        path = self._vault.consumers.read(location)
        ledgers = self._vault.accounts
        doubted = scenario is Scenario.SHRINKING and ledgers.read(credential.account).ledger.suspicion is not None
        return progress_of(
            Truth(
                journal=journal,
                served=path.document.token_id if path.document else None,
                tokens=self.tokens(credential),
                paused=scenario is Scenario.PAUSE and is_paused(ledgers, credential),
                doubted=doubted,
            ),
            scenario,
        )

    def journal(self, credential: Credential) -> Journal | None:
        """Return the journal as it is in Vault."""
        found = self._vault.journals.read(PathLocation(credential.mount, credential.path))
        return found.journal if found else None

    def logs(self, credential: Credential) -> tuple[str, ...]:
        """Return what both workers' logs say became of the credential, and what commands said."""
        lines = (
            (slot.name, line)
            for slot in (self.first, self.second)
            if slot.log.exists()
            for line in slot.log.read_text(encoding="utf-8", errors="replace").splitlines()
        )
        return (*story(lines, credential.name), *self._person.said())


class WorkerSubject:
    """The rotator's own workers.

    Args:
        stack: started, without workers.
        halt: ends every wait.
        vault: reads journals and paths, past the proxies.
    """

    name = "worker"
    scenarios = tuple(Scenario)
    keeps_journal = True
    lease_seconds = 7.3
    give_up_seconds = 45.0

    def __init__(self, *, stack: Stack, halt: Halt, vault: Vault) -> None:
        self._stack = stack
        self._halt = halt
        self._vault = vault

    def delay_seconds(self, call: RemoteCall) -> float:
        """Return for how long a call must be held to go on only after the worker gave it up."""
        if call.server in _DELAYS:
            return _DELAYS[call.server]
        return DERIVE_DELAY if call.name == DERIVE else EXCHANGE_DELAY

    def needles(self) -> tuple[Needle, ...]:
        """Return nothing: it has the stack's logins only."""
        return ()

    @contextmanager
    def lane(self, number: int, credentials: Sequence[Credential]) -> Iterator[WorkerLane]:
        """Start two workers that know these credentials; both are gone when the context is left."""
        stack = self._stack
        config = share(stack, credentials, f"lane-{number}")
        with ExitStack() as exit_stack:
            broker = exit_stack.enter_context(closing(connect(stack.settings.infrastructure.redis_url)))
            app = RotatorApp(lambda: stack.settings)
            exit_stack.callback(app.close)
            children = exit_stack.enter_context(Children(home=stack.folder, hurry=lambda: True))
            slots = []
            for letter in ("a", "b"):
                slot = WorkerSlot(
                    name=f"chaos-{number}-{letter}",
                    stack=stack,
                    children=children,
                    config=config,
                    app=app,
                    broker=broker,
                )
                exit_stack.callback(slot.close)
                slot.start()
                slots.append(slot)
            person = CommandSlot(name=f"chaos-{number}-person", stack=stack, children=children, config=config)
            exit_stack.callback(person.close)
            lane = WorkerLane(
                stack=stack,
                halt=self._halt,
                vault=self._vault,
                slots=(slots[0], slots[1]),
                person=person,
                credentials=credentials,
            )
            for slot in slots:
                lane.await_ready(slot)
            yield lane


def _age(journals: JournalStore, credential: Credential, by: timedelta) -> None:
    location = PathLocation(credential.mount, credential.path)
    found = journals.read(location)
    if found is None:
        raise StackError(f"{credential.name} could not be prepared: it has no journal")
    journals.write(location, moved_into_the_past(found.journal, by), cas=found.version)


def _is_due(container: Container, scenario: Scenario, credential: Credential) -> bool:
    now = container.clock.now()
    if scenario in REVOCATIONS:
        plan = plan_revocations(container.gatherer.account(credential.account), now)
        return any(step.action is Action.REVOKE for step in plan.steps)
    return bool(plan_rotation(container.gatherer.credential(credential.name), now).steps)
