"""The shape of the settings: frozen, validated, without I/O.

`config.settings` fills these from the TOML file and the environment. Durations are `timedelta`; docs/configuration.md
lists every key with its default and unit.
"""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from config.durations import Duration, DurationOrZero

PRODUCTION_API_URL = "https://api.limitless.exchange"
MAX_LABEL_LENGTH = 128
ROTATION_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
ROTATION_ID_LENGTH = 20
"""Characters of base 32 (`a-z2-7`): 100 random bits, more than the 80 that keep a label unique for good."""


class Scope(StrEnum):
    """The scopes that a profile can give to its own tokens."""

    TRADING = "trading"
    ACCOUNT_CREATION = "account_creation"
    DELEGATED_SIGNING = "delegated_signing"
    WITHDRAWAL = "withdrawal"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Policy(_Frozen):
    """When a credential's tokens are rotated, revoked and flagged. Levels: defaults, account, credential."""

    rotation_period: Duration | None = timedelta(days=7)
    rotation_schedule: str | None = None
    rotation_timezone: str = "UTC"
    rotation_window: Duration | None = None
    spread: float = Field(default=0.1, ge=0, le=0.5, strict=True)
    max_age: Duration = timedelta(days=14)
    grace: Duration = timedelta(hours=24)
    quiet_period: DurationOrZero = timedelta(hours=1)
    max_overlap: Duration = timedelta(days=3)
    require_adoption: bool = Field(default=True, strict=True)
    on_overlap: Literal["wait", "revoke"] = "wait"
    lastused_lag: DurationOrZero = timedelta(minutes=15)
    stale_after: Duration = timedelta(days=14)
    stale_for: Duration = timedelta(days=7)
    unused_after: Duration = timedelta(days=2)
    on_stale: Literal["flag", "revoke"] = "flag"
    freeze_sight: Duration = timedelta(days=14)
    pause_limit: Duration = timedelta(days=1)
    derive_deadline: Duration = timedelta(minutes=2)
    verify_deadline: Duration = timedelta(seconds=30)
    max_clock_skew: Duration = timedelta(seconds=30)
    backoff_base: Duration = timedelta(minutes=1)
    backoff_cap: Duration = timedelta(hours=6)
    park_after: int = Field(default=5, ge=1)

    @property
    def nominal_period(self) -> timedelta:
        """How far rotations are apart: `rotation_period`; by schedule nobody can say, and only `max_age` bounds it."""
        return self.rotation_period or self.max_age


OTHER_SERVED_FIELDS = frozenset(
    {
        "scopes", "label", "account", "api_url", "derived_at", "promoted_at", "rotation_id", "sequence", "write_id",
        "tombstone",
    }
)  # fmt: skip
"""What a consumers' path holds beside the two fields of `FieldNames`: names that those two may not take."""


class FieldNames(_Frozen):
    """Under which names a consumers' path holds the two fields that services feed to their client."""

    token_id: str = "token_id"  # noqa: S105 - a field's name
    secret: str = "secret"  # noqa: S105 - a field's name


class Credential(_Frozen):
    """One managed credential, its policy already merged from the three levels."""

    name: str
    account: str
    mount: str
    path: str
    scopes: tuple[Scope, ...] = (Scope.TRADING,)
    fields: FieldNames = FieldNames()
    policy: Policy = Policy()


class Guards(_Frozen):
    """What keeps a mistaken list or plan from doing harm to a whole account."""

    max_revocations: int = Field(default=10, ge=1, strict=True)
    max_revocations_share: float = Field(default=0.5, gt=0, le=1, strict=True)
    shrink_limit: float = Field(default=0.5, gt=0, le=1, strict=True)
    confirm_after: Duration = timedelta(minutes=5)
    foreign: Literal["report", "alert"] = "report"


class Freeze(_Frozen):
    """An interval in which nothing is rotated or revoked, dated (`start` to `until`) or recurring.

    A recurring one begins at each time of `schedule` (cron, in `timezone`) and lasts `duration`. It concerns the named
    accounts, or all of them when none is named.
    """

    reason: str
    start: AwareDatetime | None = None
    until: AwareDatetime | None = None
    schedule: str | None = None
    timezone: str = "UTC"
    duration: Duration | None = None
    accounts: tuple[str, ...] = ()


class Account(_Frozen):
    """One Limitless profile. Exactly one of the two identity sources is set; in beat, none is."""

    name: str
    api_url: str = PRODUCTION_API_URL
    identity_token: SecretStr | None = None
    identity_token_file: Path | None = None
    guards: Guards = Guards()


class VaultLayout(_Frozen):
    """Where things live in Vault; `max_versions` is set on every consumers' path that the worker creates."""

    mount: str = "trading"
    path_prefix: str = "limitless"
    journal_mount: str = "rotator"
    journal_prefix: str = "journal"
    account_prefix: str = "account"
    max_versions: int = Field(default=20, ge=4, le=1000, strict=True)


_LATE_SWEEPS = 10
_LATE_AT_LEAST = timedelta(minutes=15)


class Schedule(_Frozen):
    """How often beat wakes the worker up."""

    rotate_every: Duration = timedelta(minutes=1)
    revoke_every: Duration = timedelta(minutes=1)
    flag_every: Duration = timedelta(minutes=5)
    late_after: Duration | None = None

    @property
    def longest_wait(self) -> timedelta:
        """How long a rotation that could begin may wait before a person is told."""
        return self.late_after or max(_LATE_SWEEPS * self.rotate_every, _LATE_AT_LEAST)


class Infrastructure(_Frozen):
    """What the environment says: servers and the worker's own credentials for them.

    Beat asks nothing of Vault, so it has no address of it and no login. `outside_cacert` and `outside_proxy` are about
    what lies outside of the own network: the exchange and Sentry.
    """

    redis_url: SecretStr
    vault_addr: str = ""
    vault_token: SecretStr | None = None
    vault_role_id: SecretStr | None = None
    vault_secret_id: SecretStr | None = None
    vault_secret_id_file: Path | None = None
    vault_namespace: str | None = None
    vault_cacert: Path | None = None
    outside_cacert: Path | None = None
    outside_proxy: SecretStr | None = None
    sentry_dsn: SecretStr | None = None
    sentry_environment: str = "production"


class Settings(_Frozen):
    """Everything the worker is told, validated together."""

    infrastructure: Infrastructure
    vault: VaultLayout
    schedule: Schedule
    accounts: tuple[Account, ...]
    credentials: tuple[Credential, ...]
    freezes: tuple[Freeze, ...] = ()

    def account(self, name: str) -> Account:
        """Return the account of that name, or raise KeyError."""
        return {account.name: account for account in self.accounts}[name]

    def credential(self, name: str) -> Credential:
        """Return the credential of that name, or raise KeyError."""
        found = next((credential for credential in self.credentials if credential.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def credentials_of(self, account: str) -> tuple[Credential, ...]:
        """Return the credentials of that account in the file's order."""
        return tuple(one for one in self.credentials if one.account == account)
