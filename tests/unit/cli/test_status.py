"""`rotator status`: what is there and what is the matter."""

from datetime import timedelta

import pytest

from tests.harness import rotation_id
from tests.unit.cli.world import CliWorld
from worker.errors import ExchangeUnavailableError
from worker.views import Report


def test_all_well_is_exit_code_0(cli: CliWorld) -> None:
    for name in ("mm", "hedge"):
        cli.harness.engine.rotate(name)
    assert cli.run("status").exit_code == 0


def test_a_dead_deployment_is_exit_code_1_long_before_max_age(cli: CliWorld) -> None:
    for name in ("mm", "hedge"):
        cli.harness.engine.rotate(name)
        cli.harness.use_served(name)
    cli.harness.clock.advance(timedelta(days=7, minutes=16))
    shown = cli.run("status")
    assert (shown.exit_code, "late" in shown.stdout) == (1, True)


def test_its_json_is_the_report(cli: CliWorld) -> None:
    cli.harness.settle()
    found = cli.json("status")
    found.pop("needs_attention")
    assert {one.name for one in Report.model_validate(found).credentials} == {"mm", "hedge"}


def test_it_shows_a_tokens_label_and_state(cli: CliWorld) -> None:
    cli.harness.engine.rotate("mm")
    (line,) = (line for line in cli.run("status").stdout.splitlines() if f"mm/{rotation_id(1)}" in line)
    assert "current" in line


def test_it_shows_age_against_period(cli: CliWorld) -> None:
    cli.harness.engine.rotate("mm")
    cli.harness.clock.advance(timedelta(days=2))
    assert "mm 2 d / 7 d" in " ".join(cli.run("status").stdout.split())


def test_it_names_tokens_that_are_not_ours(cli: CliWorld) -> None:
    cli.harness.exchange.issue_by_person("alice's laptop")
    assert "alice's laptop" in cli.run("status").stdout


@pytest.mark.parametrize("label", ["\x1b[31mred", "[bold]markup[/bold]", "[/]"])
def test_a_label_of_somebody_else_is_shown_and_never_interpreted(cli: CliWorld, label: str) -> None:
    cli.harness.exchange.issue_by_person(label)
    shown = label.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
    assert shown in cli.run("status").stdout


def test_json_holds_no_character_that_a_terminal_acts_on(cli: CliWorld) -> None:
    cli.harness.exchange.issue_by_person("\x9b2J\u202eevil")

    printed = cli.run("status", "--json").stdout

    assert all(char.isprintable() or char == "\n" for char in printed)


def test_an_alert_is_shown_with_its_sentence_and_exit_code_1(cli: CliWorld) -> None:
    cli.harness.engine.rotate("mm")
    cli.harness.vault.put_foreign(cli.harness.location("mm"))
    result = cli.run("status")
    assert (result.exit_code, "somebody else" in " ".join(result.stdout.split())) == (1, True)


def test_an_exchange_that_is_away_is_told_and_what_vault_knows_is_shown(cli: CliWorld) -> None:
    cli.harness.engine.rotate("mm")
    cli.harness.exchange.fail_next("list", ExchangeUnavailableError("account main: connection refused"))
    result = cli.run("status")
    assert (result.exit_code, "connection refused" in result.stdout, f"mm/{rotation_id(1)}" in result.stdout) == (
        1,
        True,
        True,
    )


def test_what_to_type_ends_the_sentence_about_a_verdict(cli: CliWorld) -> None:
    world = cli.harness
    world.engine.rotate("mm")
    cli.run("pause", "mm")
    world.clock.advance(timedelta(days=2))
    world.engine.flag("main")
    assert " ".join(cli.run("status").stdout.split()).endswith("rotator resume credential:mm")


def test_a_retired_credential_is_not_shown_as_due(cli: CliWorld) -> None:
    cli.harness.engine.rotate("mm")
    cli.run("retire", "mm", "--yes")
    assert "mm - / 7 d - retired" in " ".join(cli.run("status").stdout.split())


def test_an_adopted_token_is_shown_with_what_the_exchange_calls_it(cli: CliWorld) -> None:
    world = cli.harness
    token = world.exchange.issue_by_person("old bot")
    world.vault.put_foreign(world.location(), {"token_id": token.token_id, "secret": token.secret.get_secret_value()})
    cli.run("adopt", "mm")
    assert "at the exchange: old bot" in cli.run("status").stdout
