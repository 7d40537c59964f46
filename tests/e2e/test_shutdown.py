"""A worker told to end finishes the step in hand and no other; the next one goes on. Wrong clocks change nothing."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from sandbox.exchange.records import Call, Fault, TokenEntry
from sandbox.processes import Child
from tests.e2e.outage_stack import SCHEDULED, System, running_system
from tests.e2e.processes import until

pytestmark = [pytest.mark.e2e, pytest.mark.servers, pytest.mark.timeout(120)]

STEP_SECONDS = 12.0
"""Within this time a worker ends: a derive (a third of its deadline), the staging of what it got, and some."""

SKEW = timedelta(seconds=60)


@pytest.fixture(scope="module")
def shared() -> Iterator[System]:
    with running_system(workers=1, beats=1) as system:
        yield system


@pytest.fixture
def system(shared: System) -> Iterator[System]:
    """The one system of this module, at work; after each test nothing may be wrong with it."""
    if not _workers(shared):
        shared.stack.start_worker(1)
    shared.wait_for_sweeps(1)
    shared.remember_processes()
    yield shared
    shared.stack.control.use_faults("none")


def _workers(system: System) -> list[Child]:
    return [one for one in system.stack.children if one.name == "worker-1" and one.exit_code is None]


def end_worker(system: System) -> float:
    """Tell the worker to end, and return how long that took; it must end well."""
    (worker,) = _workers(system)
    began = time.monotonic()
    worker.terminate()
    until(lambda: worker.exit_code is not None, STEP_SECONDS * 2, f"the end of the worker:\n{system.log('worker-1')}")
    took = time.monotonic() - began
    assert worker.exit_code == 0
    system.stack.stop_workers()
    return took


def next_derive(system: System, *faults: Fault, seconds: float = 0.0) -> TokenEntry:
    """Let the faults befall the next derives; return the first one's token as soon as the exchange has made it."""
    known = len(system.stack.control.tokens())
    for fault in faults:
        # Two, because two credentials may be due together.
        count, amount = (2, seconds) if fault is Fault.SLOW else (1, None)
        system.stack.control.next_calls(Call.DERIVE, fault, count=count, seconds=amount)
    until(lambda: len(system.stack.control.tokens()) > known, 20, "a derive")
    return system.stack.control.tokens()[known]


def credential_of(token: TokenEntry) -> str:
    return (token.label or "").split("/", 1)[0]


def is_promoted(system: System, token: TokenEntry) -> bool:
    record = system.journal(credential_of(token)).record_of(token.token_id)
    return record is not None and record.promoted_at is not None


def test_an_idle_worker_ends_at_once(system: System) -> None:
    assert end_worker(system) < STEP_SECONDS


def test_a_derive_in_hand_is_staged_and_the_next_worker_serves_that_token(system: System) -> None:
    token = next_derive(system, Fault.SLOW, seconds=1.5)
    took = end_worker(system)
    intent = system.journal(credential_of(token)).intent
    assert intent is not None
    assert intent.token is not None
    assert intent.token.token_id == token.token_id, "the step in hand was finished"
    assert took < STEP_SECONDS
    system.stack.start_worker(1)
    until(lambda: is_promoted(system, token), 20, "that very token at the consumers' path")
    system.remember_processes()
    assert system.faults() == []


def test_a_derive_whose_answer_was_lost_while_the_worker_ended_leaves_no_orphan(system: System) -> None:
    token = next_derive(system, Fault.LOSE_ANSWER, Fault.SLOW, seconds=1.0)
    end_worker(system)
    system.stack.start_worker(1)
    until(lambda: not _entry(system, token).live, 30, "the end of the token that nobody has the secret of")
    system.wait_for_rotations()
    system.remember_processes()
    assert system.faults() == []


def test_a_secret_in_hand_is_staged_when_vault_is_back_although_the_worker_is_to_end(system: System) -> None:
    token = next_derive(system, Fault.SLOW, seconds=1.5)
    system.stack.vault.seal()
    (worker,) = _workers(system)
    worker.terminate()
    sealed_until = time.monotonic() + 2.5
    until(lambda: time.monotonic() > sealed_until, 10, "the end of the outage")
    still_there = worker.exit_code is None
    system.stack.vault.unseal()
    end_worker(system)
    intent = system.journal(credential_of(token)).intent
    assert still_there, "it held the only copy of the secret"
    assert intent is not None
    assert intent.token is not None
    assert intent.token.token_id == token.token_id


def test_a_worker_that_waits_for_redis_ends_all_the_same(system: System) -> None:
    system.stack.redis.stop()
    try:
        until(lambda: "queue_unreachable" in system.log("worker-1"), 20, "the worker that notices")
        took = end_worker(system)
    finally:
        system.stack.redis.start()
    assert took < STEP_SECONDS


def test_clocks_that_are_a_minute_apart_derive_and_revoke_nothing_and_refuse_no_token(system: System) -> None:
    system.stack.stop_trader()  # its own signatures would be refused: its clock is as wrong as the worker's
    control = system.stack.control
    # While clocks differ nothing is derived, so they come apart while the answer of a derive is on its way.
    token = next_derive(system, Fault.SLOW, seconds=1.5)
    control.shift_clock(SKEW)
    since = system.seq()
    until(lambda: '"reason": "clocks_differ"' in system.log("worker-1"), 20, "the difference to be told")
    until(lambda: "the clock of this machine is" in system.log("worker-1").lower(), 20, "the reason of the 401")
    again = system.seq()
    until(lambda: system.sweeps(again) >= 5, 20, "further sweeps")
    revoked = control.requests(after=since, call=Call.REVOKE)
    derived = control.requests(after=again, call=Call.DERIVE)
    intent = system.journal(credential_of(token)).intent
    control.shift_clock(timedelta(0))
    assert (revoked, derived) == ((), ())
    assert intent is not None
    assert intent.token is not None
    assert intent.token.token_id == token.token_id, "a 401 by skew says nothing about the token"
    assert system.alerts("clocks_differ") == {"": 1}
    until(lambda: is_promoted(system, token), 20, "that very token at the consumers' path")
    system.wait_for_rotations()
    until(lambda: any(one.revoked_at for one in control.tokens()[-6:]), 30, "revocations to go on")
    assert all(system.journal(name).failures.count == 0 for name in SCHEDULED)


def _entry(system: System, token: TokenEntry) -> TokenEntry:
    return next(one for one in system.stack.control.tokens() if one.token_id == token.token_id)
