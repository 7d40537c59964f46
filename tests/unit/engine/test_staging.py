"""A secret on its way into the journal: whoever overtakes its maker, only a token that nobody can know is revoked."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from config.schema import Policy
from tests.fakes.vault import Call
from tests.harness import Harness
from worker.errors import AuthenticationRefusedError, VaultUnavailableError
from worker.journal import Journal, RecordState
from worker.policy.steps import Reason, Result


@pytest.fixture
def due() -> Harness:
    """A world whose credential was rotated once and is due again."""
    world = Harness()
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(timedelta(days=7))
    world.outcomes.seen.clear()
    return world


def before_staging(world: Harness, *acts: Callable[[], object]) -> None:
    """Let these things happen, one before each try to write the derived secret to the journal."""
    left = list(acts)

    def hook(call: Call) -> None:
        staging = len(world.exchange.calls("derive")) > 1
        if staging and left and (call.port, call.method, call.moment) == ("journals", "write", "before"):
            left.pop(0)()

    world.vault.on_call = hook


def the_answer_is_lost(world: Harness) -> None:
    """The write lands; neither its answer nor the reading back comes through."""
    world.vault.lose_next_answer(landed=True, readback=False)


def another_rotates(world: Harness) -> None:
    world.new_engine().rotate("mm")


def restore(world: Harness, journal: Journal) -> None:
    now = world.vault.journals.read(world.location())
    assert now is not None
    world.vault.journals.write(world.location(), journal, cas=now.version)


def test_a_token_that_others_promoted_and_closed_while_its_maker_was_cut_off_is_not_revoked(due: Harness) -> None:
    before_staging(due, lambda: the_answer_is_lost(due), lambda: another_rotates(due))
    due.engine.rotate("mm")
    assert due.served() == due.exchange.issued[-1].token_id
    assert due.served() in due.live()


def test_a_token_that_was_superseded_while_its_maker_was_cut_off_is_not_revoked(due: Harness) -> None:
    def rotated_twice() -> None:
        another_rotates(due)
        due.new_engine().rotate("mm", requested=True)

    before_staging(due, lambda: the_answer_is_lost(due), rotated_twice)
    due.engine.rotate("mm")
    assert due.exchange.issued[1].token_id in due.live()


def test_a_maker_that_finds_its_token_in_the_journal_stops_without_an_alert(due: Harness) -> None:
    before_staging(due, lambda: the_answer_is_lost(due), lambda: another_rotates(due))
    outcomes = due.engine.rotate("mm")
    assert (outcomes[-1].result, outcomes[-1].reason) == (Result.HELD, Reason.SUPERSEDED_BY_OTHER)


def test_a_token_whose_attempt_was_abandoned_before_it_was_staged_is_revoked_by_its_maker(due: Harness) -> None:
    def abandoned() -> None:
        due.clock.advance(timedelta(minutes=3))
        another_rotates(due)

    before_staging(due, abandoned)
    due.engine.rotate("mm")
    assert due.live() == {due.served()}


def test_a_token_of_which_a_restored_journal_knows_not_even_the_label_is_left_to_people(due: Harness) -> None:
    old = due.journal()
    before_staging(due, lambda: restore(due, old))
    due.engine.rotate("mm")
    assert due.exchange.issued[-1].token_id in due.live()


def test_a_token_that_is_served_is_not_revoked_even_when_a_restored_journal_has_abandoned_it(due: Harness) -> None:
    def promoted_and_restored() -> None:
        opened = due.journal()
        assert opened.intent is not None
        another_rotates(due)
        assert due.served() == due.exchange.issued[-1].token_id
        restore(due, _without_its_token(opened))
        due.clock.advance(timedelta(minutes=3))
        another_rotates(due)

    before_staging(due, lambda: the_answer_is_lost(due), promoted_and_restored)
    due.engine.rotate("mm")
    assert due.exchange.issued[1].token_id in due.live()


def _without_its_token(staged: Journal) -> Journal:
    """Return the journal as a backup has it that was made just before the secret was staged."""
    assert staged.intent is not None
    return staged.model_copy(update={"intent": staged.intent.model_copy(update={"token": None, "windows": ()})})


def test_a_token_is_left_alone_when_the_journal_cannot_be_read_again(due: Harness) -> None:
    def overtaken() -> None:
        due.clock.advance(timedelta(minutes=3))
        another_rotates(due)
        due.vault.fail_next(VaultUnavailableError("sealed"), port="journals", method="read")

    before_staging(due, overtaken)
    due.engine.rotate("mm")
    assert due.exchange.issued[1].token_id in due.live()


def test_a_token_is_left_alone_when_the_path_cannot_be_read(due: Harness) -> None:
    def overtaken() -> None:
        due.clock.advance(timedelta(minutes=3))
        another_rotates(due)
        due.vault.fail_next(VaultUnavailableError("sealed"), port="consumers")

    before_staging(due, overtaken)
    due.engine.rotate("mm")
    assert due.exchange.issued[1].token_id in due.live()


def test_a_token_whose_record_was_abandoned_with_its_id_is_left_to_the_sweep(due: Harness) -> None:
    def refused_by_another() -> None:
        due.exchange.break_token(due.exchange.issued[-1].token_id)
        another_rotates(due)
        assert due.states()[-1] == (due.exchange.issued[-1].token_id, RecordState.ABANDONED)

    before_staging(due, lambda: the_answer_is_lost(due), refused_by_another)
    due.engine.rotate("mm")
    assert not due.exchange.calls("revoke")


# --- how long it takes ----------------------------------------------------------------------------------------------

VAULT_CALL, LIST, SIGNED = timedelta(seconds=5), timedelta(seconds=30), timedelta(seconds=10)
"""What a call takes at most: to Vault, the account's list with its repetitions, and one that a new token signs."""


def test_staging_is_given_up_before_anybody_may_abandon_the_attempt(due: Harness) -> None:
    opened: list[timedelta] = []

    def away(call: Call) -> None:
        if (call.port, call.method, call.moment) != ("journals", "write", "before"):
            return
        intent = due.vault.peek(due.location())
        if intent is not None and intent.intent is not None:
            opened.append(due.clock.now() - intent.intent.opened_at)
            raise VaultUnavailableError("sealed")

    due.hooked.hook = lambda moment: due.clock.advance(LIST) if moment == "before list_tokens" else None
    due.exchange.before_next("derive", lambda: due.clock.advance(due.policy.derive_deadline / 3))
    due.vault.on_call = away
    due.engine.rotate("mm")
    assert due.policy.derive_deadline * 0.9 < opened[-1] < due.policy.derive_deadline


def test_a_lease_outlasts_the_slowest_run(due: Harness) -> None:
    began = due.clock.monotonic()

    def slow(moment: str) -> None:
        takes = {"before list_tokens": LIST, "before list_tokens_as": SIGNED}
        takes["before derive_token"] = due.policy.derive_deadline / 3
        due.clock.advance(takes.get(moment, timedelta()))

    def slow_vault(call: Call) -> None:
        if call.moment == "before":
            due.clock.advance(VAULT_CALL)
            if call.method == "write" and 0 < due.clock.monotonic() - derived[0] < _STAGING.total_seconds():
                raise VaultUnavailableError("sealed")

    derived = [float("inf")]
    due.exchange.after_next("derive", lambda: derived.__setitem__(0, due.clock.monotonic()))
    due.exchange.fail_next("list_as", AuthenticationRefusedError("401", status=401), count=2)
    due.hooked.hook, due.vault.on_call = slow, slow_vault
    due.engine.rotate("mm")
    took = timedelta(seconds=due.clock.monotonic() - began)
    assert due.served() == due.exchange.issued[-1].token_id
    assert took > due.policy.derive_deadline
    assert due.leases.asked["rotate:mm"] >= took


_STAGING = timedelta(seconds=60)
"""For how long Vault is away when the secret is to be staged: with the derive almost all of `derive_deadline`."""


@pytest.mark.parametrize("minutes", [1, 2, 10])
def test_the_lease_grows_with_the_deadlines(minutes: int) -> None:
    policy = Policy(derive_deadline=timedelta(minutes=minutes), verify_deadline=timedelta(seconds=90))
    world = Harness(policy=policy)
    world.engine.rotate("mm")
    assert world.leases.asked["rotate:mm"] >= policy.derive_deadline + policy.verify_deadline + LIST
