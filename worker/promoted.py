"""The secret of a token as a worker promoted it: what everything that people wrote is compared with."""

from pydantic import SecretStr

from worker.policy.facts import CredentialFacts
from worker.ports import ConsumersStore


def promoted_secret(consumers: ConsumersStore, owner: CredentialFacts, token_id: str) -> SecretStr | None:
    """Return the token's secret as the version holds it that a worker promoted; None when that version is gone.

    What other versions hold is not looked at: people may have written the token's id beside any secret.

    Raises TransientError or PermanentError.
    """
    record = owner.ledger.record_of(token_id) if owner.ledger else None
    if record is None or record.promoted_version is None:
        return None
    found = consumers.find(owner.location, token_id, prefer=record.promoted_version)
    return found.document.secret if found is not None and found.version == record.promoted_version else None
