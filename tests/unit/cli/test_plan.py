"""`rotator plan`: what would happen now and why, touching nothing."""

from datetime import timedelta

import pytest

from tests.harness import rotation_id
from tests.unit.cli.world import CliWorld
from worker.cli.output import WIDTH
from worker.errors import ExchangeRefusedError, VaultUnavailableError


def test_it_shows_every_step_of_a_credential_that_is_due(cli: CliWorld) -> None:
    steps = [step["action"] for step in cli.json("plan", "mm")["steps"]]
    assert steps == ["mint", "verify", "promote", "close"]


def test_every_step_says_why(cli: CliWorld) -> None:
    found = cli.json("plan")
    assert all(one["reason"] and one["sentence"] for one in (*found["steps"], *found["holds"]))


def test_it_covers_every_credential_unless_some_are_named(cli: CliWorld) -> None:
    assert {step["credential"] for step in cli.json("plan")["steps"]} == {"mm", "hedge"}


def test_it_shows_only_the_credentials_that_are_named(cli: CliWorld) -> None:
    assert {step["credential"] for step in cli.json("plan", "hedge")["steps"]} == {"hedge"}


def test_a_credential_that_is_not_due_says_when_it_is(cli: CliWorld) -> None:
    cli.harness.engine.rotate("mm")
    (hold,) = (one for one in cli.json("plan", "mm")["holds"] if one["reason"] == "not_due")
    assert "due in 6 d" in hold["sentence"]  # spread takes up to a tenth of the period off


def test_it_touches_nothing(cli: CliWorld) -> None:
    cli.harness.engine.rotate("mm")
    cli.harness.clock.advance(timedelta(days=30))
    cli.harness.vault.calls.clear()
    before = cli.harness.exchange.issued
    cli.run("plan")
    methods = {call.method for call in cli.harness.vault.calls}
    assert (methods <= {"read", "server_time"}, cli.harness.exchange.issued) == (True, before)


def test_all_well_is_exit_code_0(cli: CliWorld) -> None:
    assert cli.run("plan").exit_code == 0


def test_something_that_needs_a_person_is_exit_code_1(cli: CliWorld) -> None:
    cli.harness.engine.rotate("mm")
    cli.harness.vault.put_foreign(cli.harness.location("mm"))
    assert cli.run("plan").exit_code == 1


def test_a_vault_that_cannot_be_read_is_told_and_not_a_traceback(cli: CliWorld) -> None:
    cli.harness.vault.fail_next(VaultUnavailableError("Vault at http://vault:8200 is sealed."), method="read")
    result = cli.run("plan")
    assert (result.exit_code, "is sealed" in result.stdout, "Traceback" in result.output) == (1, True, False)


def test_an_unknown_name_is_exit_code_2_and_names_what_there_is(cli: CliWorld) -> None:
    result = cli.run("plan", "nobody")
    assert (result.exit_code, result.stderr) == (2, "Error: No credential is named nobody. Configured: hedge, mm.\n")


@pytest.mark.parametrize("command", [("plan",), ("status",), ("rotate", "mm")])
def test_no_line_is_wider_than_promised(cli: CliWorld, command: tuple[str, ...]) -> None:
    cli.harness.engine.rotate("mm")
    cli.harness.exchange.issue_by_person("a label as long as labels get " * 4)
    cli.harness.vault.put_foreign(cli.harness.location("hedge"))
    assert max(len(line) for line in cli.run(*command).stdout.splitlines()) <= WIDTH


def test_the_same_hold_of_several_plans_is_shown_once(cli: CliWorld) -> None:
    cli.harness.engine.rotate("mm")
    cli.harness.vault.put_foreign(cli.harness.location("mm"))
    reasons = [hold["reason"] for hold in cli.json("plan", "mm")["holds"]]
    assert reasons.count("drifted") == 1


def test_it_says_that_services_are_rejected_while_a_pause_holds_the_rotation_back(cli: CliWorld) -> None:
    cli.harness.engine.rotate("mm")
    cli.run("pause", "mm")
    cli.run("revoke", "mm", "--all", "--yes")
    shown = " ".join(cli.run("plan", "mm").stdout.split())
    assert f"still serves mm/{rotation_id(1)}, which was revoked" in shown


def test_what_another_hand_changed_is_told_with_the_command_that_restores_it(cli: CliWorld) -> None:
    cli.harness.engine.rotate("mm")
    cli.harness.vault.put_foreign(cli.harness.location())
    shown = " ".join(cli.run("plan", "mm").stdout.split())
    assert "vault kv rollback -mount=trading -version=1 limitless/mm" in shown


def test_a_parked_credential_needs_a_person(cli: CliWorld) -> None:
    world = cli.harness
    for _ in range(world.policy.park_after):
        world.exchange.fail_next("derive", ExchangeRefusedError("403 not allowed", status=403))
        world.engine.rotate("mm")
        world.clock.advance(world.policy.backoff_cap)
    result = cli.run("plan", "mm")
    assert (result.exit_code, "rotator resume mm" in " ".join(result.stdout.split())) == (1, True)


def holding_back(cli: CliWorld) -> str:
    return " ".join(cli.run("plan", "mm").stdout.split())


def test_a_deleted_latest_version_is_told_with_the_command_that_brings_it_back(cli: CliWorld) -> None:
    cli.harness.engine.rotate("mm")
    cli.harness.vault.delete_foreign(cli.harness.location())
    assert "vault kv undelete -mount=trading -versions=1 limitless/mm" in holding_back(cli)


def test_what_holds_no_token_is_not_offered_to_be_taken_over(cli: CliWorld) -> None:
    cli.harness.vault.put_foreign(cli.harness.location())
    assert "rotator adopt" not in holding_back(cli)


def test_a_path_that_was_removed_with_all_versions_gets_a_new_token_by_the_command_that_is_told(cli: CliWorld) -> None:
    world = cli.harness
    world.engine.rotate("mm")
    world.vault.kv.forget(world.location())
    assert "rotator revoke mm --all" in holding_back(cli)
    cli.run("revoke", "mm", "--all", "--yes")
    world.engine.rotate("mm")
    assert world.served() in world.live()
