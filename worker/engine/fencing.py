"""Fence: move a consumers' path on without changing what it serves, so that a paused worker's promote must fail."""

from worker.engine.world import World
from worker.models import ConsumersPath, PathLocation


def fence_path(world: World, location: PathLocation, *, expected: int) -> ConsumersPath:
    """Write what version `expected` of the path holds once more, whatever that is (an empty one gets a tombstone).

    Return the path as this very write left it: whatever is decided next must not follow a later write of somebody else.
    Raises CasConflictError when the path moved on by itself, and what else a write raises.
    """
    return world.consumers.rewrite(location, cas=expected)
