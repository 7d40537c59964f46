"""What is taken away comes back, and everything goes on by itself: nothing is lost, doubled or wrongly revoked."""

import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import hvac
import pytest

from config.schedule import beat_schedule
from sandbox.chaos.proxy import Moment
from sandbox.chaos.wire import Message
from sandbox.exchange.records import Call, Fault, FaultRule
from sandbox.vault_access import ROLE, policy
from tests.e2e.outage_stack import BY_HAND, SCHEDULED, System, running_system, send_signal
from tests.e2e.processes import until
from worker.beat import LEAD_KEY, SENT_KEY
from worker.policy.steps import Action, Result
from worker.wiring import build_container

pytestmark = [pytest.mark.e2e, pytest.mark.servers, pytest.mark.timeout(120)]

API_CALLS = (Call.LIST, Call.DERIVE, Call.REVOKE)
MISBEHAVIOUR: dict[Fault, float | None] = {
    Fault.SLOW: 1.0,
    Fault.THROTTLE: 1.0,
    Fault.UNAVAILABLE: 1.0,
    Fault.HTML_ERROR: None,
    Fault.CUT_BEFORE: None,
    Fault.CUT_ANSWER: None,
    Fault.TRUNCATED_JSON: None,
}
BRIEF = 2.0
"""Seconds: long enough for several sweeps, and for a credential to become due."""


@pytest.fixture(scope="module")
def shared() -> Iterator[System]:
    with running_system() as system:
        yield system


@pytest.fixture
def system(shared: System) -> Iterator[System]:
    """The one system of this module; after each test nothing may be wrong with it and it must be at work."""
    yield shared
    shared.wait_for_sweeps()
    assert shared.faults() == []


def stay(seconds: float) -> None:
    """Let an outage last: there is nothing to poll for, since nothing may happen."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() >= end, seconds + 5, "the end of the outage")


# --- Redis


def test_redis_stopped_and_started_is_told_once_by_each_beat_and_everything_goes_on(system: System) -> None:
    system.stack.redis.stop()
    stay(8)
    system.stack.redis.start()
    system.wait_for_rotations()
    assert system.alerts("redis_unavailable") == {"": 2}


def test_a_rotation_by_hand_needs_no_redis(system: System) -> None:
    system.wait_until_nothing_is_left_to_revoke(BY_HAND)
    system.stack.redis.stop()
    try:
        code, answer = system.rotator("rotate", BY_HAND)
    finally:
        system.stack.redis.start()
    assert (code, answer["rotated"]) == (0, True)


def test_a_rotation_by_hand_does_not_wait_long_for_a_redis_that_hangs(system: System) -> None:
    # Of the rotation before: a revocation in hand writes the same journal, and the rotation would give way to it.
    system.wait_until_nothing_is_left_to_revoke(BY_HAND)
    with build_container(system.stack.settings) as container:
        send_signal(system.stack.redis.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            outcomes = container.engine.rotate(BY_HAND, requested=True)
            took = time.monotonic() - began
        finally:
            send_signal(system.stack.redis.pid, signal.SIGCONT)
    assert (outcomes[-1].action, outcomes[-1].result) == (Action.CLOSE, Result.DONE)
    assert took < 8


def test_redis_killed_and_restarted_empty_is_filled_again(system: System) -> None:
    system.stack.redis.kill()
    system.stack.redis.start()
    system.wait_for_sweeps()


def test_redis_emptied_is_filled_again(system: System) -> None:
    system.redis.flushall()
    system.wait_for_sweeps()


def test_redis_full_and_given_memory_again(system: System) -> None:
    system.redis.config_set("maxmemory", 1)
    stay(BRIEF)
    system.redis.config_set("maxmemory", 0)
    system.wait_for_sweeps()


def test_a_schedule_that_was_noted_before_the_clock_was_set_back_is_not_waited_for(system: System) -> None:
    late = (datetime.now(UTC) + timedelta(hours=1)).timestamp()
    system.redis.hset(SENT_KEY, mapping=dict.fromkeys(beat_schedule(system.stack.settings.schedule), str(late)))
    system.redis.delete(LEAD_KEY)  # whoever takes it reads when each sweep was sent last
    system.wait_for_sweeps()


def test_connections_to_redis_that_are_cut_are_no_outage(system: System) -> None:
    before = system.alerts("redis_unavailable")
    system.redis.client_kill_filter(_type="normal", skipme=True)
    system.wait_for_sweeps()
    assert system.alerts("redis_unavailable") == before


# --- Vault


def test_nothing_is_derived_while_vault_is_sealed_and_it_is_told_once(system: System) -> None:
    before = system.alerts("unreadable")
    system.stack.vault.seal()
    stay(1)
    since = system.seq()
    stay(7)
    derived = system.derives(since)
    system.stack.vault.unseal()
    system.wait_for_rotations()
    told = system.alerts("unreadable") - before
    assert derived == 0
    assert all(1 <= told[name] <= 2 for name in SCHEDULED), "each worker tells each credential once"


def test_a_secret_that_was_derived_while_vault_sealed_itself_is_staged_afterwards(system: System) -> None:
    known = len(system.stack.control.tokens())

    def stages_a_new_token(message: Message) -> bool:
        new = system.stack.control.tokens()[known:] if message.method == "POST" else ()
        return any(token.token_id.encode() in message.raw for token in new)

    hold = system.stack.front.trap(stages_a_new_token, Moment.BEFORE)
    until(hold.reached.is_set, 20, "a secret that is about to be staged")
    system.stack.vault.seal()
    hold.let_go()
    stay(1)
    system.stack.vault.unseal()
    token = system.stack.control.tokens()[known]
    name = (token.label or "").split("/", 1)[0]
    until(lambda: system.journal(name).record_of(token.token_id) is not None, 20, "the token in the ledger")
    record = system.journal(name).record_of(token.token_id)
    assert record is not None
    assert record.promoted_at is not None


def test_nothing_is_derived_while_vault_throttles_or_stands_by(system: System) -> None:
    system.stack.front.answer(429)
    stay(1)
    since = system.seq()
    for status in (429, 472, 473):
        system.stack.front.answer(status)
        stay(BRIEF)
    derived = system.derives(since)
    system.stack.front.answer(None)
    assert derived == 0


def test_a_credential_whose_path_is_denied_alerts_and_the_others_go_on(system: System) -> None:
    hedger = system.stack.settings.credential("hedger")
    whole = policy("worker", system.stack.settings.vault)
    denied = f'path "{hedger.mount}/data/{hedger.path}" {{ capabilities = ["deny"] }}'
    root = hvac.Client(url=system.stack.vault.addr, token=system.stack.vault.root_token.get_secret_value())
    # What a worker told of an outage before this it tells again only once it has decided about that credential since.
    system.wait_for_rotations()
    told = system.alerts("unreadable")
    try:
        root.sys.create_or_update_policy(ROLE, f"{whole}\n{denied}\n")
        before = system.promotions()
        until(lambda: system.promotions()["market-maker"] > before["market-maker"], 20, "a rotation of the other")
        until(lambda: (system.alerts("unreadable") - told)["hedger"] > 0, 20, "the denied path to be told")
        stay(BRIEF)
        stuck = system.promotions()["hedger"] - before["hedger"]
    finally:
        root.sys.create_or_update_policy(ROLE, whole)
        root.adapter.close()
    system.wait_for_rotations()
    assert stuck <= 1
    assert "denied it: could not" in "".join(system.log(name) for name in ("worker-1", "worker-2"))
    news = system.alerts("unreadable") - told
    assert set(news) == {"hedger"}
    assert news["hedger"] <= 2, "each worker tells it once"


# --- the exchange


def test_an_exchange_that_misbehaves_in_one_way_after_the_other_is_waited_for(system: System) -> None:
    for fault, seconds in MISBEHAVIOUR.items():
        system.stack.control.set_faults(
            FaultRule(fault=fault, call=call, percent=100, seconds=seconds) for call in API_CALLS
        )
        stay(BRIEF)
    system.stack.control.use_faults("none")


@pytest.mark.parametrize("age", [86_400.0, 5.0], ids=["empty", "cut short"])
def test_a_list_that_is_not_whole_revokes_nothing_wrong(system: System, age: float) -> None:
    system.stack.control.set_faults([FaultRule(fault=Fault.HIDE_NEW_TOKENS, call=Call.LIST, percent=100, seconds=age)])
    stay(BRIEF)
    system.stack.control.use_faults("none")


def test_after_all_of_that_rotations_go_on_and_no_token_is_lost(system: System) -> None:
    system.wait_for_rotations()
    until(lambda: system.orphans() == (), 30, f"the end of the orphans {system.orphans()}")
