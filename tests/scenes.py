"""Worlds to begin with that several tests of a person's orders share."""

from datetime import timedelta

from pydantic import SecretStr

from tests.harness import Harness
from worker.policy.steps import Order, Outcome, Reason

ORDER = Order(by="kim", why="drill")


def rotated_twice() -> Harness:
    """Return a world whose first token is superseded and in its grace, and whose second one is served."""
    world = Harness()
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(timedelta(days=7))
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(timedelta(hours=1))
    world.outcomes.seen.clear()
    return world


def due_again() -> Harness:
    """Return a world whose credential was rotated once, is in use, and is due again."""
    world = Harness()
    world.engine.rotate("mm")
    world.use_served()
    world.clock.advance(timedelta(days=7))
    world.outcomes.seen.clear()
    return world


def by_hand() -> Harness:
    """Return a world whose path serves a token that a person issued and wrote there, without a journal."""
    world = Harness()
    token = world.exchange.issue_by_person("old bot")
    serve_by_hand(world, token.token_id, token.secret)
    world.exchange.use(token.token_id)
    world.clock.advance(timedelta(minutes=5))
    return world


def serve_by_hand(world: Harness, token_id: str, secret: SecretStr) -> None:
    data = {"token_id": token_id, "secret": secret.get_secret_value(), "owner": "desk"}
    world.vault.put_foreign(world.location(), data)


def behind() -> Harness:
    """Return a world whose journal was restored from before the last rotation."""
    world = Harness()
    world.engine.rotate("mm")
    old = world.vault.journals.read(world.location())
    world.clock.advance(timedelta(days=7))
    world.engine.rotate("mm")
    world.use_served()
    now = world.vault.journals.read(world.location())
    assert old is not None
    assert now is not None
    world.vault.journals.write(world.location(), old.journal, cas=now.version)
    return world


def drifted() -> Harness:
    """Return a world in which a person put a working token of their own where ours was served."""
    world = rotated_twice()
    token = world.exchange.issue_by_person("new bot")
    serve_by_hand(world, token.token_id, token.secret)
    return world


def reasons(outcomes: tuple[Outcome, ...]) -> list[Reason]:
    return [one.reason for one in outcomes]
