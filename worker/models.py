"""Frozen facts, as the adapters report them. No I/O; every time is timezone-aware UTC."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class ListedToken:
    """One live token as the exchange lists it; never a secret."""

    token_id: str
    label: str | None
    scopes: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenList:
    """All live tokens of an account's profile, and the exchange's clock (`Date` header) when it answered."""

    tokens: tuple[ListedToken, ...]
    server_time: datetime | None
    _by_id: dict[str, ListedToken] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Every ledger record of an account is looked up in its list at every sweep.
        object.__setattr__(self, "_by_id", {token.token_id: token for token in reversed(self.tokens)})

    def by_id(self, token_id: str) -> ListedToken | None:
        """Return the token with that id, or None when it is not in the list."""
        return self._by_id.get(token_id)


@dataclass(frozen=True, slots=True)
class DerivedToken:
    """What a derive returned. The secret is shown this once."""

    token_id: str
    secret: SecretStr
    scopes: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the exchange lets a profile do with tokens."""

    partner_profile_id: int
    token_management_enabled: bool
    allowed_scopes: tuple[str, ...]


class RevokeResult(StrEnum):
    """How a revocation ended; both are success."""

    REVOKED = "revoked"
    ALREADY_GONE = "already_gone"


@dataclass(frozen=True, slots=True)
class ServedDocument:
    """What the trading services read at a consumers' path.

    `promoted_at` is the worker's clock just before the write; the ledger keeps Vault's own `created_time`.
    `sequence` is the journal's sequence number when this was promoted.
    """

    token_id: str
    secret: SecretStr
    scopes: tuple[str, ...]
    label: str
    account: str
    api_url: str
    derived_at: datetime
    promoted_at: datetime
    rotation_id: str
    sequence: int


class PathContent(StrEnum):
    """What the latest version at a consumers' path is."""

    EMPTY = "empty"  # never written (version 0)
    TOMBSTONE = "tombstone"  # our fence on a path that had nothing to serve
    DOCUMENT = "document"  # a served document: ours, or (without a label) one that people put there
    FOREIGN = "foreign"  # anything else: another hand's data, or a deleted or destroyed latest version


@dataclass(frozen=True, slots=True)
class ConsumersPath:
    """The latest version at a credential's consumers' path; `document` is set when content is DOCUMENT."""

    version: int
    created_time: datetime | None
    content: PathContent
    document: ServedDocument | None = None


@dataclass(frozen=True, slots=True)
class WriteReceipt:
    """A write that is proved to have landed: its version and Vault's own `created_time` of it."""

    version: int
    created_time: datetime


@dataclass(frozen=True, slots=True)
class Departure:
    """When a consumers' path last held a token, by Vault's own `created_time` of its versions.

    Attributes:
        version: the newest one that held it, or that was deleted and may have.
        served_at: when that version was written.
        left_at: when the next one was written; None while `version` is the latest.
    """

    version: int
    served_at: datetime
    left_at: datetime | None


@dataclass(frozen=True, slots=True)
class PathLocation:
    """Where a KV v2 secret lives."""

    mount: str
    path: str

    def __str__(self) -> str:
        return f"{self.mount}/{self.path}"


class Severity(StrEnum):
    """How much a person must care: INFO nothing, WARNING look soon, ERROR look now."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
