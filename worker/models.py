"""Frozen facts, as the adapters report them. No I/O; every time is timezone-aware UTC."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Profile:
    """What identifies a profile at the exchange, as far as it is known; None is unknown. Never a token itself.

    Attributes:
        partner_profile_id: by the capabilities.
        profile_id: by a derive's answer.
        address: of the profile's wallet, by a derive's answer.
        subject: `sub` of an identity token.
    """

    partner_profile_id: int | None = None
    profile_id: int | None = None
    address: str | None = None
    subject: str | None = None

    def contradicts(self, other: "Profile") -> bool:
        """Whether anything that both know differs: then they are two profiles."""
        return any(mine != theirs for mine, theirs in self._known_to_both(other))

    def confirms(self, other: "Profile") -> bool:
        """Whether both know something, and all that both know is the same. Knowing nothing in common says nothing."""
        return bool(self._known_to_both(other)) and not self.contradicts(other)

    def with_unknown_from(self, other: "Profile") -> "Profile":
        """Return this profile with what only the other one knows."""
        return Profile(**{name: getattr(other, name) if mine is None else mine for name, mine in self._fields()})

    def __str__(self) -> str:
        """Name it for people: ids, no secret."""
        return ", ".join(f"{name} {value}" for name, value in self._fields() if value is not None) or "unknown"

    def _known_to_both(self, other: "Profile") -> list[tuple[object, object]]:
        pairs = [(mine, getattr(other, name)) for name, mine in self._fields()]
        return [(mine, theirs) for mine, theirs in pairs if mine is not None and theirs is not None]

    def _fields(self) -> list[tuple[str, Any]]:
        return [(one.name, getattr(self, one.name)) for one in fields(self)]


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
    """All live tokens of an account's profile, and the exchange's clock (`Date` header) when it answered.

    `profile` is that of the identity that signed the call; None when a token signed it.
    """

    tokens: tuple[ListedToken, ...]
    server_time: datetime | None
    profile: Profile | None = None
    _by_id: dict[str, ListedToken] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Every ledger record of an account is looked up in its list at every sweep.
        object.__setattr__(self, "_by_id", {token.token_id: token for token in reversed(self.tokens)})

    def by_id(self, token_id: str) -> ListedToken | None:
        """Return the token with that id, or None when it is not in the list."""
        return self._by_id.get(token_id)


@dataclass(frozen=True, slots=True)
class DerivedToken:
    """What a derive returned. The secret is shown this once.

    `profile` is what the answer says of the profile that the token belongs to, and what was known of the identity that
    signed the call.
    """

    token_id: str
    secret: SecretStr
    scopes: tuple[str, ...]
    created_at: datetime
    profile: Profile = field(default_factory=Profile)


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
class ServedVersion:
    """What one version of a consumers' path serves."""

    version: int
    document: ServedDocument


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
