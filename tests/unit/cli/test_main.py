"""What every command has in common: help, exit codes, and failures without a traceback."""

import logging

import pytest

from config.schema import Settings
from config.settings import Mistake, SettingsError
from tests.unit.cli.world import CliWorld
from worker.errors import IdentityUnavailableError

COMMANDS = ["plan", "rotate", "status"]


def mistaken() -> Settings:
    raise SettingsError(
        [
            Mistake("rotator.toml", "accounts", "there is none", "Name at least one"),
            Mistake("environment", "REDIS_URL", "it is not set", "Set it"),
        ]
    )


def without_identity() -> Settings:
    raise IdentityUnavailableError("Account main has no identity token.")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_documents_the_exit_codes(cli: CliWorld, command: str) -> None:
    assert "Exit codes: 0 " in " ".join(cli.run(command, "--help").stdout.split())


@pytest.mark.parametrize("command", [("plan",), ("status",), ("rotate", "mm")])
def test_a_wrong_configuration_is_exit_code_2_with_every_mistake(cli: CliWorld, command: tuple[str, ...]) -> None:
    cli.load = mistaken
    result = cli.run(*command)
    assert (result.exit_code, "accounts" in result.stderr, "REDIS_URL" in result.stderr) == (2, True, True)


def test_a_failure_of_ours_is_one_line_and_exit_code_1(cli: CliWorld) -> None:
    cli.load = without_identity
    result = cli.run("status")
    assert (result.exit_code, result.stderr) == (1, "Error: Account main has no identity token.\n")


def test_an_unknown_command_is_exit_code_2(cli: CliWorld) -> None:
    assert cli.run("revoke-everything").exit_code == 2


def test_it_says_its_version(cli: CliWorld) -> None:
    assert cli.run("--version").exit_code == 0


def test_standard_output_of_json_is_json_even_when_verbose(cli: CliWorld) -> None:
    assert cli.json("-v", "rotate", "mm")["rotated"] is True


def test_without_verbose_no_log_line_is_written(cli: CliWorld) -> None:
    cli.run("rotate", "mm")
    assert not logging.getLogger("worker").isEnabledFor(logging.ERROR)


def test_config_check_is_there(cli: CliWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTATOR_CONFIG", "no/such/file.toml")
    assert cli.run("config", "check").exit_code == 2
