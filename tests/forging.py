"""What somebody who can write one consumers' path puts there: with our fields, our forms and, if need be, our ids."""

import uuid
from collections.abc import Mapping
from typing import Any

from config.schema import FieldNames
from tests.harness import Harness
from worker.vault.documents import WRITE_ID, served_data

UNKNOWN_ID = "x" * 20
"""Has the form of a rotation id, and no journal knows it."""

LARGEST = 2**53 - 1
"""The largest sequence that a served document can say."""


def forge(world: Harness, name: str = "mm", *, at: str | None = None, **changes: Any) -> None:
    """Write what `name`'s path serves, with those fields changed, to that path (or to the one of `at`)."""
    document = world.path(name).document
    assert document is not None
    put(world, at or name, {**served_data(document, FieldNames()), **changes})


def put(world: Harness, name: str, data: Mapping[str, Any]) -> None:
    """Write that to the path of that credential under a write id of our form."""
    world.vault.put_foreign(world.location(name), {**data, WRITE_ID: uuid.uuid4().hex})


def earlier(world: Harness, name: str = "mm") -> dict[str, Any]:
    """Return what the version before the latest at that path holds."""
    data = world.vault.versions(world.location(name))[-2].data
    assert data is not None
    return dict(data)
