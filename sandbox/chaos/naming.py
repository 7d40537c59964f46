"""What a request on the wire is called, so that the same call of another credential has the same name."""

import base64
import json
import re
from collections.abc import Iterable
from typing import Final

from config.schema import Credential, VaultLayout
from sandbox.chaos.cells import RemoteCall, Scenario
from sandbox.chaos.wire import Message
from worker.redis import STREAM
from worker.redis.lease import LEASE_PREFIX

VAULT: Final = "vault"
EXCHANGE: Final = "exchange"
REDIS: Final = "redis"
_SUBJECT: Final = "did:privy:"
_TOKENS: Final = "/auth/api-tokens"


class Names:
    """Gives requests their names, from one credential's point of view.

    Args:
        credential: whose calls they are.
        layout: where its journal lives.
    """

    def __init__(self, credential: Credential, layout: VaultLayout) -> None:
        self._account = credential.account
        self._holders = {f"rotate:{credential.name}", f"revoke:{credential.account}"}
        self._told = f'"credential":"{credential.name}"'.encode()
        path = f"{credential.mount}/{credential.path}"
        self._resources = (
            # Longest first: the consumers' path is a part of the journal's.
            (f"{layout.journal_prefix}/{path}", "journal"),
            (f"{layout.account_prefix}/{credential.account}", "account"),
            (credential.path, "path"),
        )
        self._mounts = (layout.mount, layout.journal_mount, credential.mount)

    def of(self, server: str, message: Message) -> str | None:
        """Return the name, or None when the request is another credential's."""
        at = {VAULT: self._at_vault, EXCHANGE: self._at_exchange, REDIS: self._at_redis}
        resource = at[server](message)
        return f"{message.method.lower()}-{resource}" if resource else None

    def _at_vault(self, message: Message) -> str | None:
        target, _, query = message.target.partition("?")
        parts = target.removeprefix("/v1/").split("/")
        if parts[0] not in self._mounts or len(parts) < 3:  # noqa: PLR2004 - mount, kind, path
            return _slug("/".join(parts[-2:]))
        kind, path = parts[1], "/".join(parts[2:])
        for own, name in self._resources:
            if path == own:
                words = [name, "" if kind == "data" else kind, query]
                return _slug(" ".join(word for word in words if word))
        return None

    def _at_exchange(self, message: Message) -> str | None:
        who = account_of(message)
        if who is not None and who != self._account:
            return None
        target = message.target.partition("?")[0]
        if message.method == "DELETE" and target.startswith(f"{_TOKENS}/"):
            return "token"
        return "tokens" if target == _TOKENS else _slug(target.removeprefix(_TOKENS))

    def _at_redis(self, message: Message) -> str | None:
        """Name what a run asks of Redis; the broker's own commands and the setting up of connections are not named."""
        key = message.target
        if key == STREAM:
            return "events" if self._told in message.raw else None
        holder = key.removeprefix(LEASE_PREFIX)
        return f"lease-{holder.partition(':')[0]}" if holder != key and holder in self._holders else None


def account_of(message: Message) -> str | None:
    """Return the profile in the request's identity token, or None when another kind of login signs it."""
    parts = message.headers.get("identity", "").removeprefix("Bearer ").split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        return None
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    return str(claims["sub"]).removeprefix(_SUBJECT)


def calls_of(scenario: Scenario, seen: Iterable[tuple[str, str]]) -> tuple[RemoteCall, ...]:
    """Return a scenario's remote calls from what was seen: server and name, in order."""
    counts: dict[tuple[str, str], int] = {}
    calls = []
    for position, (server, name) in enumerate(seen, 1):
        counts[server, name] = counts.get((server, name), 0) + 1
        calls.append(RemoteCall(scenario, position, server, name, counts[server, name]))
    return tuple(calls)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
