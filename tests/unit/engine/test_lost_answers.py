"""Derives whose answers are lost: the exchange's trouble, which backs off and never parks."""

from datetime import timedelta

import pytest

from tests.harness import Harness
from worker.errors import ExchangeRefusedError, ExchangeUnavailableError
from worker.journal import RecordState
from worker.models import Severity
from worker.policy.steps import Reason


@pytest.fixture
def due() -> Harness:
    """A world whose credential was rotated once and is due again."""
    world = Harness()
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(timedelta(days=7))
    world.outcomes.seen.clear()
    return world


def losing(world: Harness, *, times: int) -> None:
    """Let that many derives in a row be carried out and their answers be lost, each given up in its time."""
    for _ in range(times):
        world.exchange.lose_next("derive")
        world.engine.rotate("mm")
        world.clock.advance(timedelta(minutes=2))
        world.engine.rotate("mm")
        world.clock.advance(timedelta(hours=7))


def parked_alerts(world: Harness) -> int:
    return sum((one.reason, one.severity) == (Reason.PARKED, Severity.ERROR) for one in world.outcomes.seen)


def test_a_credential_whose_answers_are_lost_is_never_parked(due: Harness) -> None:
    losing(due, times=7)
    due.exchange.recover()
    due.engine.rotate("mm")
    assert (parked_alerts(due), due.served()) == (0, due.exchange.issued[-1].token_id)


def test_a_lost_answer_backs_off(due: Harness) -> None:
    due.exchange.lose_next("derive")
    due.engine.rotate("mm")
    due.clock.advance(timedelta(minutes=2))
    due.engine.rotate("mm")
    due.engine.rotate("mm")
    assert due.outcomes.reasons()[-1] is Reason.BACKING_OFF


def test_a_lost_answer_after_the_failure_that_parked_does_not_alert_again(due: Harness) -> None:
    for _ in range(5):
        due.exchange.fail_next("derive", ExchangeRefusedError("403", status=403))
        due.engine.rotate("mm", requested=True)
    due.exchange.lose_next("derive")
    due.engine.rotate("mm", requested=True)
    due.clock.advance(timedelta(minutes=2))
    due.engine.rotate("mm")
    assert (due.journal().intent, parked_alerts(due)) == (None, 1)


def test_an_attempt_that_was_throttled_after_the_failure_that_parked_does_not_alert_again(due: Harness) -> None:
    for _ in range(5):
        due.exchange.fail_next("derive", ExchangeRefusedError("403", status=403))
        due.engine.rotate("mm", requested=True)
    due.exchange.fail_next("derive", ExchangeUnavailableError("429"))
    due.engine.rotate("mm", requested=True)
    assert parked_alerts(due) == 1


def test_lost_tokens_do_not_pile_up_while_services_are_rejected(due: Harness) -> None:
    served = due.served() or ""
    due.exchange.revoke_by_person(served)
    for _ in range(2):
        due.engine.revoke("main")
        due.clock.advance(timedelta(minutes=1))
    for _ in range(120):
        due.exchange.lose_next("derive")
        due.engine.rotate("mm")
        due.clock.advance(timedelta(minutes=1))
    lost = [one for one in due.journal().ledger if one.state is RecordState.ABANDONED]
    assert 5 <= len(lost) <= 15
