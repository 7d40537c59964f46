"""A 404 is believed only with a list that lacks the token too, and a token that comes back is revoked again."""

from datetime import timedelta

import pytest

from tests.harness import Harness
from worker.errors import ExchangeUnavailableError
from worker.journal import RecordState
from worker.models import Severity
from worker.policy.steps import Action, Order, Reason, Result

REVOKED, REVOKING = RecordState.REVOKED, RecordState.REVOKING


@pytest.fixture
def ready() -> Harness:
    """A world whose first token may be revoked by the next sweep."""
    world = Harness()
    world.engine.rotate("mm")
    world.clock.advance(timedelta(days=7))
    world.engine.rotate("mm")
    world.clock.advance(timedelta(hours=25))
    world.use_served()
    world.clock.advance(timedelta(minutes=1))
    world.outcomes.seen.clear()
    return world


def test_a_404_does_not_end_a_token_that_the_list_still_has(ready: Harness) -> None:
    ready.exchange.deny(ready.exchange.issued[0].token_id)
    ready.engine.revoke("main")
    assert ready.states()[0][1] is REVOKING


def test_a_404_for_a_token_that_is_listed_is_told_as_a_warning(ready: Harness) -> None:
    ready.exchange.deny(ready.exchange.issued[0].token_id)
    ready.engine.revoke("main")
    told = ready.outcomes.seen[-1]
    assert (told.action, told.result, told.severity) == (Action.REVOKE, Result.HELD, Severity.WARNING)


def test_a_token_that_was_answered_404_and_is_listed_is_revoked_once_the_exchange_knows_it(ready: Harness) -> None:
    old = ready.exchange.issued[0].token_id
    ready.exchange.deny(old)
    ready.engine.revoke("main")
    ready.exchange.own(old)
    ready.engine.revoke("main")
    assert (old in ready.live(), ready.states()[0][1]) == (False, REVOKED)


def test_a_404_without_a_list_to_compare_ends_nothing(ready: Harness) -> None:
    old = ready.exchange.issued[0].token_id
    ready.exchange.before_next("revoke", lambda: ready.exchange.revoke_by_person(old))
    ready.exchange.after_next(
        "revoke", lambda: ready.exchange.fail_next("list", ExchangeUnavailableError("503 maintenance"))
    )
    ready.engine.revoke("main")
    assert ready.states()[0][1] is REVOKING


def test_a_404_and_a_list_that_was_cut_short_end_nothing(ready: Harness) -> None:
    old = ready.exchange.issued[0].token_id

    def gone_and_cut_short() -> None:
        ready.exchange.revoke_by_person(old)
        for one in ready.exchange.issued:
            ready.exchange.hide(one.token_id)

    ready.exchange.before_next("revoke", gone_and_cut_short)
    ready.engine.revoke("main")
    assert ready.states()[0][1] is REVOKING


def test_a_404_for_a_token_that_the_list_lacks_too_ends_it(ready: Harness) -> None:
    old = ready.exchange.issued[0].token_id
    ready.exchange.before_next("revoke", lambda: ready.exchange.revoke_by_person(old))
    ready.engine.revoke("main")
    assert ready.states()[0][1] is REVOKED


def test_an_ordered_revocation_that_meets_a_404_is_not_done_while_the_token_is_listed(ready: Harness) -> None:
    served = ready.served()
    assert served is not None
    ready.exchange.deny(served)
    ready.engine.ordered_by(order()).revoke_all("mm")
    assert dict(ready.states())[served] is REVOKING


def order() -> Order:
    return Order(by="ann", why="a laptop was stolen")


def came_back(world: Harness) -> str:
    """Let the first token be ended in the ledger, and be alive and listed all the same; return its id."""
    old = world.exchange.issued[0].token_id
    world.engine.revoke("main")
    assert world.states()[0][1] is REVOKED
    world.exchange.revive(old)
    world.outcomes.seen.clear()
    return old


def test_a_token_that_is_listed_after_its_entry_ended_is_revoked_again(ready: Harness) -> None:
    old = came_back(ready)
    ready.clock.advance(timedelta(hours=1))
    ready.engine.revoke("main")
    assert (old in ready.live(), ready.states()[0][1]) == (False, REVOKED)


def test_revoking_a_token_that_came_back_is_told_as_a_warning(ready: Harness) -> None:
    came_back(ready)
    ready.clock.advance(timedelta(hours=1))
    ready.engine.revoke("main")
    told = [(one.reason, one.result, one.severity) for one in ready.outcomes.seen if one.action is Action.REVOKE]
    assert told == [(Reason.LISTED_AGAIN, Result.DONE, Severity.WARNING)]


def test_the_entry_of_a_token_that_came_back_is_open_again_before_it_is_deleted(ready: Harness) -> None:
    came_back(ready)
    ready.clock.advance(timedelta(hours=1))
    states: list[RecordState] = []
    ready.exchange.before_next("revoke", lambda: states.append(ready.journal().ledger[0].state))
    ready.engine.revoke("main")
    assert states == [REVOKING]


def test_a_list_that_lags_behind_a_revocation_reopens_nothing(ready: Harness) -> None:
    came_back(ready)
    ready.clock.advance(timedelta(minutes=10))
    ready.engine.revoke("main")
    assert ready.states()[0][1] is REVOKED


def test_a_token_that_came_back_and_was_revoked_again_gets_the_lag_anew(ready: Harness) -> None:
    old = came_back(ready)
    ready.clock.advance(timedelta(hours=1))
    ready.engine.revoke("main")
    ready.exchange.revive(old)
    ready.engine.revoke("main")
    assert ready.states()[0][1] is REVOKED
