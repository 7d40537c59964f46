"""A superseded token at another credential's path: put there by a mistake, or by who can write just that path."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from tests.fakes.exchange import IssuedToken
from tests.fakes.vault import Call
from tests.harness import ACCOUNT, Harness
from tests.scenes import ORDER
from worker.errors import ExchangeUnavailableError, VaultForbiddenError, VaultUnavailableError
from worker.models import Severity
from worker.policy.steps import Outcome, Reason
from worker.reporting import fingerprint

WRONG = SecretStr("d3Jvbmc=")
BOTH = ("credential mm", "trading/limitless/mm", "credential hedge", "trading/limitless/hedge")


@pytest.fixture
def world() -> Harness:
    """A world in which mm's first token is past its grace, quiet, and replaced in every reader."""
    world = Harness("mm", "hedge")
    for name in ("mm", "hedge"):
        world.engine.rotate(name)
    world.clock.advance(timedelta(days=7))
    world.engine.rotate("mm")
    world.clock.advance(timedelta(hours=25))
    for name in ("mm", "hedge"):
        world.use_served(name)
    world.clock.advance(timedelta(minutes=1))
    world.outcomes.seen.clear()
    return world


def old(world: Harness) -> IssuedToken:
    return world.exchange.issued[0]


def copy(world: Harness, secret: SecretStr | None = None) -> None:
    """Put mm's first token at hedge's path, with its own secret or with another one."""
    token = old(world)
    data = {"token_id": token.token_id, "secret": (secret or token.secret).get_secret_value()}
    world.vault.put_foreign(world.location("hedge"), data)


def alerts(world: Harness) -> list[Outcome]:
    return [one for one in world.outcomes.seen if one.reason is Reason.SERVED_ELSEWHERE and one.severity != "info"]


def is_alive(world: Harness) -> bool:
    return old(world).token_id in world.live()


def forget_our_versions(world: Harness) -> None:
    """Let no version of mm's path hold the first token's secret any more."""
    world.vault.kv.destroy(world.location("mm"), world.vault.kv.older_versions(world.location("mm")))


def sweep(world: Harness, *, days: float = 0) -> None:
    """Let that time pass with the served tokens in use, then revoke."""
    world.clock.advance(timedelta(days=days))
    world.use_served("mm")
    world.engine.revoke(ACCOUNT)


def deny(world: Harness, name: str, port: str) -> None:
    """Let Vault deny every read of that credential's path (or journal) from now on."""

    def hook(call: Call) -> None:
        if (call.port, call.method, call.moment, call.location) == (port, "read", "before", world.location(name)):
            raise VaultForbiddenError("permission denied")

    world.vault.on_call = hook


def test_an_old_id_with_another_secret_does_not_keep_a_token_alive(world: Harness) -> None:
    copy(world, WRONG)
    sweep(world)
    assert not is_alive(world)


def test_a_forged_path_is_alerted_with_both_credentials_and_paths(world: Harness) -> None:
    copy(world, WRONG)
    sweep(world)
    (alert,) = alerts(world)
    assert (alert.severity, [one for one in BOTH if one not in alert.sentence]) == (Severity.WARNING, [])


def test_a_copy_that_works_keeps_the_token_alive_and_is_alerted(world: Harness) -> None:
    copy(world)
    sweep(world)
    (alert,) = alerts(world)
    assert (is_alive(world), alert.severity) == (True, Severity.WARNING)
    assert not [one for one in BOTH if one not in alert.sentence]


def test_a_copy_that_works_does_not_keep_a_token_alive_past_max_age(world: Harness) -> None:
    copy(world)
    for _ in range(5):
        sweep(world, days=1)
    assert is_alive(world)
    sweep(world, days=1)
    assert not is_alive(world)
    assert alerts(world)[-1].severity is Severity.ERROR


def test_the_end_of_a_copy_is_told_although_the_copy_was_told_a_moment_ago(world: Harness) -> None:
    copy(world)
    for _ in range(6):
        sweep(world, days=1)
    before, last = alerts(world)[-2:]
    assert fingerprint(before) != fingerprint(last)


def test_a_copy_in_a_document_of_our_form_is_told_by_its_secret_as_well(world: Harness) -> None:
    data = world.vault.versions(world.location("mm"))[0].data
    assert data is not None
    world.vault.put_foreign(world.location("hedge"), {**data, "secret": WRONG.get_secret_value()})
    sweep(world)
    assert not is_alive(world)


# --- when no version of ours holds the secret any more


def test_a_signed_call_tells_that_a_copy_does_not_work(world: Harness) -> None:
    forget_our_versions(world)
    copy(world, WRONG)
    sweep(world)
    assert not is_alive(world)


def spoil_own_path(world: Harness) -> None:
    """Put the first token with a wrong secret at mm's own path, a moment ago, and put that right again."""
    where = world.location("mm")
    served = world.vault.kv.read(where)
    assert served is not None
    assert served.data is not None
    world.vault.put_foreign(where, {"token_id": old(world).token_id, "secret": WRONG.get_secret_value()})
    world.vault.put_foreign(where, dict(served.data))
    world.clock.advance(timedelta(hours=25))
    world.use_served("mm")
    world.clock.advance(timedelta(minutes=1))


def test_a_wrong_secret_at_the_owners_path_does_not_make_a_working_copy_look_forged(world: Harness) -> None:
    spoil_own_path(world)
    copy(world)
    world.engine.revoke(ACCOUNT)
    assert is_alive(world)


def test_a_wrong_secret_at_the_owners_path_does_not_make_a_forged_copy_look_right(world: Harness) -> None:
    spoil_own_path(world)
    copy(world, WRONG)
    world.engine.revoke(ACCOUNT)
    assert not is_alive(world)


def test_a_wrong_secret_is_compared_with_nothing_once_the_version_we_wrote_is_gone(world: Harness) -> None:
    spoil_own_path(world)
    world.vault.kv.destroy(world.location("mm"), (1,))
    copy(world)
    world.engine.revoke(ACCOUNT)
    assert is_alive(world)


def test_a_secret_that_nothing_can_be_signed_with_keeps_no_token_alive(world: Harness) -> None:
    forget_our_versions(world)
    copy(world, SecretStr("no base 64"))
    sweep(world)
    assert not is_alive(world)


def test_a_signed_call_tells_that_a_copy_works(world: Harness) -> None:
    forget_our_versions(world)
    copy(world)
    sweep(world)
    assert is_alive(world)


def test_our_own_call_is_not_taken_for_use_of_the_copy(world: Harness) -> None:
    forget_our_versions(world)
    copy(world)
    sweep(world)
    record = world.journal().record_of(old(world).token_id)
    used = world.exchange.token(old(world).token_id).last_used_at
    assert record is not None
    assert used is not None
    assert record.windows[-1].opened_at <= used <= (record.windows[-1].closed_at or used)


def test_a_token_waits_while_nobody_can_say_whether_its_copy_works(world: Harness) -> None:
    forget_our_versions(world)
    copy(world)
    world.exchange.fail_next("list_as", ExchangeUnavailableError("503"))
    sweep(world)
    assert (is_alive(world), len(alerts(world))) == (True, 1)


def test_a_copy_is_not_called_for_while_the_token_is_in_its_grace_anyway(world: Harness) -> None:
    world.clock.advance(timedelta(days=6))
    world.engine.rotate("mm")
    second = world.exchange.issued[2]
    forget_our_versions(world)
    data = {"token_id": second.token_id, "secret": second.secret.get_secret_value()}
    world.vault.put_foreign(world.location("hedge"), data)
    before = len(world.exchange.calls("list_as"))
    world.engine.revoke(ACCOUNT)
    assert len(world.exchange.calls("list_as")) == before


# --- when another credential's path cannot be read


def test_a_token_waits_for_a_path_that_cannot_be_read_in_this_sweep(world: Harness) -> None:
    copy(world)
    sweep(world)
    deny(world, "hedge", "consumers")
    sweep(world)
    assert is_alive(world)


def test_the_alert_of_a_path_that_cannot_be_read_names_both_credentials(world: Harness) -> None:
    deny(world, "hedge", "consumers")
    sweep(world)
    (alert,) = alerts(world)
    assert (alert.severity, [one for one in BOTH if one not in alert.sentence]) == (Severity.WARNING, [])


def test_a_token_is_revoked_once_the_path_can_be_read_again(world: Harness) -> None:
    deny(world, "hedge", "consumers")
    sweep(world)
    world.vault.on_call = None
    sweep(world)
    assert not is_alive(world)


def test_a_path_that_can_never_be_read_keeps_a_token_alive_until_max_age_and_grace(world: Harness) -> None:
    deny(world, "hedge", "consumers")
    for _ in range(6):
        sweep(world, days=1)
    assert is_alive(world)
    sweep(world, days=1)
    assert not is_alive(world)


@pytest.mark.parametrize("error", [VaultForbiddenError("denied"), VaultUnavailableError("sealed")])
def test_a_journal_that_cannot_be_read_holds_no_other_credential_back(world: Harness, error: Exception) -> None:
    def hook(call: Call) -> None:
        if (call.port, call.method, call.moment, call.location) == (
            "journals", "read", "before", world.location("hedge"),
        ):  # fmt: skip
            raise error

    world.vault.on_call = hook
    sweep(world)
    assert not is_alive(world)


def test_an_orphan_that_never_was_at_any_path_waits_for_none(world: Harness) -> None:
    world.exchange.lose_next("derive")
    world.engine.rotate("mm", requested=True)
    orphan = world.exchange.issued[-1].token_id
    world.clock.advance(timedelta(minutes=3))
    world.engine.rotate("mm")
    deny(world, "hedge", "consumers")
    world.engine.revoke(ACCOUNT)
    assert orphan not in world.live()


def test_what_a_person_ordered_to_end_waits_for_no_other_path(world: Harness) -> None:
    copy(world)
    world.exchange.fail_next("revoke", ExchangeUnavailableError("503"), count=9)
    world.engine.ordered_by(ORDER).revoke_all("mm")
    world.exchange.recover()
    sweep(world)
    assert not is_alive(world)


def test_a_token_that_only_its_label_makes_ours_is_kept_where_its_secret_works(world: Harness) -> None:
    label = world.journal("mm").ledger[0].label
    stray = world.exchange.issue_by_person(label)
    data = {"token_id": stray.token_id, "secret": stray.secret.get_secret_value()}
    world.vault.put_foreign(world.location("hedge"), data)
    world.engine.revoke(ACCOUNT)
    assert stray.token_id in world.live()


def test_a_token_that_only_its_label_makes_ours_is_revoked_where_its_secret_does_not_work(world: Harness) -> None:
    label = world.journal("mm").ledger[0].label
    stray = world.exchange.issue_by_person(label)
    data = {"token_id": stray.token_id, "secret": WRONG.get_secret_value()}
    world.vault.put_foreign(world.location("hedge"), data)
    world.engine.revoke(ACCOUNT)
    assert stray.token_id not in world.live()


def test_a_current_token_at_another_path_is_alerted_as_what_it_is(world: Harness) -> None:
    document = world.path("mm").document
    assert document is not None
    data = {"token_id": document.token_id, "secret": document.secret.get_secret_value()}
    world.vault.put_foreign(world.location("hedge"), data)
    world.engine.revoke(ACCOUNT)
    (alert,) = alerts(world)
    assert (alert.severity, "some time after a rotation" in alert.sentence) == (Severity.WARNING, True)


def test_a_copy_that_is_gone_leaves_its_readers_a_grace(world: Harness) -> None:
    copy(world)
    world.engine.revoke(ACCOUNT)
    world.vault.put_foreign(world.location("hedge"), {"note": "cleaned up"})
    world.clock.advance(timedelta(hours=1))
    world.engine.revoke(ACCOUNT)
    assert old(world).token_id in world.live()
    world.clock.advance(timedelta(hours=24))
    world.use_served("mm")
    world.clock.advance(timedelta(minutes=1))
    world.engine.revoke(ACCOUNT)
    assert old(world).token_id not in world.live()


def test_a_copy_that_was_seen_leaves_its_readers_a_grace_although_its_versions_are_gone(world: Harness) -> None:
    copy(world)
    world.engine.revoke(ACCOUNT)
    world.vault.kv.forget(world.location("hedge"))
    world.clock.advance(timedelta(minutes=1))
    world.engine.revoke(ACCOUNT)
    assert is_alive(world)


def test_a_copy_that_nobody_swept_for_days_leaves_its_readers_a_grace_too(world: Harness) -> None:
    copy(world)
    world.engine.revoke(ACCOUNT)
    world.clock.advance(timedelta(days=3))
    world.use_served("mm")
    world.vault.put_foreign(world.location("hedge"), {"note": "cleaned up"})
    world.clock.advance(timedelta(minutes=30))
    world.engine.revoke(ACCOUNT)
    assert old(world).token_id in world.live()


def rolled_back(world: Harness) -> None:
    """Put hedge's path right again, as a person does."""
    version = world.vault.kv.read(world.location("hedge"), version=1)
    assert version is not None
    assert version.data is not None
    world.vault.put_foreign(world.location("hedge"), dict(version.data))


def test_a_copy_that_no_sweep_ever_saw_leaves_its_readers_a_grace(world: Harness) -> None:
    copy(world)
    rolled_back(world)
    world.clock.advance(timedelta(hours=1))
    world.engine.revoke(ACCOUNT)
    assert is_alive(world)
    sweep(world, days=1)
    assert not is_alive(world)


def test_a_copy_that_no_sweep_ever_saw_keeps_nothing_alive_with_another_secret(world: Harness) -> None:
    copy(world, WRONG)
    rolled_back(world)
    world.engine.revoke(ACCOUNT)
    assert not is_alive(world)


def test_a_copy_leaves_its_readers_a_grace_however_often_its_path_was_rotated_since(world: Harness) -> None:
    copy(world)
    rolled_back(world)
    for _ in range(3):
        world.engine.rotate("hedge", requested=True)
        world.use_served("hedge")
    world.clock.advance(timedelta(hours=1))
    world.engine.revoke(ACCOUNT)
    assert is_alive(world)


def test_a_copy_leaves_its_readers_a_grace_although_another_secret_came_after_it(world: Harness) -> None:
    copy(world)
    copy(world, WRONG)
    rolled_back(world)
    world.clock.advance(timedelta(hours=1))
    world.engine.revoke(ACCOUNT)
    assert is_alive(world)


def test_a_copy_leaves_its_readers_a_grace_although_its_id_is_there_with_another_secret(world: Harness) -> None:
    copy(world)
    copy(world, WRONG)
    world.clock.advance(timedelta(hours=1))
    world.engine.revoke(ACCOUNT)
    assert is_alive(world)


def test_a_copy_that_no_sweep_ever_saw_keeps_nothing_alive_past_max_age(world: Harness) -> None:
    world.clock.advance(timedelta(days=5))
    copy(world)
    rolled_back(world)
    world.clock.advance(timedelta(hours=2))
    world.engine.revoke(ACCOUNT)
    assert is_alive(world)
    age = world.clock.now() - old(world).created_at
    sweep(world, days=(timedelta(days=14, minutes=1) - age) / timedelta(days=1))
    assert not is_alive(world)


def test_what_people_deleted_at_another_path_is_no_copy(world: Harness) -> None:
    world.vault.kv.delete_latest(world.location("hedge"))
    world.engine.revoke(ACCOUNT)
    assert not is_alive(world)


def test_the_versions_of_a_path_that_workers_alone_wrote_are_not_read(world: Harness) -> None:
    world.engine.rotate("hedge", requested=True)
    world.use_served("hedge")
    world.vault.calls.clear()
    world.engine.revoke(ACCOUNT)
    asked = {one.method for one in world.vault.calls if one.location == world.location("hedge")}
    assert (is_alive(world), asked & {"find", "departure"}) == (False, set())
