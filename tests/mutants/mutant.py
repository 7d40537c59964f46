"""One rule that is taken out."""

from dataclasses import dataclass

from tests.mutants.tree import Change, Suite


@dataclass(frozen=True)
class Mutant:
    """One rule that is taken out.

    Args:
        name: what the command line calls it.
        rule: what no longer holds.
        changes: of the copy's files.
        suites: tried in this order until one turns red.
    """

    name: str
    rule: str
    changes: tuple[Change, ...]
    suites: tuple[Suite, ...]


def of(name: str, rule: str, file: str, old: str, new: str, *suites: Suite) -> Mutant:
    """Return the mutant of a rule that one change takes out."""
    return Mutant(name, rule, (Change(file, old, new),), suites)
