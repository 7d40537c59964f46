"""The journal's document: one open intent at most, the ledger of tokens, the failures.

Only the Vault adapter serialises a journal, and only it asks for the secret in it (`Journal.to_document`).
"""

from enum import StrEnum
from typing import Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr, SerializationInfo, field_serializer

from worker.models import PathLocation

_REVEAL = "reveal_secrets"


class _Frozen(BaseModel):
    # An older worker must not drop what a newer one wrote, so an unknown field is refused.
    model_config = ConfigDict(frozen=True, extra="forbid")


class VerifyWindow(_Frozen):
    """When our own verify calls may have moved a token's `lastUsedAt`; `closed_at` is None while it is open."""

    opened_at: AwareDatetime
    closed_at: AwareDatetime | None = None


class StagedToken(_Frozen):
    """A derived token whose secret so far lives only here."""

    token_id: str
    secret: SecretStr
    scopes: tuple[str, ...]
    derived_at: AwareDatetime
    staged_at: AwareDatetime

    @field_serializer("secret", when_used="json")
    def _secret(self, value: SecretStr, info: SerializationInfo) -> str:
        return value.get_secret_value() if (info.context or {}).get(_REVEAL) else str(value)


class Intent(_Frozen):
    """One attempt under way. `expected_version` is the consumers' version that the promote will CAS against."""

    kind: Literal["rotation", "emergency", "rollback"] = "rotation"
    rotation_id: str
    label: str
    reason: str
    opened_at: AwareDatetime
    expected_version: int
    scopes: tuple[str, ...]
    token: StagedToken | None = None
    windows: tuple[VerifyWindow, ...] = ()


class RecordState(StrEnum):
    """Where a token of the ledger is in its life.

    ABANDONED: its attempt was given up; its token, if one exists, is an orphan. REVOKED: the exchange's own answer
    ended it.
    """

    CURRENT = "current"
    SUPERSEDED = "superseded"
    ABANDONED = "abandoned"
    REVOKING = "revoking"
    REVOKED = "revoked"


LIVE = frozenset({RecordState.CURRENT, RecordState.SUPERSEDED, RecordState.ABANDONED})
"""States of a token that nothing has begun to revoke."""


class TokenRecord(_Frozen):
    """One token this worker made or took over, or one label it asked for (`token_id` None: the answer never came).

    `adopted_as` is the label that an adopted token carries at the exchange; `label` is then only our name for it, so
    that other tokens of that label are never taken for ours. `tried_at` is when its revocation was last tried.
    `elsewhere_at` is when another credential's path was last seen to serve it, `elsewhere_in` whose that is.
    """

    rotation_id: str
    label: str
    state: RecordState
    token_id: str | None = None
    derived_at: AwareDatetime | None = None
    promoted_at: AwareDatetime | None = None
    promoted_version: int | None = None
    superseded_at: AwareDatetime | None = None
    abandoned_at: AwareDatetime | None = None
    revoking_at: AwareDatetime | None = None
    revoking_reason: str | None = None
    revoked_at: AwareDatetime | None = None
    windows: tuple[VerifyWindow, ...] = ()
    tried_at: AwareDatetime | None = None
    elsewhere_at: AwareDatetime | None = None
    elsewhere_in: str | None = None
    adopted_as: str | None = None
    last_used_by_others: AwareDatetime | None = None
    secret_destroyed: bool = False


class Failures(_Frozen):
    """Consecutive failed attempts; a successful close (or a person who resumes) resets them.

    `count` leads to parking. `passing` counts the attempts that ended because the exchange could not take them just
    then (throttled, not reachable, its answer lost): they back off, and never park. `lost` are those of them whose
    derive may have made a token all the same. `retry_at` was drawn when the last one failed, so that every worker waits
    for the same moment.
    """

    count: int = 0
    passing: int = 0
    lost: int = 0
    last_at: AwareDatetime | None = None
    retry_at: AwareDatetime | None = None
    last_reason: str | None = None

    @property
    def attempts(self) -> int:
        """All failed attempts since the last success: how far they are apart hangs on it."""
        return self.count + self.passing

    @property
    def may_have_made_tokens(self) -> int:
        """Failed attempts since the last success that may each have left a token behind."""
        return self.count + self.lost


class Journal(_Frozen):
    """Everything durable about one credential. `sequence` counts this document's writes."""

    schema_version: Literal[1] = 1
    sequence: int = 0
    credential: str
    account: str
    mount: str
    path: str
    intent: Intent | None = None
    ledger: tuple[TokenRecord, ...] = ()
    past_labels: tuple[str, ...] = ()
    failures: Failures = Failures()
    retired_at: AwareDatetime | None = None
    emergency_at: AwareDatetime | None = None
    """Since when a person wants every token but a fresh one revoked; None again when that is done."""

    @property
    def location(self) -> PathLocation:
        """The consumers' path that this journal belongs to."""
        return PathLocation(self.mount, self.path)

    @property
    def current(self) -> TokenRecord | None:
        """The record of the token that the consumers' path should serve, or None before the first promote."""
        # It was added last, unless tokens were taken over since, and those that ended before it are many.
        return next((record for record in reversed(self.ledger) if record.state is RecordState.CURRENT), None)

    def record_of(self, token_id: str) -> TokenRecord | None:
        """Return the ledger record of that token id, or None."""
        return next((record for record in self.ledger if record.token_id == token_id), None)

    @property
    def labels(self) -> frozenset[str]:
        """Every full label that was ever asked for by this journal, the open intent's included."""
        asked = (self.intent.label,) if self.intent is not None else ()
        return frozenset((*self.past_labels, *(record.label for record in self.ledger), *asked))

    def owns_label(self, label: str | None) -> bool:
        """Whether that is one of `labels`; for many questions at once ask those."""
        return label is not None and (
            label in self.past_labels
            or any(record.label == label for record in self.ledger)
            or (self.intent is not None and self.intent.label == label)
        )

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-ready document with the staged secret in the clear: for Vault and nothing else."""
        return self.model_dump(mode="json", context={_REVEAL: True}, exclude_none=True)


class VersionedJournal(NamedTuple):
    """A journal and the KV version it was read from (or written as)."""

    version: int
    journal: Journal


def new_journal(credential: str, account: str, location: PathLocation) -> Journal:
    """Return the empty journal of a credential that was never rotated."""
    return Journal(credential=credential, account=account, mount=location.mount, path=location.path)
