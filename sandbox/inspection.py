"""What really happened, judged from outside the worker: the exchange's own ledger and what Vault holds."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from config.schema import Credential, Settings
from sandbox.exchange.records import TokenEntry
from sandbox.leaks import Finding, LeakScanner
from sandbox.observers import everything_in
from sandbox.stack import Stack
from worker.journal import Journal
from worker.models import PathLocation
from worker.vault.documents import parse_journal

ORDERS = frozenset({"order", "profile"})
"""The calls that only the trader sends."""

HTTP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Holding:
    """What Vault holds of one credential.

    Attributes:
        promotions: how many promotions its journal remembers.
        texts: everything, all versions and the journal, as written there.
        served: the one among them that services read now, or "".
        journal: what the worker remembers, or None before its first intent.
    """

    promotions: int
    texts: tuple[str, ...]
    served: str = ""
    journal: Journal | None = None


class VaultInspector:
    """Reads everything in Vault with a token that may.

    Args:
        addr: Vault's address.
        token: its root token, in the sandbox.
        settings: name the mounts and paths.
    """

    def __init__(self, *, addr: str, token: SecretStr, settings: Settings) -> None:
        self._settings = settings
        self._http = httpx.Client(
            base_url=f"{addr}/v1/",
            headers={"X-Vault-Token": token.get_secret_value()},
            timeout=HTTP_SECONDS,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def holdings(self) -> dict[str, Holding]:
        """Return what Vault holds, by credential; raises httpx.HTTPError when it cannot say."""
        return {one.name: self._holding(one) for one in self._settings.credentials}

    def journals(self) -> dict[str, Journal | None]:
        """Return every credential's journal, None where there is none yet; raises httpx.HTTPError likewise."""
        return {one.name: self._journal(one)[0] for one in self._settings.credentials}

    def _holding(self, credential: Credential) -> Holding:
        # The journal first: a secret that moves meanwhile moves from it to the path, never back.
        journal, text = self._journal(credential)
        metadata = self._get(f"{credential.mount}/metadata/{credential.path}")
        known: Mapping[str, Any] = metadata.json()["data"] if metadata else {"current_version": 0, "versions": {}}
        versions = dict(self._versions(credential, known["versions"]))
        return Holding(
            promotions=sum(1 for record in journal.ledger if record.promoted_at) if journal else 0,
            texts=(*((text,) if journal else ()), *versions.values()),
            served=versions.get(known["current_version"], ""),
            journal=journal,
        )

    def _journal(self, credential: Credential) -> tuple[Journal | None, str]:
        layout = self._settings.vault
        where = PathLocation(layout.journal_mount, f"{layout.journal_prefix}/{credential.mount}/{credential.path}")
        answer = self._get(f"{where.mount}/data/{where.path}")
        return (parse_journal(answer.json()["data"]["data"], where), answer.text) if answer else (None, "")

    def _versions(self, credential: Credential, versions: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[int, str]]:
        for number, version in versions.items():
            if not version["destroyed"] and not version["deletion_time"]:
                data = self._get(f"{credential.mount}/data/{credential.path}?version={number}")
                if data:
                    yield int(number), data.text

    def _get(self, path: str) -> httpx.Response | None:
        answer = self._http.get(path)
        return None if answer.status_code == httpx.codes.NOT_FOUND else answer.raise_for_status()


def orphans(
    tokens: Iterable[TokenEntry], secrets: Mapping[str, SecretStr], holdings: Iterable[Holding]
) -> tuple[TokenEntry, ...]:
    """Return the live tokens whose secret is nowhere in Vault: nobody can use them and nobody remembers them."""
    held = "\n".join(text for holding in holdings for text in holding.texts)
    return tuple(token for token in tokens if token.live and secrets[token.token_id].get_secret_value() not in held)


def find_orphans(stack: Stack, inspector: VaultInspector) -> tuple[TokenEntry, ...]:
    """Return the orphans of a running stack.

    Vault is read after the ledger, so that a token that is being staged right now is not taken for an orphan unless
    its derive is still under way.
    """
    tokens, secrets = stack.control.tokens(), stack.control.secrets().tokens
    return orphans(tokens, secrets, inspector.holdings().values())


def refusals(stack: Stack) -> int:
    """Return how many of the trader's requests the exchange itself counted as refused."""
    return sum(1 for entry in stack.control.requests() if entry.call in ORDERS and entry.status in {401, 403})


def live_leaks(stack: Stack, scanner: LeakScanner) -> set[Finding]:
    """Return where secrets are seen while the system runs: Redis, Sentry, and what processes show of themselves."""
    findings = scanner.scan(everything_in(stack.redis.url), "Redis' keys")
    findings |= scanner.scan(stack.monitor.seen, "Redis' commands (MONITOR)")
    for number, envelope in enumerate(stack.sentry.envelopes, 1):
        findings |= scanner.scan(envelope, f"Sentry envelope {number}")
    for name, shown in stack.processes.seen.items():
        findings |= scanner.scan(shown, name)
    return findings


def file_leaks(stack: Stack, scanner: LeakScanner) -> set[Finding]:
    """Return which files of the run hold a secret that does not live there; logs are among them."""
    return scanner.scan_files(stack.folder)
