"""The seams between decisions and the world. Adapters and test fakes implement these; `wiring` picks one.

Errors named here are from `worker.errors`; an adapter lets nothing else out.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import SecretStr

from worker.account_ledger import AccountLedger, VersionedLedger
from worker.journal import Journal, VersionedJournal
from worker.models import (
    Capabilities,
    ConsumersPath,
    Departure,
    DerivedToken,
    PathLocation,
    Profile,
    RevokeResult,
    ServedDocument,
    ServedVersion,
    TokenList,
    WriteReceipt,
)
from worker.policy.steps import Outcome


class Clock(Protocol):
    """The time, and the passing of it; a test's clock moves when told to."""

    def now(self) -> datetime:
        """Return the present as timezone-aware UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never jumps."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that long."""
        ...


class IdentitySource(Protocol):
    """Where one account's identity token (a JWT of about an hour) comes from."""

    def token(self) -> SecretStr:
        """Return a token that has not expired, or raise IdentityUnavailableError."""
        ...

    def expires_at(self) -> datetime | None:
        """Return when the present token expires or expired; None when it does not say.

        Raises IdentityUnavailableError when there is no readable token.
        """
        ...


class Exchange(Protocol):
    """One account at the exchange, signed with the account's identity."""

    def get_capabilities(self) -> Capabilities:
        """Return what the profile may do, or raise TransientError or PermanentError."""
        ...

    def profile(self) -> Profile:
        """Return what is known of the profile that the identity in place belongs to; it may be nothing.

        Raises IdentityUnavailableError when there is no identity.
        """
        ...

    def list_tokens(self) -> TokenList:
        """Return every live token of the profile, and whose that is; or raise TransientError or PermanentError."""
        ...

    def derive_token(
        self, label: str, scopes: Sequence[str], *, deadline: timedelta, profile: Profile | None = None
    ) -> DerivedToken:
        """Return a fresh token.

        Args:
            label: at most 128 characters.
            scopes: a non-empty subset of the profile's allowed scopes.
            deadline: the total time the call may take.
            profile: whose identity must sign it; judged on the very identity that signs. None: anybody's.

        Raises:
            WrongProfileError, UnknownProfileError: it is another one's, or perhaps; nothing was sent.
            AmbiguousDeriveError: the request may have left and no whole answer came back.
            TransientError: it certainly was not carried out (no connection, 429).
            PermanentError: it was refused.
        """
        ...

    def revoke_token(self, token_id: str, *, profile: Profile | None = None) -> RevokeResult:
        """Invalidate a token; one that is gone already is success.

        Args:
            token_id: the token.
            profile: whose identity must sign it, as for `derive_token`.

        Raises TransientError or PermanentError; of these WrongProfileError and UnknownProfileError with nothing sent.
        """
        ...

    def list_tokens_as(self, token_id: str, secret: SecretStr) -> TokenList:
        """Return the list, signed by that token itself: a harmless call that proves that the token works.

        Raises AuthenticationRefusedError when the token is not accepted (and the clocks agree), ClockSkewError when
        they do not, TransientError and PermanentError otherwise.
        """
        ...


class ConsumersStore(Protocol):
    """The KV v2 paths that trading services read."""

    def read(self, location: PathLocation) -> ConsumersPath:
        """Return the latest version there (an unwritten path: version 0, EMPTY).

        Raises TransientError or PermanentError.
        """
        ...

    def write(self, location: PathLocation, document: ServedDocument, *, cas: int) -> WriteReceipt:
        """Write the document as the version after `cas`.

        Raises CasConflictError, AmbiguousWriteError, TransientError (certainly not written) or PermanentError.
        """
        ...

    def write_tombstone(self, location: PathLocation, *, cas: int) -> WriteReceipt:
        """Write a document that serves nothing, to fence an empty path; raises as `write` does."""
        ...

    def rewrite(self, location: PathLocation, *, cas: int) -> ConsumersPath:
        """Write what version `cas` holds once more, unchanged but for a fresh write id, as the version after it.

        Fields that are not ours stay, and what people wrote stays theirs. Where nothing is served (never written, or
        deleted) it is a tombstone. Return the path as this very write left it; raises as `write` does.
        """
        ...

    def find(self, location: PathLocation, token_id: str, *, prefer: int | None) -> ServedVersion | None:
        """Return a version there that serves that token, or None. Raises TransientError or PermanentError.

        Version `prefer`, the one that a worker promoted, comes first: people may have written the token's id beside
        any secret later. Without it, it is the newest.
        """
        ...

    def departure(
        self, location: PathLocation, token_id: str, *, secret: SecretStr | None = None, unreadable: bool = True
    ) -> Departure | None:
        """Return when that token was last at the path and when it left; None when no version that is left held it.

        Any version that names the token counts, whoever wrote it; with a secret only one that serves the token with
        that very secret. One that was deleted and cannot be read may have held it, and counts if `unreadable`. Of
        versions that were destroyed or trimmed nothing is known. Raises TransientError or PermanentError.
        """
        ...

    def destroy_secret(self, location: PathLocation, token_id: str) -> tuple[int, ...]:
        """Destroy every version but the latest that holds that token; return the version numbers destroyed.

        Destroying what is destroyed is success. Raises TransientError or PermanentError.
        """
        ...


class JournalStore(Protocol):
    """The journals: one for each consumers' path, readable by the worker alone."""

    def read(self, location: PathLocation) -> VersionedJournal | None:
        """Return the journal of that *consumers'* path and its version, or None when there never was one."""
        ...

    def write(self, location: PathLocation, journal: Journal, *, cas: int) -> VersionedJournal:
        """Write the journal as the version after `cas` (0 for a first write) and return it with its new version.

        Raises CasConflictError, AmbiguousWriteError, TransientError (certainly not written) or PermanentError.
        """
        ...

    def server_time(self) -> datetime:
        """Return Vault's own clock (whole seconds), or raise TransientError."""
        ...


class AccountLedgers(Protocol):
    """What is durable about whole accounts."""

    def read(self, account: str) -> VersionedLedger:
        """Return the account's ledger and its version; an empty one and 0 when there never was one.

        Raises TransientError or PermanentError.
        """
        ...

    def write(self, ledger: AccountLedger, *, cas: int) -> VersionedLedger:
        """Write the ledger as the version after `cas`; raises as `JournalStore.write` does."""
        ...


class Leases(Protocol):
    """Time-limited exclusive rights: they spare work, they decide nothing."""

    def hold(self, name: str, ttl: timedelta) -> AbstractContextManager[bool]:
        """Enter with True when held, or when the lease server is down; with False when another holds it."""
        ...


class OutcomeSink(Protocol):
    """Where outcomes go: the log, the event stream, alerts. Never raises."""

    def record(self, outcome: Outcome) -> None:
        """Take note of one outcome."""
        ...
