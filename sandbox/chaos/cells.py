"""The matrix as data: what is called, when it is held, what happens then, and who else is there."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from sandbox.chaos.proxy import Moment


class Scenario(StrEnum):
    """What the held call belongs to."""

    START = "start"  # the calls that only a worker makes that has just been started
    FIRST = "first"  # a credential that was never issued a token
    ROTATION = "rotation"  # one that is due
    REVOCATION = "revocation"  # one whose superseded token is over
    REFUSAL = "refusal"  # one that is due, and whose new token is refused for good: from the fence on
    ORPHAN = "orphan"  # one whose new token was refused and given up: from the mark on
    SHRINKING = "shrinking"  # one with much to be done, whose account's list of tokens is cut short
    ADOPTION = "adoption"  # `rotator adopt`: a token that people issued and a service lives on
    ROLLBACK = "rollback"  # `rotator rollback`: one whose predecessor lives
    EMERGENCY = "emergency"  # `rotator rotate --compromised`
    RETIREMENT = "retirement"  # `rotator retire`
    PAUSE = "pause"  # `rotator pause`


REVOCATIONS = frozenset({Scenario.REVOCATION, Scenario.ORPHAN, Scenario.SHRINKING})
"""Whose work the revoking sweep does; the rotating one does that of the others."""

ORDERS = frozenset(
    {Scenario.ADOPTION, Scenario.ROLLBACK, Scenario.EMERGENCY, Scenario.RETIREMENT, Scenario.PAUSE},
)
"""Whose work a person orders: the process that is struck is that of the command, not a worker."""


class Fault(StrEnum):
    """What happens while the call is held."""

    KILL = "kill"  # the worker is killed (-9)
    STOP = "stop"  # the worker is stopped beyond its lease, and continued later
    CUT = "cut"  # the connection is reset
    DELAY = "delay"  # the call goes on only after its client's time-out


class Team(StrEnum):
    """Who goes on: the struck worker alone (restarted if it was killed), or another one beside it.

    Of an order ONE is the person, who gives it again until it is done, with a worker's sweeps around it; with TWO
    nobody gives it again, and the worker's sweeps are alone with what the command left.
    """

    ONE = "one"
    TWO = "two"


@dataclass(frozen=True, slots=True, order=True)
class RemoteCall:
    """One remote call of a scenario, as it was seen on the wire.

    Attributes:
        scenario: whose call it is.
        position: which call of the scenario, from 1; for people.
        server: "vault", "exchange" or "redis".
        name: method and resource without the names of this run, such as `post-journal`.
        occurrence: which one of that name, from 1.
    """

    scenario: Scenario
    position: int
    server: str
    name: str
    occurrence: int

    @property
    def slug(self) -> str:
        """The scenario and the call, without its position: what a cell's id begins with."""
        return f"{self.scenario}.{self.name}-{self.occurrence}"


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One cell of the matrix."""

    call: RemoteCall
    moment: Moment
    fault: Fault
    team: Team

    @property
    def id(self) -> str:
        """Names the cell on the command line."""
        return f"{self.call.slug}.{self.moment}.{self.fault}.{self.team}"


VARIANTS: Sequence[tuple[Moment, Fault, Team]] = tuple(product(Moment, Fault, Team))
"""What can happen to each call."""

ORDER_VARIANTS: Sequence[tuple[Moment, Fault, Team]] = (
    *product(Moment, [Fault.KILL], Team),
    *product(Moment, [Fault.STOP], [Team.TWO]),
    (Moment.AFTER, Fault.CUT, Team.ONE),
    (Moment.BEFORE, Fault.DELAY, Team.ONE),
)
"""What can happen to each call of an order.

A stop is about somebody else going on meanwhile. Of a cut, the one that loses an answer is left, and of a delay, the
one after which a call lands late: what is never seen by the server is what a client's own retries are for.
"""

QUICK_WRITES = 2
"""How many writes of each order the quick subset strikes."""


def is_write(call: RemoteCall) -> bool:
    """Whether it changes something in Vault or at the exchange."""
    return call.server != "redis" and not call.name.startswith("get-")


def worth_striking(calls: Iterable[RemoteCall]) -> tuple[RemoteCall, ...]:
    """Return an order's calls without those that would tell nothing new: every write, and one read.

    What an order read before its first write is forgotten with its process. What it tells Redis nobody depends on.
    The read is one at the exchange, if there is any.
    """
    known = tuple(calls)
    reads = [call for call in known if call.server != "redis" and not is_write(call)]
    read = next((call for call in reads if call.server == "exchange"), reads[0] if reads else None)
    return tuple(call for call in known if is_write(call) or call == read)


def build_matrix(calls: Iterable[RemoteCall]) -> tuple[Cell, ...]:
    """Return a cell for every call and variant, in order."""
    return tuple(Cell(call, *variant) for call in calls for variant in _variants(call))


def _variants(call: RemoteCall) -> Sequence[tuple[Moment, Fault, Team]]:
    return ORDER_VARIANTS if call.scenario in ORDERS else VARIANTS


def quick_subset(calls: Sequence[RemoteCall], seed: int) -> tuple[Cell, ...]:
    """Return one cell for each call (of an order, for two of its writes), chosen so that all variants take turns.

    Which variant meets which call, and which writes of an order are struck, depends on the seed.
    """
    chance = random.Random(seed)  # noqa: S311 - chooses tests
    decks: dict[bool, list[tuple[Moment, Fault, Team]]] = {True: [], False: []}
    chosen = []
    writes = {order: [one for one in calls if one.scenario is order and is_write(one)] for order in sorted(ORDERS)}
    struck = {one for order in writes.values() for one in chance.sample(order, min(QUICK_WRITES, len(order)))}
    for call in calls:
        is_order = call.scenario in ORDERS
        if is_order and call not in struck:
            continue
        if not decks[is_order]:
            decks[is_order] = chance.sample(_variants(call), len(_variants(call)))
        chosen.append(Cell(call, *decks[is_order].pop()))
    return tuple(chosen)


def spread_out(cells: Sequence[Cell], most: int) -> tuple[Cell, ...]:
    """Return at most so many of the cells, evenly spread over all of them."""
    if len(cells) <= most:
        return tuple(cells)
    return tuple(cells[number * len(cells) // most] for number in range(most))


def select(cells: Sequence[Cell], wanted: Sequence[str]) -> tuple[Cell, ...]:
    """Return the cells of these ids, or of those whose ids begin with one of them and a dot; all when none is named."""
    return tuple(cell for cell in cells if not wanted or any(_fits(cell, name) for name in wanted))


def check_names(cells: Iterable[Cell], wanted: Sequence[str]) -> None:
    """Raise ValueError when one of these names fits no cell."""
    known = tuple(cells)
    for name in wanted:
        if not any(_fits(cell, name) for cell in known):
            raise ValueError(f"No cell is called {name}, and none begins with {name}. See --list.")


def _fits(cell: Cell, name: str) -> bool:
    return cell.id == name or cell.id.startswith(f"{name}.")
