"""Whether a staged token that is about to be given up was served after all."""

from worker.engine.world import World
from worker.errors import TransitionError
from worker.journal import Intent
from worker.models import Departure, PathLocation


def departure_of_staged(world: World, location: PathLocation, intent: Intent) -> Departure | None:
    """Return when the intent's token left the path; None when no version since the intent held it.

    Raises:
        TransitionError: the latest version holds it, so the attempt must not be given up.
        RotatorError: the versions could not be read.
    """
    if intent.token is None:
        return None
    # Ids can be read in the exchange's list: beside another secret one serves nobody.
    found = world.consumers.departure(location, intent.token.token_id, secret=intent.token.secret)
    if found is None or found.version <= intent.expected_version:
        return None
    if found.left_at is None:
        raise TransitionError(
            f"Rotation {intent.rotation_id} ({intent.label}) is not given up: version {found.version} of {location} "
            f"holds its token, or may have held it before it was deleted. The next sweep decides afresh."
        )
    return found
