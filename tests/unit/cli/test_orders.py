"""The commands by which a person has something done to one credential."""

import os
from datetime import timedelta

import pytest

from tests.harness import ACCOUNT
from tests.unit.cli.world import CliWorld
from worker.cli.exits import ATTENTION, OK, USAGE
from worker.errors import ExchangeRefusedError, VaultUnavailableError

ASKING = [("rotate", "mm", "--compromised"), ("revoke", "mm", "--all"), ("retire", "mm")]
ACTING = [*ASKING, ("rollback", "mm"), ("rotate", "mm")]


@pytest.fixture
def used(cli: CliWorld) -> CliWorld:
    """A world whose credential mm has a superseded token in its grace and a current one."""
    world = cli.harness
    world.engine.rotate("mm")
    world.clock.advance(timedelta(days=7))
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(timedelta(minutes=1))
    return cli


@pytest.mark.parametrize("command", ACTING, ids=" ".join)
def test_a_dry_run_touches_nothing(used: CliWorld, command: tuple[str, ...]) -> None:
    world = used.harness
    before = (world.journal(), world.path(), world.live())
    result = used.run(*command, "--dry-run")
    assert (result.exit_code, (world.journal(), world.path(), world.live())) == (OK, before)


@pytest.mark.parametrize("command", ACTING, ids=" ".join)
def test_a_dry_run_prints_the_steps_as_json(used: CliWorld, command: tuple[str, ...]) -> None:
    planned = used.json(*command, "--dry-run")
    assert planned["dry_run"] is True
    assert planned["steps"]


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_what_rejects_services_asks_first_and_does_nothing_without_an_answer(
    used: CliWorld, command: tuple[str, ...]
) -> None:
    before = used.harness.live()
    result = used.run(*command)
    assert (result.exit_code, used.harness.live()) == (USAGE, before)
    assert "rejected" in result.stderr


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_yes_answers_the_question_beforehand(used: CliWorld, command: tuple[str, ...]) -> None:
    before = used.harness.live()
    result = used.run(*command, "--yes")
    assert result.exit_code == OK, result.stdout
    assert not used.harness.live() & before


def test_retiring_again_is_done_already_and_asks_nothing(used: CliWorld) -> None:
    used.run("retire", "mm", "--yes")
    result = used.run("retire", "mm")
    assert (result.exit_code, result.stderr) == (OK, "")


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_nothing_is_asked_when_it_is_refused_anyway(cli: CliWorld, command: tuple[str, ...]) -> None:
    result = cli.run(*command)
    assert result.exit_code == ATTENTION
    assert "nothing_live" in result.stdout


@pytest.mark.parametrize("command", [*ASKING, ("rollback", "mm")], ids=" ".join)
def test_the_outcomes_say_who_ordered_it_and_why(used: CliWorld, command: tuple[str, ...]) -> None:
    asked = ("--yes",) if command in ASKING else ()
    outcomes = used.json(*command, *asked, "--reason", "leaked in a paste")["outcomes"]
    assert {one["evidence"]["why"] for one in outcomes} == {"leaked in a paste"}
    assert all(one["evidence"]["by"] for one in outcomes)


def test_who_has_no_name_on_this_machine_is_told_by_the_user_id(
    used: CliWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 10007")

    monkeypatch.setattr("getpass.getuser", nameless)
    (first, *_) = used.json("rollback", "mm")["outcomes"]
    assert first["evidence"]["by"] == f"uid {os.getuid()}"


def test_revoke_without_all_is_refused_with_what_to_do_instead(used: CliWorld) -> None:
    result = used.run("revoke", "mm")
    assert result.exit_code == USAGE
    assert "--compromised" in result.stderr


def test_an_emergency_that_can_not_mint_needs_a_person(used: CliWorld) -> None:
    used.harness.exchange.fail_next("derive", ExchangeRefusedError("403 not allowed", status=403))
    result = used.run("rotate", "mm", "--compromised", "--yes")
    assert result.exit_code == ATTENTION
    assert "rotator revoke mm --all" in " ".join(result.stdout.split())


def test_waiting_ends_when_another_worker_has_rotated_it(used: CliWorld) -> None:
    world = used.harness
    world.leases.taken.add("rotate:mm")
    other = world.new_engine()
    slept: list[float] = []

    def rotated_by_another(seconds: float) -> None:
        slept.append(seconds)
        world.leases.taken.clear()
        world.clock.advance(timedelta(seconds=seconds))
        other.rotate("mm", requested=True)

    world.clock.sleep = rotated_by_another  # type: ignore[method-assign] # what happens while this process waits
    before = len(world.exchange.issued)
    result = used.run("rotate", "mm", "--wait")
    assert (result.exit_code, len(world.exchange.issued) - before, len(slept)) == (OK, 1, 1)


def test_waiting_gives_up_after_its_timeout(used: CliWorld) -> None:
    used.harness.leases.taken.add("rotate:mm")
    result = used.run("rotate", "mm", "--wait", "--timeout", "5")
    assert result.exit_code == ATTENTION
    assert "NOT rotated" in result.stdout
    assert result.stdout.count("lease_held") == 1


def test_a_secret_put_there_by_hand_is_adopted(cli: CliWorld) -> None:
    world = cli.harness
    token = world.exchange.issue_by_person("old bot")
    data = {"token_id": token.token_id, "secret": token.secret.get_secret_value()}
    world.vault.put_foreign(world.location(), data)
    result = cli.run("adopt", "mm", "--token-id", token.token_id)
    assert (result.exit_code, world.served()) == (OK, token.token_id)
    assert token.secret.get_secret_value() not in result.output


@pytest.mark.parametrize("command", ["adopt", "rotate", "revoke", "rollback", "retire"])
def test_an_unknown_name_is_a_mistake_of_the_command_line(cli: CliWorld, command: str) -> None:
    result = cli.run(command, "nobody", *(["--all"] if command == "revoke" else []))
    assert result.exit_code == USAGE
    assert "nobody" in result.stderr


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_what_is_refused_at_first_is_not_done_unasked_a_moment_later(used: CliWorld, command: tuple[str, ...]) -> None:
    world = used.harness
    before = world.live()
    world.vault.fail_next(VaultUnavailableError("sealed"), port="journals", method="read")
    result = used.run(*command)
    assert (result.exit_code, world.live()) == (ATTENTION, before)


def test_revoking_all_beside_another_hands_change_promises_no_new_token(used: CliWorld) -> None:
    used.harness.vault.put_foreign(used.harness.location())
    shown = " ".join(used.run("revoke", "mm", "--all", "--yes").stdout.split())
    assert "nothing new is issued for as long as" in shown


# --- people who put the secret into the token id's field

SWAPPED = {"token_id": "c3dhcHBlZC1zZWNyZXQtYnktbWlzdGFrZQ==", "secret": "tok-1"}


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--token-id", "tok-1")], ids=["adopt", "dry run", "expected id"])
def test_a_secret_in_the_wrong_field_is_not_printed(cli: CliWorld, more: tuple[str, ...]) -> None:
    cli.harness.vault.put_foreign(cli.harness.location("mm"), SWAPPED)

    assert SWAPPED["token_id"] not in cli.run("adopt", "mm", *more, "--json").stdout


def test_a_secret_in_the_wrong_field_reaches_neither_events_nor_account_ledger(cli: CliWorld) -> None:
    world = cli.harness
    world.engine.rotate("mm")
    world.vault.put_foreign(world.location("mm"), SWAPPED)

    world.settle(sweeps=2)

    told = f"{world.outcomes.seen} {world.vault.accounts.read(ACCOUNT).ledger.model_dump_json()}"
    assert SWAPPED["token_id"] not in told
