"""Identity tokens from the settings and from a file; an expired one is refused before it is sent."""

from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from worker.errors import IdentityUnavailableError
from worker.identity.jwt import NotAJwtError, expiry
from worker.ports import Clock

MAX_FILE_BYTES = 64 * 1024
"""A JWT is about one KiB; whatever is larger is the wrong file."""

_SETTLE_SECONDS = 0.05


class StaticIdentity:
    """The token that the settings hold. It cannot be renewed without a restart, so it suits trials and the CLI.

    Args:
        token: the JWT.
        account: whose identity it is, for messages.
        clock: decides whether it has expired.
    """

    def __init__(self, token: SecretStr, *, account: str, clock: Clock) -> None:
        self._token = SecretStr(token.get_secret_value().strip())
        self._account = account
        self._clock = clock

    def token(self) -> SecretStr:
        """Return the token, or raise IdentityUnavailableError when it is empty, not a JWT or expired."""
        return _unexpired(self._token, account=self._account, origin=self._origin, now=self._clock.now())

    def expires_at(self) -> datetime | None:
        """Return its `exp`, past or not; None when it has none. Raises IdentityUnavailableError when unreadable."""
        return _expiry(self._token, account=self._account, origin=self._origin)

    @property
    def _origin(self) -> str:
        return "in the settings (LIMITLESS_IDENTITY_TOKEN)"


class FileIdentity:
    """A token in a file that somebody else keeps fresh.

    The file is read at every call instead of being watched: it is small, and no change can then be missed, whether
    the file is replaced, rewritten in place, or rewritten twice within one tick of the file system's clock.

    Args:
        path: holds the JWT and nothing else; surrounding white space is ignored.
        account: whose identity it is, for messages.
        clock: decides whether it has expired.
    """

    def __init__(self, path: Path, *, account: str, clock: Clock) -> None:
        self._path = path
        self._account = account
        self._clock = clock

    def token(self) -> SecretStr:
        """Return the file's token; IdentityUnavailableError when it is missing, empty, not a JWT or expired."""
        return _unexpired(self._read(), account=self._account, origin=self._origin, now=self._clock.now())

    def expires_at(self) -> datetime | None:
        """Return its `exp`, past or not; None when it has none. Raises IdentityUnavailableError when unreadable."""
        return _expiry(self._read(), account=self._account, origin=self._origin)

    @property
    def _origin(self) -> str:
        return f"in {self._path}"

    def _read(self) -> SecretStr:
        content = self._content()
        if not content.get_secret_value():
            # A writer that does not replace the file atomically empties it for a moment.
            self._clock.sleep(_SETTLE_SECONDS)
            content = self._content()
        return content

    def _content(self) -> SecretStr:
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as exc:
            reason = exc.strerror or type(exc).__name__
        else:
            if len(content) <= MAX_FILE_BYTES:
                # Whatever is not ASCII is no JWT; the replacement character makes it fail that check.
                return SecretStr(content.decode("ascii", errors="replace").strip())
            reason = f"it is larger than {MAX_FILE_BYTES} bytes"
        raise IdentityUnavailableError(
            f"Account {self._account}: the identity token's file {self._path} cannot be read ({reason}). Nothing was "
            "sent. Put a fresh token there, readable by the worker, or correct identity_token_file."
        )


def _expiry(token: SecretStr, *, account: str, origin: str) -> datetime | None:
    if not token.get_secret_value():
        raise _refusal("is empty", account=account, origin=origin)
    try:
        return expiry(token)
    except NotAJwtError as exc:
        raise _refusal(str(exc), account=account, origin=origin) from exc


def _unexpired(token: SecretStr, *, account: str, origin: str, now: datetime) -> SecretStr:
    expires_at = _expiry(token, account=account, origin=origin)
    if expires_at is not None and expires_at <= now:
        raise _refusal(f"expired at {expires_at:%Y-%m-%d %H:%M:%S} UTC", account=account, origin=origin)
    return token


def _refusal(problem: str, *, account: str, origin: str) -> IdentityUnavailableError:
    return IdentityUnavailableError(
        f"Account {account}: the identity token {origin} {problem}. Nothing was sent. Log the account in again and put "
        "the fresh token there."
    )
