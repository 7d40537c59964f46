"""From what Vault answers (or does not) to `worker.errors`.

The texts are ours: an answer's body, a request's headers and a library's exception can carry a secret, so none of
them is ever quoted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import requests
from urllib3.exceptions import NewConnectionError

from worker.errors import RotatorError, VaultForbiddenError, VaultRefusedError, VaultUnavailableError
from worker.network import MAX_ANSWER_BYTES, TooMuchAnsweredError
from worker.vault.network import EncodedAnswerError

# Vault's own, besides those of HTTP.
_DR_SECONDARY: Final = 472
_PERFORMANCE_STANDBY: Final = 473

_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_LONGEST_WAIT: Final = 3600
_SERVER: Final = re.compile(r"https?://(\[[0-9a-f:.]{2,45}\]|[a-z0-9][a-z0-9.-]{0,252})(:[0-9]{1,5})?(?=[/?#]|$)", re.I)

_CAS_MISMATCH: Final = "check-and-set parameter"
_SEALED: Final = "vault is sealed"

_UNAVAILABLE: Final = {
    HTTPStatus.PRECONDITION_FAILED: "is behind its primary",
    HTTPStatus.TOO_MANY_REQUESTS: "is throttling us",
    _DR_SECONDARY: "is a disaster-recovery secondary",
    _PERFORMANCE_STANDBY: "is a standby that does not forward requests",
    HTTPStatus.NOT_IMPLEMENTED: "is not initialised",
}

_EXPLAINED: Final = {
    "invalid role or secret id": "the role id or secret id is not valid (any more): issue a new secret id, which is "
    "read from VAULT_SECRET_ID_FILE at the next login",
    "maximum number of strings": "the document is more complex than Vault allows",
    "too large": "the document is larger than Vault allows",
    "no handler for route": "no secrets engine is mounted there: enable KV version 2",
    "unsupported path": "the secrets engine mounted there is not KV version 2",
    "unsupported operation": "the secrets engine mounted there is not KV version 2",
}


class NoAnswerError(VaultUnavailableError):
    """The request may have reached Vault, and no whole answer came back: for a read, as good as unavailable."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Vault answered: `body` is empty when it was not a JSON object, `elsewhere` the server that it points to."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    retry_after: timedelta | None = None
    elsewhere: str | None = None

    @property
    def data(self) -> Mapping[str, Any]:
        """The body's `data`, empty when there is none."""
        data = self.body.get("data")
        return data if isinstance(data, dict) else {}

    @property
    def is_absent(self) -> bool:
        """Whether Vault itself says that there is nothing at this path (and not some proxy before it)."""
        return self.status == HTTPStatus.NOT_FOUND and self.body.get("errors") == []

    def says(self, phrase: str) -> bool:
        """Whether one of Vault's errors contains that phrase (in lower case)."""
        errors = self.body.get("errors")
        return isinstance(errors, list) and any(phrase in str(error).lower() for error in errors)

    @property
    def is_cas_mismatch(self) -> bool:
        """Whether check-and-set refused the write."""
        return self.status == HTTPStatus.BAD_REQUEST and self.says(_CAS_MISMATCH)

    @property
    def is_sealed(self) -> bool:
        """Whether Vault was sealed: then nothing was carried out."""
        return self.status == HTTPStatus.SERVICE_UNAVAILABLE and self.says(_SEALED)

    @property
    def may_have_landed(self) -> bool:
        """Whether a write that was answered so may have been carried out all the same."""
        failed = self.status >= HTTPStatus.INTERNAL_SERVER_ERROR and self.status != HTTPStatus.NOT_IMPLEMENTED
        # A 2xx that was cut short or rewritten on the way comes here too: it proves nothing.
        return self.status < HTTPStatus.MULTIPLE_CHOICES or (failed and not self.is_sealed)


def read_answer(response: requests.Response) -> Answer:
    """Return what the response says, whatever it looks like."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        # Whoever writes a consumers' path chooses what is in it: values nested deeper than Python reads, for instance.
        body = None
    wait = response.headers.get("Retry-After", "")
    return Answer(
        status=response.status_code,
        body=body if isinstance(body, dict) else {},
        retry_after=timedelta(seconds=min(int(wait), _LONGEST_WAIT)) if _SECONDS.fullmatch(wait) else None,
        elsewhere=_server_of(response.headers.get("Location", "")),
    )


def transport_error(exc: requests.RequestException, *, address: str, act: str) -> RotatorError:
    """Return our error for a request that got no answer: NoAnswerError when it may have reached Vault.

    Args:
        exc: what requests raised; it holds the token and is not to be chained.
        address: Vault's.
        act: what was tried, as in "could not <act>".
    """
    failed = f"could not {act}"
    if isinstance(exc, requests.exceptions.ConnectTimeout) or _never_connected(exc):
        return VaultUnavailableError(
            f"Vault at {address} cannot be reached: {failed}. Check VAULT_ADDR and the network."
        )
    if isinstance(exc, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(exc):
        return VaultRefusedError(
            f"The certificate of Vault at {address} is not trusted: {failed}. Let VAULT_CACERT name its authority."
        )
    if isinstance(exc, ValueError):  # requests' own: a bad URL, scheme or header
        return VaultRefusedError(f"Vault's address {address} or the login is malformed: {failed}. Check VAULT_ADDR.")
    if isinstance(exc, EncodedAnswerError):
        return NoAnswerError(
            f"Vault at {address} answered in an encoding that nobody asked for, so it was not read: {failed}. Look at "
            "what stands between."
        )
    if _too_much(exc):
        return NoAnswerError(
            f"Vault at {address} answered with more than {MAX_ANSWER_BYTES} bytes (too large): {failed}."
        )
    if isinstance(exc, requests.exceptions.Timeout):
        return NoAnswerError(f"Vault at {address} did not answer in time: {failed}.")
    return NoAnswerError(f"The connection to Vault at {address} broke: {failed}.")


def refusal(answer: Answer, *, address: str, act: str) -> RotatorError:
    """Return our error for an answer that is not the one hoped for; arguments as for `transport_error`."""
    failed = f"could not {act}"
    if answer.is_sealed:
        return VaultUnavailableError(f"Vault at {address} is sealed: {failed}. Unseal it.")
    if answer.says("upgrading from non-versioned"):
        return VaultUnavailableError(f"Vault at {address} is still preparing the mount: {failed}.")
    if answer.status in _UNAVAILABLE:
        return VaultUnavailableError(
            f"Vault at {address} {_UNAVAILABLE[answer.status]}: {failed}.", retry_after=answer.retry_after
        )
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return VaultUnavailableError(
            f"Vault at {address} answered {answer.status}: {failed}.", retry_after=answer.retry_after
        )
    if answer.status == HTTPStatus.FORBIDDEN:
        return VaultForbiddenError(
            f"Vault at {address} denied it: {failed}. The policy does not allow it (see deploy/vault), the mount does "
            "not exist, or the token in VAULT_TOKEN has expired."
        )
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        # A standby that forwards nothing answers 307: that passes with the fail-over, or is how the cluster is set up.
        kind = VaultUnavailableError if answer.status == HTTPStatus.TEMPORARY_REDIRECT else VaultRefusedError
        return kind(
            f"Vault at {address} redirects elsewhere{f' ({answer.elsewhere})' if answer.elsewhere else ''}: {failed}. "
            "Redirects are not followed, since the login would go along. Let VAULT_ADDR name the active node or a load "
            "balancer before it, or let the standbys forward requests."
        )
    why = next((text for phrase, text in _EXPLAINED.items() if answer.says(phrase)), None)
    reason = why or f"status {answer.status}; Vault's audit log has its reason"
    return VaultRefusedError(f"Vault at {address} refused it ({reason}): {failed}.")


def login_denied(*, address: str) -> str:
    """Return what to say of an AppRole login that was answered 403, as nothing but these two are."""
    return (
        f"Vault at {address} denied the AppRole login itself: the role is locked out after too many bad logins, "
        "whoever made them (then even the right secret id is refused, for 15 minutes unless tuned otherwise), or this "
        "machine's address is not among those that the role is bound to. Look in Vault's audit log for who logs in "
        "with this role id. This ends a lockout and prevents the next: "
        "vault auth tune -user-lockout-disable=true approle/"
    )


def _too_much(exc: BaseException) -> bool:
    # The libraries wrap what a socket raises as an argument of theirs.
    return isinstance(exc, TooMuchAnsweredError) or any(
        _too_much(one) for one in exc.args if isinstance(one, Exception)
    )


def _server_of(url: str) -> str | None:
    """Return scheme, host and port of a URL, for a message; None when they are not plain."""
    found = _SERVER.match(url)
    return found[0] if found else None


def _never_connected(exc: requests.RequestException) -> bool:
    cause = exc.args[0] if exc.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)
