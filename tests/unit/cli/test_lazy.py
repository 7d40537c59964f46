"""Help, version and completion come at once, and know what the commands know."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from worker.cli import main
from worker.cli.lazy import ENTRIES

CONFIG = """
[[accounts]]
name = "desk"

[[credentials]]
name = "market-maker"
account = "desk"

[[credentials]]
name = "hedger"
account = "desk"
"""


@pytest.mark.parametrize("name", ENTRIES)
def test_the_list_of_commands_says_what_the_command_says_of_itself(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert (command.name, command.get_short_help_str(limit=200)) == (name, ENTRIES[name].says)


def test_the_help_lists_every_command() -> None:
    shown = CliRunner().invoke(main, ["--help"]).stdout
    assert [name for name in ENTRIES if f"  {name} " not in shown] == []


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_and_version_need_neither_settings_nor_clients(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        "from worker.cli import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        "print([one for one in ('pydantic', 'hvac', 'httpx', 'celery', 'sentry_sdk') if one in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def completed(*words: str, incomplete: str = "") -> list[str]:
    """Return what the shell offers after these words."""
    found = ShellComplete(main, {}, "rotator", "_ROTATOR_COMPLETE").get_completions(list(words), incomplete)
    return [one.value for one in found]


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "rotator.toml"
    path.write_text(CONFIG)
    monkeypatch.setenv("ROTATOR_CONFIG", str(path))
    return path


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    "words, offered",
    [
        (("rotate",), ["hedger", "market-maker"]),
        (("plan", "hedger"), ["hedger", "market-maker"]),
        (("pause",), ["all", "desk", "hedger", "market-maker"]),
        (("freeze", "--account"), ["desk"]),
        (("trust",), ["desk"]),
    ],
)
def test_names_complete(words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*words) == offered


@pytest.mark.usefixtures("configured")
def test_only_names_that_begin_so_are_offered() -> None:
    assert completed("rotate", incomplete="he") == ["hedger"]


@pytest.mark.parametrize("text", ["[[", "accounts = 3", "credentials = [1, {name = 2}]"])
def test_a_file_that_makes_no_sense_completes_to_nothing(configured: Path, text: str) -> None:
    configured.write_text(text)
    assert completed("rotate") == []


def test_a_file_that_is_missing_completes_to_nothing(configured: Path) -> None:
    configured.unlink()
    assert completed("rotate") == []
