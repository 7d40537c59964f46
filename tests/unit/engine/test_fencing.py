"""A fence moves a path on and changes nothing of what is there, whoever wrote it."""

from datetime import timedelta

import pytest

from tests.harness import Harness
from tests.scenes import ORDER, by_hand
from worker.errors import ExchangeUnavailableError
from worker.models import PathContent

THEIRS = {"owner": "desk", "endpoint": "https://desk.example", "desk": {"books": ["btc", "eth"]}}


@pytest.fixture
def adopted() -> Harness:
    """A world whose credential was adopted with all that people keep beside it, and is due."""
    world = by_hand()
    version = world.vault.versions(world.location())[-1]
    world.vault.put_foreign(world.location(), {**(version.data or {}), **THEIRS})
    world.engine.ordered_by(ORDER).adopt("mm")
    world.clock.advance(timedelta(days=7))
    return world


def kept(world: Harness) -> dict[str, object]:
    """Return what services find at the path beside our write id."""
    data = world.vault.versions(world.location())[-1].data or {}
    return {name: value for name, value in data.items() if name != "write_id"}


def test_a_fence_after_a_refused_token_leaves_an_adopted_document_as_it_was(adopted: Harness) -> None:
    before, version = kept(adopted), adopted.path().version
    adopted.exchange.after_next("derive", lambda: adopted.exchange.break_token(adopted.exchange.issued[-1].token_id))
    adopted.engine.rotate("mm")
    assert (kept(adopted), adopted.path().version) == (before, version + 1)


def test_after_such_a_fence_the_credential_is_still_managed(adopted: Harness) -> None:
    adopted.exchange.after_next("derive", lambda: adopted.exchange.break_token(adopted.exchange.issued[-1].token_id))
    adopted.engine.rotate("mm")
    adopted.clock.advance(timedelta(hours=1))
    adopted.engine.rotate("mm")
    assert adopted.served() == adopted.exchange.issued[-1].token_id


def test_the_fence_of_an_order_leaves_an_adopted_document_as_it_was(adopted: Harness) -> None:
    before, version = kept(adopted), adopted.path().version
    adopted.exchange.fail_next("list_as", ExchangeUnavailableError("503"))
    adopted.engine.rotate("mm")
    adopted.engine.ordered_by(ORDER).revoke_all("mm")
    assert (kept(adopted), adopted.path().version) == (before, version + 1)


def test_a_path_that_was_deleted_meanwhile_is_fenced_with_a_version_that_serves_nothing(adopted: Harness) -> None:
    def refused_and_deleted() -> None:
        adopted.exchange.break_token(adopted.exchange.issued[-1].token_id)
        adopted.vault.delete_foreign(adopted.location())

    adopted.exchange.after_next("derive", refused_and_deleted)
    adopted.engine.rotate("mm")
    assert (adopted.path().content, adopted.journal().intent) == (PathContent.TOMBSTONE, None)
