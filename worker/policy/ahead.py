"""Whether the consumers' path tells of rotations that the journal does not know. Only a document of ours can."""

from config.schema import ROTATION_ID_ALPHABET, ROTATION_ID_LENGTH
from worker.journal import Journal
from worker.models import ServedDocument
from worker.policy.facts import CredentialFacts

MOST_AHEAD = 2**20
"""How far the served sequence can be ahead of a journal's: a million writes.

A journal is written a few times for each rotation, and once a minute at most while something fails for long; a backup
that is older than two years of the worst is no backup. Whoever writes a larger number into a path did not count.
"""


def is_ahead(facts: CredentialFacts) -> bool:
    """Whether the path serves a document that we may have written, and that counts further than the journal.

    The answer is a suspicion: whoever can write the path can forge every field. So it holds back what happens by
    itself, and never what a person orders.
    """
    document, journal = facts.path.document if facts.path else None, facts.ledger
    if journal is not None and journal.retired_at is not None:
        return False  # nothing is promoted after that
    counted = journal.sequence if journal else 0
    if document is None or not counted < document.sequence <= counted + MOST_AHEAD:
        return False
    return _can_be_ours(document, facts.credential.name, journal)


def _can_be_ours(document: ServedDocument, credential: str, journal: Journal | None) -> bool:
    """Whether its names have our form, and its rotation has not ended: the journal that ended it counted further."""
    if not is_label_of(credential, document.label) or not _is_rotation_id(document.rotation_id):
        return False
    # A rollback serves a predecessor's label under a rotation id of its own, which no record keeps.
    return journal is None or not _has_ended(document.rotation_id, credential, journal)


def is_label_of(credential: str, label: str | None) -> bool:
    """Whether a label has the form of those that a credential of that name asks for."""
    whose, _, asked_for = (label or "").rpartition("/")
    return whose == credential and _is_rotation_id(asked_for)


def _has_ended(rotation_id: str, credential: str, journal: Journal) -> bool:
    known = any(record.rotation_id == rotation_id for record in journal.ledger)
    return known or f"{credential}/{rotation_id}" in journal.past_labels


def _is_rotation_id(text: str) -> bool:
    return len(text) == ROTATION_ID_LENGTH and set(text) <= set(ROTATION_ID_ALPHABET)
