"""The worker's AppRole: its secret id as it is now, and how long not to try after a refused login.

Vault and OpenBao lock a role out after five bad logins (for 15 minutes unless tuned), whoever made them, and then
refuse the right secret id as well. So refused logins are spaced: four come within the first minutes, too few to lock
the role out by themselves, and then one comes every 20 minutes, by which time Vault has forgotten them. Another secret
id in the file is tried at once.
"""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from worker.errors import VaultRefusedError, VaultUnavailableError
from worker.ports import Clock

WAITS: Final = (30.0, 120.0, 480.0, 1200.0)
"""Seconds to the next login after the first refused one, the second and so on; the last counts from there on."""
JITTER: Final = 0.2
"""The part of a wait by which it may be longer, so that workers do not come back together."""
_MAX_FILE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Refused:
    secret_id: SecretStr
    times: int
    next_at: float
    why: str


class AppRole:
    """A role id, where the secret id comes from, and what became of the last login. The caller keeps threads apart.

    Args:
        role_id: names the role; no secret to rely on.
        secret_id: as it was when the process started; used when there is no file.
        secret_id_file: read anew at each login.
        clock: measures the waits.
    """

    def __init__(self, role_id: SecretStr, secret_id: SecretStr, *, secret_id_file: Path | None, clock: Clock) -> None:
        self.role_id = role_id
        self._given = secret_id
        self._file = secret_id_file
        self._clock = clock
        self._refused: _Refused | None = None

    def secret_id_to_try(self) -> SecretStr:
        """Return the present secret id.

        Raises:
            VaultUnavailableError: its file cannot be read.
            VaultRefusedError: it was refused, and it is too early to try it again.
        """
        secret_id = self._given if self._file is None else _content(self._file)
        refused = self._refused
        if refused is not None and secret_id == refused.secret_id:
            left = refused.next_at - self._clock.monotonic()
            if left > 0:
                anew = f", or at once when {self._file} holds another secret id" if self._file else ""
                raise VaultRefusedError(
                    f"{refused.why} {_times(refused.times)} refused; the next login is tried in {left:.0f} s{anew}."
                )
        return secret_id

    def refuse(self, secret_id: SecretStr, why: str) -> None:
        """Take note that Vault refused a login, and let the next one wait."""
        times = self._refused.times + 1 if self._refused else 1
        wait = WAITS[min(times, len(WAITS)) - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311 - spreads load
        self._refused = _Refused(secret_id, times, self._clock.monotonic() + wait, why)

    def accept(self) -> None:
        """Take note that a login succeeded."""
        self._refused = None


def _content(path: Path) -> SecretStr:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE_BYTES).decode("utf-8").strip()
    except (OSError, ValueError) as exc:
        problem = f"cannot be read ({exc.strerror if isinstance(exc, OSError) else 'not text'})"
    else:
        if text:
            return SecretStr(text)
        problem = "is empty"
    raise VaultUnavailableError(
        f"The secret id's file {path} {problem}, so nobody logged in to Vault. Put the secret id there, readable by "
        "the worker; it is read again at the next login, without a restart."
    )


def _times(number: int) -> str:
    return "It was" if number == 1 else f"It was {number} times in a row"
