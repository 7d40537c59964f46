"""Whose an identity token is: asked once for each token, and remembered by the token's digest."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from worker.errors import ExchangeRefusedError, RotatorError, UnknownProfileError, WrongProfileError
from worker.models import Capabilities, Profile
from worker.ports import Clock

_ASK_AGAIN_SECONDS = 60.0
"""After a look-up that failed for now: an exchange that is away is not asked twice for every call."""

_NOT_TOLD = frozenset({403, 404})
_KEPT = 8
"""Identity tokens live for about an hour, and one account has one at a time."""


@dataclass(frozen=True, slots=True)
class _Found:
    profile: Profile
    ask_again_at: float | None


class Profiles:
    """What is known of the profile that each identity token belongs to. Shared by all threads.

    Args:
        account: whose identities they should be, for messages.
        ask: returns the capabilities by that very token within those seconds, or raises RotatorError.
        subject_of: reads a token's `sub`.
        clock: measures when a failed look-up is repeated.
    """

    def __init__(
        self,
        *,
        account: str,
        ask: Callable[[SecretStr, float], Capabilities],
        subject_of: Callable[[SecretStr], str | None],
        clock: Clock,
    ) -> None:
        self._account = account
        self._ask = ask
        self._subject_of = subject_of
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[bytes, _Found] = {}

    def of(self, token: SecretStr, *, seconds: float) -> Profile:
        """Return what is known of that token's profile; a look-up takes no longer than `seconds`.

        Without an answer about the capabilities the token's `sub` alone is known.
        """
        key = _key(token)
        with self._lock:
            known = self._found.get(key)
            if known is not None and (known.ask_again_at is None or self._clock.monotonic() < known.ask_again_at):
                return known.profile
            found = self._look_up(token, seconds)
            self._found = {**dict(list(self._found.items())[1 - _KEPT :]), key: found}
            return found.profile

    def known(self, token: SecretStr) -> Profile:
        """Return what was found out about that token, without asking."""
        with self._lock:
            found = self._found.get(_key(token))
        return found.profile if found is not None else Profile(subject=self._subject_of(token))

    def require(self, token: SecretStr, expected: Profile, *, seconds: float) -> None:
        """Raise WrongProfileError or UnknownProfileError unless the token is of that profile."""
        found = self.of(token, seconds=seconds)
        if expected.contradicts(found):
            raise WrongProfileError(self._account, bound=str(expected), found=str(found))
        if not expected.confirms(found):
            raise UnknownProfileError(self._account, bound=str(expected))

    def _look_up(self, token: SecretStr, seconds: float) -> _Found:
        subject = self._subject_of(token)
        try:
            capabilities = self._ask(token, seconds)
        except RotatorError as error:
            # A profile that has no capabilities to tell of will not have any while this token lives.
            final = isinstance(error, ExchangeRefusedError) and error.status in _NOT_TOLD
            return _Found(Profile(subject=subject), None if final else self._clock.monotonic() + _ASK_AGAIN_SECONDS)
        return _Found(Profile(partner_profile_id=capabilities.partner_profile_id, subject=subject), None)


def _key(token: SecretStr) -> bytes:
    return hashlib.sha256(token.get_secret_value().encode()).digest()
