"""Revocation and flags on fakes: their order, and what becomes of them when something fails."""

from datetime import timedelta

import pytest

from tests.fakes.vault import Call
from tests.harness import Harness
from worker.errors import ExchangeUnavailableError, VaultUnavailableError
from worker.journal import RecordState
from worker.models import Severity
from worker.policy.steps import Action, Reason, Result

REVOKED, REVOKING, SUPERSEDED, CURRENT = (
    RecordState.REVOKED,
    RecordState.REVOKING,
    RecordState.SUPERSEDED,
    RecordState.CURRENT,
)


@pytest.fixture
def ready() -> Harness:
    """A world whose first token is superseded, past its grace, quiet, and whose successor is in use."""
    world = Harness()
    world.engine.rotate("mm")
    world.clock.advance(timedelta(days=6))
    world.use_served()
    world.clock.advance(timedelta(days=1))
    world.engine.rotate("mm")
    world.clock.advance(timedelta(hours=25))
    world.use_served()
    world.clock.advance(timedelta(minutes=1))
    world.outcomes.seen.clear()
    return world


def test_a_superseded_token_is_revoked_and_its_secret_destroyed(ready: Harness) -> None:
    old, new = ready.exchange.issued
    ready.engine.revoke("main")
    assert (ready.live(), ready.states()) == ({new.token_id}, [(old.token_id, REVOKED), (new.token_id, CURRENT)])
    assert old.secret.get_secret_value() not in str([one.data for one in ready.vault.versions(ready.location())])


def test_revoking_again_does_nothing(ready: Harness) -> None:
    ready.engine.revoke("main")
    before = ready.journal()
    ready.engine.revoke("main")
    assert ready.journal() == before


def test_a_token_that_could_not_be_used_during_an_outage_is_not_revoked_right_after_it(ready: Harness) -> None:
    old = ready.exchange.issued[0]
    ready.exchange.use(old.token_id)  # by a reader of old versions, just before the exchange goes away
    ready.exchange.fail_next("list", ExchangeUnavailableError("503 maintenance"), count=4)
    for _ in range(4):
        ready.clock.advance(timedelta(minutes=30))
        ready.engine.revoke("main")
    ready.engine.revoke("main")
    assert old.token_id in ready.live()


def test_the_token_is_marked_in_the_journal_before_it_is_deleted(ready: Harness) -> None:
    states: list[RecordState] = []
    ready.exchange.before_next("revoke", lambda: states.append(ready.journal().ledger[0].state))
    ready.engine.revoke("main")
    assert states == [REVOKING]


def test_a_delete_that_fails_is_tried_again_by_the_next_sweep(ready: Harness) -> None:
    ready.exchange.fail_next("revoke", ExchangeUnavailableError("503"))
    ready.engine.revoke("main")
    failed = ready.states()[0][1]
    ready.engine.revoke("main")
    assert (failed, ready.states()[0][1]) == (REVOKING, REVOKED)


def test_a_delete_whose_answer_was_lost_ends_with_the_next_one(ready: Harness) -> None:
    ready.exchange.lose_next("revoke", ExchangeUnavailableError("connection reset"))
    ready.engine.revoke("main")
    ready.engine.revoke("main")
    assert ready.states()[0][1] is REVOKED


def test_a_journal_that_changed_after_the_decision_stops_the_revocation(ready: Harness) -> None:
    old = ready.exchange.issued[0].token_id

    def rotated_meanwhile(call: Call) -> None:
        if (call.port, call.method, call.moment) == ("journals", "write", "before"):
            ready.vault.on_call = None
            ready.new_engine().rotate("mm", requested=True)

    ready.vault.on_call = rotated_meanwhile
    ready.engine.revoke("main")
    assert old in ready.live()


def test_a_secret_that_could_not_be_destroyed_is_destroyed_by_the_next_sweep(ready: Harness) -> None:
    old = ready.exchange.issued[0]
    ready.vault.fail_next(VaultUnavailableError("sealed"), method="destroy_secret")
    ready.engine.revoke("main")
    ready.engine.revoke("main")
    assert ready.journal().ledger[0].secret_destroyed
    assert old.secret.get_secret_value() not in str([one.data for one in ready.vault.versions(ready.location())])


def test_the_last_use_by_services_is_kept_when_the_token_goes(ready: Harness) -> None:
    used = ready.exchange.issued[0].last_used_at
    ready.engine.revoke("main")
    assert ready.journal().ledger[0].last_used_by_others == used


def test_nothing_is_revoked_when_the_list_can_not_be_read(ready: Harness) -> None:
    ready.exchange.fail_next("list", ExchangeUnavailableError("503"))
    ready.engine.revoke("main")
    assert (len(ready.live()), ready.outcomes.reasons()) == (2, [Reason.UNREADABLE])


def test_an_unreadable_credential_does_not_stop_anothers_revocation() -> None:
    world = Harness("mm", "taker")
    for name in ("mm", "taker"):
        world.engine.rotate(name)
        world.clock.advance(timedelta(days=7))
        world.engine.rotate(name)
    world.clock.advance(timedelta(days=4))
    world.vault.fail_next(VaultUnavailableError("sealed"), port="journals", method="read")
    world.engine.revoke("main")
    assert [state for _, state in world.states("taker")] == [REVOKED, CURRENT]


def test_an_unused_credential_is_flagged_once_with_a_warning() -> None:
    world = Harness()
    world.engine.rotate("mm")
    world.clock.advance(timedelta(days=3))
    for _ in range(3):
        world.engine.flag("main")
    flags = [one for one in world.outcomes.seen if one.action is Action.FLAG]
    assert [(one.reason, one.severity, one.result) for one in flags] == [(Reason.UNUSED, Severity.WARNING, Result.DONE)]


def test_a_flag_ends_when_a_service_uses_the_credential() -> None:
    world = Harness()
    world.engine.rotate("mm")
    world.clock.advance(timedelta(days=3))
    world.engine.flag("main")
    world.use_served()
    world.engine.flag("main")
    assert (world.outcomes.reasons()[-1], world.vault.accounts.read("main").ledger.flags) == (Reason.USED_AGAIN, ())


def test_a_flag_never_writes_a_journal_whose_rotation_is_under_way() -> None:
    world = Harness()
    world.engine.rotate("mm")
    world.clock.advance(timedelta(days=8))

    def flag_meanwhile() -> None:
        world.new_engine().flag("main")

    world.exchange.after_next("derive", flag_meanwhile)
    world.engine.rotate("mm")
    assert world.served() == world.exchange.issued[-1].token_id
