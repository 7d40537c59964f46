"""The list before an intent is judged as a sweep judges its own: one that shrank lets no derive through."""

from datetime import timedelta

import pytest

from tests.harness import ACCOUNT, Harness
from tests.scenes import ORDER, behind
from worker.account_ledger import AccountLedger
from worker.errors import VaultUnavailableError
from worker.policy.steps import Reason, Result

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def rotated(*names: str) -> Harness:
    """Return a world in which every credential was rotated once, is in use and due, and a sweep has read the list."""
    world = Harness(*names)
    for one in world.settings.credentials:
        world.engine.rotate(one.name)
        world.use_served(one.name)
    world.clock.advance(7 * DAY)
    world.engine.revoke(ACCOUNT)
    world.outcomes.seen.clear()
    return world


def hide_all(world: Harness) -> None:
    for token in world.exchange.live:
        world.exchange.hide(token.token_id)


def derives(world: Harness) -> int:
    return len(world.exchange.calls("derive"))


def test_an_empty_list_lets_no_derive_through_before_any_sweep_has_seen_it_shrink() -> None:
    world = rotated("mm")
    hide_all(world)
    world.engine.rotate("mm")
    held = [(one.result, one.reason, one.credential) for one in world.outcomes.seen]
    assert (held, derives(world)) == ([(Result.HELD, Reason.LIST_SHRANK, "mm")], 1)


def forget_the_account(world: Harness) -> None:
    """Leave an account document that was restored from before the first list."""
    version, _ = world.vault.accounts.read(ACCOUNT)
    world.vault.accounts.write(AccountLedger(account=ACCOUNT), cas=version)


@pytest.mark.parametrize("swept", [False, True])
def test_an_empty_list_lets_no_derive_through_although_the_last_believed_list_was_forgotten(swept: bool) -> None:  # noqa: FBT001 - by name
    world = rotated("mm")
    forget_the_account(world)
    hide_all(world)
    if swept:
        world.engine.revoke(ACCOUNT)
    world.engine.rotate("mm")
    assert (world.outcomes.reasons()[-1], derives(world)) == (Reason.LIST_SHRANK, 1)


def test_a_credential_that_is_new_waits_for_the_first_list_too_when_it_lacks_what_another_one_serves() -> None:
    world = Harness("mm", "hedger")
    world.engine.rotate("mm")
    world.clock.advance(DAY)
    hide_all(world)
    world.engine.rotate("hedger")
    assert (world.outcomes.reasons()[-1], derives(world)) == (Reason.LIST_SHRANK, 1)


def test_a_first_list_that_lacks_what_was_promoted_a_moment_ago_holds_nothing_back() -> None:
    world = Harness("mm", "hedger")
    world.engine.rotate("mm")
    hide_all(world)
    world.engine.rotate("hedger")
    assert derives(world) == 2


def test_an_empty_list_leaves_no_intent_behind() -> None:
    world = rotated("mm")
    before = world.journal()
    hide_all(world)
    world.engine.rotate("mm")
    assert world.journal() == before


def test_a_request_does_not_get_past_an_empty_list_either() -> None:
    world = rotated("mm")
    hide_all(world)
    world.engine.rotate("mm", requested=True)
    assert (world.outcomes.reasons(), derives(world)) == ([Reason.LIST_SHRANK], 1)


def test_a_list_that_lacks_the_current_tokens_of_two_other_credentials_lets_no_derive_through() -> None:
    world = rotated("mm", "hedger", "reporting", "maker", "taker", "archive")
    for other in ("hedger", "reporting"):
        world.exchange.hide(world.served(other) or "")
    world.engine.rotate("mm")
    assert (world.outcomes.reasons(), derives(world)) == ([Reason.LIST_SHRANK], 6)


def test_what_a_sweep_revoked_of_another_credential_holds_no_rotation_back() -> None:
    world = rotated("mm", "hedger")
    world.engine.rotate("hedger")
    for _ in range(8):
        world.use_served("hedger")
        world.clock.advance(12 * timedelta(hours=1))
        if len(world.live()) == 3:
            world.engine.revoke(ACCOUNT)
    assert len(world.live()) == 2  # and no list was read since
    world.outcomes.seen.clear()
    world.engine.rotate("mm")
    assert (Reason.PERIOD_REACHED in world.outcomes.reasons(), derives(world)) == (True, 4)


def test_a_revocation_by_order_holds_no_rotation_of_another_credential_back() -> None:
    world = rotated("mm", "hedger", "reporting")
    for other in ("hedger", "reporting"):
        world.engine.ordered_by(ORDER).revoke_all(other)
    world.engine.rotate("mm")
    assert derives(world) == 4


def test_a_list_that_lacks_little_holds_no_rotation_back() -> None:
    world = rotated("mm", "hedger", "reporting")
    world.exchange.hide(world.served("hedger") or "")
    world.engine.rotate("mm")
    assert derives(world) == 4


def test_when_another_journal_cannot_be_read_a_list_that_shrank_lets_no_derive_through() -> None:
    world = rotated("mm", "hedger")
    world.engine.rotate("hedger")
    world.engine.revoke(ACCOUNT)
    world.engine.ordered_by(ORDER).revoke_all("hedger")
    world.vault.on_call = lambda call: _seal() if call.location == world.location("hedger") else None
    world.engine.rotate("mm")
    assert (world.outcomes.reasons()[-1], derives(world)) == (Reason.LIST_SHRANK, 3)


def _seal() -> None:
    raise VaultUnavailableError("sealed")


def test_an_emergency_does_not_wait_for_a_list_that_shrank() -> None:
    world = rotated("mm")
    hide_all(world)
    world.engine.ordered_by(ORDER).emergency("mm")
    assert world.served() == world.exchange.issued[-1].token_id != world.exchange.issued[0].token_id


def test_a_token_that_was_revoked_by_order_is_replaced_although_the_list_is_empty() -> None:
    world = rotated("mm", "hedger")
    world.engine.ordered_by(ORDER).revoke_all("mm")
    hide_all(world)
    world.engine.rotate("mm")
    assert world.served() == world.exchange.issued[-1].token_id


@pytest.mark.parametrize("waited", [timedelta(0), 2 * MINUTE], ids=str)
def test_a_reclaim_that_is_refused_because_the_list_shrank_says_for_how_long_and_what_to_do(waited: timedelta) -> None:
    world = behind()
    for number in range(10):
        world.exchange.issue_by_person(f"other {number}")
    world.engine.revoke(ACCOUNT)
    for one in world.exchange.live:
        if one.token_id != world.served():
            world.exchange.hide(one.token_id)
    world.engine.revoke(ACCOUNT)
    world.clock.advance(waited)
    (refused,) = world.engine.ordered_by(ORDER).adopt("mm", reclaim=True)
    left = "5 min" if not waited else "3 min"
    assert (refused.reason, f"for another {left}" in refused.sentence, "rotator trust main" in refused.sentence) == (
        Reason.LIST_SHRANK,
        True,
        True,
    )
