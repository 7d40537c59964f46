"""What is wrong with a configuration, as facts to show to a person; never a secret."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic_core import PydanticCustomError

from config.redaction import redact_text

ENVIRONMENT = "environment"
"""The `file` of a mistake that was made in an environment variable."""

_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One mistake: in which file, at which key, what is wrong there and what would be right."""

    file: str
    key: str
    wrong: str
    right: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.wrong}. {self.right}."


class SettingsError(Exception):
    """The configuration cannot be used; `mistakes` holds everything that is wrong with it, `str()` lists it."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


def shown(value: object) -> str:
    """Return a value as a mistake may quote it: short, on one line, with whatever looks like a secret replaced."""
    text = redact_text(repr(value))
    return text if len(text) <= _SHOWN_CHARACTERS else f"a value of {len(text)} characters"


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str) -> str:
    """Return a suggestion of the known word that comes closest, or `otherwise` when none is near."""
    near = get_close_matches(word, sorted(known), n=1)
    return f"Did you mean {near[0]!r}?" if near else otherwise


def mistake(wrong: str, right: str) -> PydanticCustomError:
    """Return the error by which a validator of the schema says what is wrong and what would be right."""
    return PydanticCustomError("mistake", "{wrong}. {right}.", {"wrong": wrong, "right": right})
