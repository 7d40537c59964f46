"""Fence: move a consumers' path on without changing what it serves, so that a paused worker's promote must fail."""

from worker.engine.world import World
from worker.models import ConsumersPath, PathLocation, WriteReceipt


def fence_path(world: World, location: PathLocation, path: ConsumersPath | None, *, expected: int) -> WriteReceipt:
    """Write what the path serves once more (an empty one gets a tombstone), against the version `expected`.

    Raises CasConflictError when the path moved on by itself, and what else a write raises.
    """
    document = path.document if path else None
    if document is not None:
        return world.consumers.write(location, document, cas=expected)
    return world.consumers.write_tombstone(location, cas=expected)
