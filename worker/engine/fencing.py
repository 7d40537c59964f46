"""Fence: move a consumers' path on without changing what it serves, so that a paused worker's promote must fail."""

from worker.engine.world import World
from worker.models import ConsumersPath, PathContent, PathLocation


def fence_path(world: World, location: PathLocation, path: ConsumersPath | None, *, expected: int) -> ConsumersPath:
    """Write what the path serves once more (an empty one gets a tombstone), against the version `expected`.

    Return the path as this very write left it: whatever is decided next must not follow a later write of another hand.
    Raises CasConflictError when the path moved on by itself, and what else a write raises.
    """
    document = path.document if path else None
    if document is not None:
        receipt = world.consumers.write(location, document, cas=expected)
        return ConsumersPath(receipt.version, receipt.created_time, PathContent.DOCUMENT, document)
    receipt = world.consumers.write_tombstone(location, cas=expected)
    return ConsumersPath(receipt.version, receipt.created_time, PathContent.TOMBSTONE)
