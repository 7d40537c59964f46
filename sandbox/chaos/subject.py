"""Who is put through the matrix: the seam between the cells and what they strike.

A subject keeps credentials fresh by processes that talk to Vault and the exchange. The matrix needs to know how to
wake such a process up, how to strike it, and what counts as the end of its work; everything else is judged from
outside, by what Vault serves and what the exchange's ledger says.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from config.schema import Credential
from sandbox.chaos.cells import RemoteCall, Scenario
from sandbox.chaos.proxy import PausingProxy
from sandbox.exchange.records import TokenEntry
from sandbox.leaks import Needle
from worker.journal import Journal


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a credential has come.

    Attributes:
        taken_over: the work of the scenario is done, whoever did it; only cleaning up may be left.
        settled: nothing is left to be done.
        missing: in words, what is not done yet; for the report of a cell that did not settle.
    """

    taken_over: bool
    settled: bool
    missing: str = ""


class Slot(Protocol):
    """One worker and its proxies. It keeps its place (and its proxies) when its process is replaced."""

    @property
    def proxies(self) -> Mapping[str, PausingProxy]:
        """What it takes for its servers, by their names."""
        ...

    def wake(self, scenario: Scenario, credential: Credential) -> None:
        """Have it do the scenario's work (to begin with) on that credential; returns at once."""
        ...

    def sweep(self, credential: Credential) -> None:
        """Have it do all of its scheduled work on that credential once; returns at once."""
        ...

    def kill(self) -> None:
        """Kill its process (-9) and reap it."""
        ...

    def revive(self) -> None:
        """Start it again after a kill; returns at once. Without a process that stays, there is nothing to do."""
        ...

    def freeze(self) -> None:
        """Stop its process (SIGSTOP)."""
        ...

    def thaw(self) -> None:
        """Continue its process (SIGCONT)."""
        ...

    def ready(self) -> bool:
        """Whether it would take a wake-up now."""
        ...

    def idle(self) -> bool:
        """Whether it has nothing in hand and nothing waiting."""
        ...

    def asks_again(self, server: str) -> bool:
        """Whether it asks that server at every run: after a failure, a worker leaves some servers alone for a while."""
        ...

    def insists(self) -> bool:
        """Whether somebody gave it an order that is not done, as far as they were told, and would give it again."""
        ...


class Lane(Protocol):
    """Two workers and the credentials they know: cells run here one after the other, each with a fresh credential."""

    @property
    def first(self) -> Slot:
        """The worker that is struck."""
        ...

    @property
    def second(self) -> Slot:
        """The one beside it."""
        ...

    @property
    def credentials(self) -> Sequence[Credential]:
        """What both know."""
        ...

    def struck(self, scenario: Scenario) -> Slot:
        """Return who does the scenario's work and is struck: the first worker, or who gives the order."""
        ...

    def prepare(self, scenario: Scenario, credential: Credential) -> None:
        """Bring a fresh credential to where the scenario begins, without any fault."""
        ...

    def await_due(self, scenario: Scenario, credential: Credential) -> None:
        """Return when the scenario's work is due; raises StackError when it does not become so."""
        ...

    def make_due(self, credential: Credential) -> None:
        """Move what is remembered of the credential into the past, so that a rotation is due."""
        ...

    def make_list_whole(self, credential: Credential) -> None:
        """Let the account's list show every token again."""
        ...

    def tokens(self, credential: Credential) -> tuple[TokenEntry, ...]:
        """Return the exchange's ledger of the account."""
        ...

    def restart(self, slot: Slot) -> None:
        """Replace a worker's process by a fresh one and wait until it is ready."""
        ...

    def progress(self, scenario: Scenario, credential: Credential) -> Progress:
        """Return how far the credential has come."""
        ...

    def journal(self, credential: Credential) -> Journal | None:
        """Return the record that the subject keeps of the credential, or None when it keeps none."""
        ...

    def logs(self, credential: Credential) -> tuple[str, ...]:
        """Return what its workers wrote about that credential, for the report of a red cell."""
        ...


class Subject(Protocol):
    """Something that keeps credentials fresh."""

    @property
    def name(self) -> str:
        """A column of the table."""
        ...

    @property
    def scenarios(self) -> Sequence[Scenario]:
        """What of the matrix it can be put through."""
        ...

    @property
    def keeps_journal(self) -> bool:
        """Whether its own record is to be judged as well."""
        ...

    @property
    def lease_seconds(self) -> float:
        """How long a worker must be stopped to be sure that another may take over."""
        ...

    @property
    def give_up_seconds(self) -> float:
        """How long a cell waits for it to settle."""
        ...

    def delay_seconds(self, call: RemoteCall) -> float:
        """Return for how long that call must be held to go on only after its client's time-out."""
        ...

    def needles(self) -> Sequence[Needle]:
        """Return the logins that it was given beside those of the stack."""
        ...

    def lane(self, number: int, credentials: Sequence[Credential]) -> AbstractContextManager[Lane]:
        """Start the workers of one lane; they know these credentials and no others."""
        ...
