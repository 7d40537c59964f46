"""The reference in docs/configuration.md says of every key and variable what the code does."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from config.durations import format_duration
from config.entries import AccountTable, CredentialTable
from config.environment import VARIABLES
from config.freezes import FreezeTable
from config.schema import FieldNames, Guards, Policy, Schedule, VaultLayout

TEXT = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")


def section(heading: str) -> dict[str, str]:
    """Return the section's table rows: first cell (without backquotes) to second cell."""
    body = re.split(r"^###? ", TEXT, flags=re.MULTILINE)
    (found,) = [part for part in body if part.startswith(heading)]
    rows = [line.strip("| \n").split(" | ") for line in found.splitlines() if line.startswith("| `")]
    return {cells[0].strip("`"): cells[1].strip() for cells in rows}


def written(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{format_duration(value)}"`' if isinstance(value, timedelta) else f"`{value!r}`".replace("'", '"')


def defaults(model: type[BaseModel]) -> dict[str, str]:
    return {name: written(field.default) for name, field in model.model_fields.items()}


@pytest.mark.parametrize(
    "heading,model",
    [
        ("`[vault]`", VaultLayout),
        ("`[schedule]`", Schedule),
        ("`[defaults]`", Policy),
        ("`[accounts.guards]`", Guards),
    ],
)
def test_each_key_is_described_with_its_true_default(heading: str, model: type[BaseModel]) -> None:
    assert section(heading) == defaults(model)


@pytest.mark.parametrize(
    "heading,model",
    [("`[[accounts]]`", AccountTable), ("`[[credentials]]`", CredentialTable), ("`[[freezes]]`", FreezeTable)],
)
def test_each_key_of_an_entry_is_described(heading: str, model: type[BaseModel]) -> None:
    assert set(section(heading)) == set(model.model_fields)


def test_the_default_field_names_are_the_true_ones() -> None:
    assert section("`[[credentials]]`")["fields"] == (
        f'`{{ token_id = "{FieldNames().token_id}", secret = "{FieldNames().secret}" }}`'
    )


def test_each_environment_variable_is_described() -> None:
    assert set(section("Environment")) == set(VARIABLES)
