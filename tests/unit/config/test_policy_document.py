"""docs/policy.md says of every key what the code does, and its recipes can be used as they are."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from config.durations import format_duration
from config.schema import Guards, Policy
from config.settings import load_settings
from tests.unit.config.files import ENVIRON

TEXT = (Path(__file__).parents[3] / "docs" / "policy.md").read_text(encoding="utf-8")
ROWS = {row[0]: row[1:] for row in re.findall(r"^\| `(\w+)` \| (\S+) \| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE)}
RECIPES = re.findall(r"^### (.+?)\n\n```toml\n(.*?)```", TEXT, re.DOTALL | re.MULTILINE)
FIELDS = {**Policy.model_fields, **Guards.model_fields}


def written(value: object) -> str:
    match value:
        case None:
            return "none"
        case timedelta():
            return f"`{format_duration(value)}`"
        case bool():
            return f"`{str(value).lower()}`"
    return f"`{value}`"


@pytest.mark.parametrize("key", FIELDS)
def test_each_key_has_its_true_default(key: str) -> None:
    assert ROWS[key][0] == written(FIELDS[key].default)


@pytest.mark.parametrize("key", FIELDS)
def test_each_key_has_a_unit_and_a_reason(key: str) -> None:
    assert all(cell.strip() for cell in ROWS[key][1:])


def test_no_key_is_described_that_does_not_exist() -> None:
    assert set(ROWS) <= set(FIELDS)


@pytest.mark.parametrize("toml", [toml for _, toml in RECIPES], ids=[name for name, _ in RECIPES])
def test_each_recipe_is_a_valid_file(toml: str, tmp_path: Path) -> None:
    path = tmp_path / "rotator.toml"
    path.write_text(toml, encoding="utf-8")
    assert load_settings({**ENVIRON, "ROTATOR_CONFIG": str(path)}).credentials


def test_there_are_recipes() -> None:
    assert len(RECIPES) == TEXT.count("```toml")
