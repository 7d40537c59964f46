"""The error tree: every failure is transient, permanent, ambiguous or a conflict.

Adapters translate what their libraries raise into these at the edge, with the address, path, account or credential
in the message and never a secret. The four branches say what a caller may do:

* `TransientError`: nothing happened; the same request may be sent again later.
* `PermanentError`: nothing happened; the same request will be refused again until a person changes something.
* `AmbiguousError`: the request may have been carried out; reconcile, never blindly repeat.
* `ConflictError`: somebody else was faster; re-read, stop, leave everything as the journal says.
"""

from datetime import timedelta


class RotatorError(Exception):
    """Root of every error that this project raises on purpose; `str()` of one is safe to show and to log."""


class TransientError(RotatorError):
    """Nothing happened and the same request may succeed later.

    Args:
        message: what happened, where.
        retry_after: how long the other side asked us to wait, if it did.
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(RotatorError):
    """Nothing happened, and repeating the request changes nothing."""


class AmbiguousError(RotatorError):
    """The request may or may not have been carried out."""


class ConflictError(RotatorError):
    """Somebody else changed what this act was decided on."""


class StoodStillError(ConflictError):
    """So much time has passed since the facts were read that somebody else may have changed anything."""


# --- the exchange ---------------------------------------------------------------------------------------------------


class ExchangeUnavailableError(TransientError):
    """The exchange could not be reached, throttled us (429) or answered 502, 503 or 504."""


class ExchangeRefusedError(PermanentError):
    """The exchange understood the request and refused it.

    Args:
        message: what was refused, for which account, and why.
        status: the HTTP status.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class AuthenticationRefusedError(ExchangeRefusedError):
    """401 although our clock agrees with the exchange's: the token or identity is not accepted."""


class UnusableSecretError(PermanentError):
    """The secret is not of the form that requests are signed with: no call was made, and none ever can be."""


class ClockSkewError(PermanentError):
    """401, and the exchange's `Date` differs from our clock by more than 30 s: says nothing about the token.

    Args:
        message: names the size and direction of the difference.
        skew: exchange's clock minus ours.
    """

    def __init__(self, message: str, *, skew: timedelta) -> None:
        super().__init__(message)
        self.skew = skew


class UnreadableAnswerError(PermanentError):
    """A 2xx whose body is not what the interface promises (HTML, truncated or empty JSON, missing fields)."""


class AmbiguousDeriveError(AmbiguousError):
    """A derive was sent and its answer is unknown: a token may exist whose secret nobody has."""


class WrongProfileError(PermanentError):
    """The identity in place belongs to another profile than the account: nothing was sent.

    Args:
        account: its name.
        bound: the profile that the account is bound to, in words.
        found: the profile of the identity in place, in words.
    """

    def __init__(self, account: str, *, bound: str, found: str) -> None:
        super().__init__(
            f"The identity in place for account {account} belongs to another profile: the account is bound to {bound}, "
            f"and the identity is of {found}. Nothing is derived or revoked with it, and its list is not believed. Put "
            f"the identity of the account's own profile in place. Only if the account has really moved to another "
            f"profile: rotator trust {account} --profile"
        )


class UnknownProfileError(TransientError):
    """Which profile the identity in place belongs to could not be found out: nothing was sent.

    Args:
        account: its name.
        bound: the profile that the account is bound to, in words; "unknown" before first contact.
    """

    def __init__(self, account: str, *, bound: str) -> None:
        super().__init__(
            f"Which profile the identity in place for account {account} belongs to is unknown (the account is bound "
            f"to: {bound}). Nothing is derived or revoked with it, and its list is not believed. The identity token "
            f"should have a `sub`, and the exchange should answer for its capabilities."
        )


class IdentityUnavailableError(PermanentError):
    """No usable identity token: missing, unreadable or expired. Nothing was sent."""


# --- Vault ----------------------------------------------------------------------------------------------------------


class VaultUnavailableError(TransientError):
    """Vault could not be reached, is sealed, in standby, restarting or throttling: nothing was read or written."""


class VaultForbiddenError(PermanentError):
    """Vault denied the path after a fresh login: the policy lacks it."""


class VaultRefusedError(PermanentError):
    """Vault refused the request for another reason (missing mount, not KV v2, too large, bad credentials)."""


class VaultDocumentError(PermanentError):
    """What a path holds cannot be understood (unknown journal schema, damaged document): hands off."""


class CasConflictError(ConflictError):
    """Check-and-set refused, and the read-back shows somebody else's write id."""


class TransitionError(ConflictError):
    """The journal does not allow that change: somebody else has changed what it was decided on."""


class AmbiguousWriteError(AmbiguousError):
    """A write was sent, its answer is unknown, and the read-back failed as well."""


class JournalFullError(PermanentError):
    """The journal nears Vault's entry size; no further intent is opened until it is compacted."""


# --- configuration --------------------------------------------------------------------------------------------------


class UnknownNameError(PermanentError):
    """No credential or account of that name is configured."""
