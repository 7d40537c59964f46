"""Reads one table of the file into a model and goes on after a mistake, so that none hides another."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.durations import format_duration
from config.mistakes import Mistake, did_you_mean, shown

M = TypeVar("M", bound=BaseModel)

_KINDS = {
    "string_type": ("is not a text", 'Write a text in quotes, such as "name"'),
    "float_type": ("is not a number", "Write a number without quotes, such as 0.1"),
    "bool_type": ("is neither true nor false", "Write true or false without quotes"),
    "int_type": ("is not a whole number", "Write a whole number without quotes"),
    "tuple_type": ("is not a list", 'Write a list, such as ["trading"]'),
    "dict_type": ("is not a table", 'Write a table, such as { key = "value" }'),
    "path_type": ("is not a path", "Write a file's path in quotes"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the configuration something stands; collects the mistakes made there."""

    file: str
    key: str
    mistakes: list[Mistake]

    def at(self, key: str) -> "Place":
        """Return the place one key further down."""
        return replace(self, key=f"{self.key}.{key}" if self.key else key)

    def add(self, wrong: str, right: str) -> None:
        """Take note of a mistake at this place; the same one is kept once."""
        found = Mistake(self.file, self.key, wrong, right)
        if found not in self.mistakes:
            self.mistakes.append(found)


@dataclass(frozen=True, slots=True)
class Table(Generic[M]):
    """What could be read of a table: a valid model, which keys the file sets, which of them were wrong.

    A wrong key has its default in `model`; whoever compares it with something else asks `bad` first.
    """

    model: M
    given: Mapping[str, Any]
    bad: frozenset[str]


def read_table(model: type[M], raw: object, place: Place, *, elsewhere: Mapping[str, str] | None = None) -> Table[M]:
    """Return what can be read, having added every mistake to the place.

    Args:
        model: has a default for every field.
        raw: what the TOML parser returned; None when the file does not have the table.
        place: of the table.
        elsewhere: keys that people write here but that belong to another table, and which one.
    """
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        place.add(f"{shown(raw)} is not a table", f"Write it as a table with keys: {', '.join(model.model_fields)}")
        return Table(model(), {}, frozenset(model.model_fields))
    try:
        read = model.model_validate(raw)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
    else:
        return Table(read, {key: getattr(read, key) for key in raw}, frozenset())
    for error in errors:
        _translate(error, model, place, elsewhere or {})
    bad = frozenset(str(error["loc"][0]) for error in errors)
    read = model.model_validate({key: value for key, value in raw.items() if key not in bad})
    return Table(read, {key: getattr(read, key) for key in raw if key not in bad}, bad)


def _translate(error: ErrorDetails, model: type[BaseModel], place: Place, elsewhere: Mapping[str, str]) -> None:
    key = str(error["loc"][0])
    at = place.at("".join(str(part) if i == 0 else f"[{part}]" for i, part in enumerate(error["loc"])))
    value, context = error["input"], error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden" if key in elsewhere:
            at.add("does not belong here", f"Move it to {elsewhere[key]}")
        case "extra_forbidden":
            known = model.model_fields
            at.add("is not a known key", did_you_mean(key, known, otherwise=f"Known here: {', '.join(known)}"))
        case "mistake":
            at.add(context["wrong"], context["right"])
        case "enum" | "literal_error":
            at.add(f"{shown(value)} does not exist", f"Known: {str(context['expected']).replace(' or ', ', ')}")
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal" as kind:
            limit = next(iter(context.values()))
            words = kind.replace("_than_equal", " than or equal to").replace("_than", " than")
            at.add(f"{_written(value)} is out of range", f"It must be {words} {_written(limit)}")
        case kind if kind in _KINDS:
            wrong, right = _KINDS[kind]
            at.add(f"{shown(value)} {wrong}", right)
        case _:
            at.add(f"{shown(value)} cannot be used", error["msg"].removeprefix("Value error, "))


def _written(value: object) -> str:
    try:
        return format_duration(value)  # type: ignore[arg-type]  # anything without seconds is shown as it is
    except AttributeError:
        return shown(value)
