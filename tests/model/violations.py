"""What may not happen, by name: a run that finds one of them has found a hole."""

from dataclasses import dataclass
from enum import StrEnum


class Promise(StrEnum):
    """The promises that the observer holds the worker to."""

    READER = "a token was revoked that a service may hold"
    SERVED_DEAD = "a dead token was put before services"
    SERVED_MARKED = "a token that is marked for revocation was put before services"
    SERVED_UNVERIFIED = "a token was put before services that was not verified as Vault holds it"
    SERVED_FOREIGN = "a token of another profile was put before services"
    OVERWROTE = "a document that people put at a path was overwritten"
    FENCE = "a rewrite changed more than the write id"
    FOREIGN = "a token that is not ours was revoked"
    LABEL = "a token carries a label that its journal does not know"
    ONE_CURRENT = "a journal has more than one current token"
    EARLY = "a credential was rotated before it was due"
    HELD_BACK = "a pause, a freeze or a doubted list was not honoured"
    SHORT_LIST = "a token was derived on a list that had shrunk"
    CAP = "a sweep revoked more than its cap"
    ERROR = "an error that is no RotatorError left the engine"
    PARKED = "lost answers parked a credential"
    STUCK = "an open rotation did not go on although all was quiet"
    REFUSED_ORDER = "an order that ends tokens was refused because of a forged path"
    ORDER_UNDONE = "what a person ordered to end is alive"
    COPY_LIVES = "a copied token outlived max_age and grace"
    LEFT_ALIVE = "a token that nobody should hold is alive when all is quiet"
    NOT_RIGHT = "a credential did not come right when all was quiet"


@dataclass(frozen=True)
class Violation:
    """One broken promise: which, when (in true seconds), and what happened."""

    promise: Promise
    at: float
    what: str
