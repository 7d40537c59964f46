"""What is gathered: journal and path of one moment, although they are read one after the other."""

from datetime import timedelta

import pytest

from tests.fakes.vault import Call
from tests.harness import Harness
from worker.errors import VaultRefusedError
from worker.models import PathContent
from worker.policy.safety import account_hold, hands_off
from worker.policy.steps import Order, Reason
from worker.snapshot import Gatherer

ORDER = Order(by="kim")


def gatherer(world: Harness) -> Gatherer:
    return Gatherer(
        settings=world.settings,
        exchanges={"main": world.exchange},
        consumers=world.vault.consumers,
        journals=world.vault.journals,
        accounts=world.vault.accounts,
        clock=world.clock,
    )


def rotated() -> Harness:
    world = Harness()
    world.engine.rotate("mm")
    world.clock.advance(timedelta(days=7))
    return world


@pytest.mark.parametrize("act", ["rotate", "retire"])
def test_what_changes_between_the_two_reads_is_read_again(act: str) -> None:
    world = rotated()

    def change_once(call: Call) -> None:
        if (call.port, call.method, call.moment) == ("consumers", "read", "before"):
            world.vault.on_call = None
            world.engine.rotate("mm") if act == "rotate" else world.engine.ordered_by(ORDER).retire("mm")

    world.vault.on_call = change_once
    assert hands_off(gatherer(world).credential("mm")) is None


def test_what_another_hand_wrote_is_told_as_it_is() -> None:
    world = rotated()
    world.vault.put_foreign(world.location())
    facts = gatherer(world).credential("mm")
    hold = hands_off(facts)
    assert hold is not None
    assert (hold.reason, facts.path and facts.path.content) == (Reason.DRIFTED, PathContent.FOREIGN)


def test_an_unknown_clock_of_vault_tells_why_and_what_to_do() -> None:
    world = rotated()

    def distrust(call: Call) -> None:
        if call.method == "server_time":
            raise VaultRefusedError("Its certificate is not trusted. Let VAULT_CACERT name its authority.")

    world.vault.on_call = distrust
    hold = account_hold(gatherer(world).account("main"), timedelta(seconds=30))

    assert hold is not None
    assert hold.reason is Reason.TIME_UNKNOWN
    assert "Let VAULT_CACERT name its authority." in hold.sentence


def test_an_unknown_clock_of_the_exchange_tells_why_and_what_to_do() -> None:
    world = rotated()
    world.exchange.show_date = False
    hold = account_hold(gatherer(world).account("main"), timedelta(seconds=30))

    assert hold is not None
    assert "Date header" in hold.sentence
