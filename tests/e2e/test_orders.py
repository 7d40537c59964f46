"""A person's orders at a running system: the command line beside workers that sweep, real servers, a trader at work."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.inspection import Holding
from sandbox.trader_status import Counts
from tests.e2e.outage_stack import BY_HAND, RESUME_SECONDS, System, running_system
from tests.e2e.processes import until

pytestmark = [pytest.mark.e2e, pytest.mark.servers, pytest.mark.timeout(120)]

CONFIG = Path(__file__).parent / "orders.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen after one order, and the exit code of its command."""

    code: int
    current: str | None
    live: frozenset[str]
    holding: Holding
    trader: Counts


def live(system: System) -> frozenset[str]:
    tokens = system.stack.control.tokens()
    return frozenset(one.token_id for one in tokens if one.live and (one.label or "").startswith(f"{BY_HAND}/"))


def current(system: System) -> str | None:
    record = system.journal(BY_HAND).current
    return record.token_id if record else None


def trader(system: System) -> Counts:
    return system.stack.trader_status().credentials[BY_HAND]


def reads(system: System, token_id: str | None) -> bool:
    """Whether the trader was given that token and has traded with it."""
    counts = trader(system)
    return counts.token_id == token_id and counts.accepted > 0


def seen(system: System, code: int) -> Seen:
    return Seen(
        code=code,
        current=current(system),
        live=live(system),
        holding=system.inspector.holdings()[BY_HAND],
        trader=trader(system),
    )


def ordered(system: System, *argv: str) -> Seen:
    """Give the order, let sweeps follow and the trader read what is served; return what is there then."""
    code, _ = system.rotator(*argv, "--reason", "drill")
    system.wait_for_sweeps(3)
    if argv[0] != "retire":
        until(lambda: current(system) is not None, RESUME_SECONDS, "a current token")
    served = current(system)
    if served is not None:
        until(lambda: reads(system, served), RESUME_SECONDS, "the trader with what is served")
    return seen(system, code)


@pytest.fixture(scope="module")
def story() -> Iterator[dict[str, Seen]]:
    with running_system(workers=1, beats=1, config=CONFIG) as system:
        told = {"before": seen(system, 0)}
        told["rotate"] = ordered(system, "rotate", BY_HAND)
        told["rollback"] = ordered(system, "rollback", BY_HAND)
        told["compromised"] = ordered(system, "rotate", BY_HAND, "--compromised", "--yes")
        told["revoke all"] = ordered(system, "revoke", BY_HAND, "--all", "--yes")
        told["retire"] = ordered(system, "retire", BY_HAND, "--yes")
        told["retire again"] = ordered(system, "retire", BY_HAND, "--yes")
        yield told


@pytest.mark.parametrize("order", ["rotate", "rollback", "compromised", "revoke all", "retire"])
def test_the_order_is_carried_out(story: dict[str, Seen], order: str) -> None:
    assert story[order].code == 0


def test_a_rollback_serves_the_predecessor_again(story: dict[str, Seen]) -> None:
    assert story["rollback"].current == story["before"].current


def test_nobody_is_rejected_by_a_rotation_or_a_rollback(story: dict[str, Seen]) -> None:
    assert story["rollback"].trader.rejected == 0


def test_after_an_emergency_only_a_new_token_lives(story: dict[str, Seen]) -> None:
    assert story["compromised"].live == {story["compromised"].current}
    assert not story["compromised"].live & (story["rotate"].live | story["rollback"].live)


def test_who_reads_the_new_token_of_an_emergency_is_not_rejected(story: dict[str, Seen]) -> None:
    rejection = story["compromised"].trader.last_rejection
    assert rejection is None or rejection.token_id != story["compromised"].current


def test_after_everything_was_revoked_sweeps_have_issued_one_new_token(story: dict[str, Seen]) -> None:
    assert story["revoke all"].live == {story["revoke all"].current}
    assert not story["revoke all"].live & story["compromised"].live


def test_a_retired_credential_has_no_token_and_gets_none(story: dict[str, Seen]) -> None:
    assert (story["retire"].live, story["retire again"].live) == (frozenset(), frozenset())


def test_vault_holds_nothing_of_a_retired_credential_but_its_ledger(story: dict[str, Seen]) -> None:
    texts = story["retire"].holding.texts
    assert [text for text in texts if '"secret":' in text] == []
    assert len(texts) == 2  # the journal and the tombstone
    assert story["retire"].holding.promotions > 0


def test_retiring_what_is_retired_is_done_already(story: dict[str, Seen]) -> None:
    assert story["retire again"].code == 0
