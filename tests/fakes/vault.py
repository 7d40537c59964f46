"""An in-memory Vault behind the two real stores, with hooks for everything that can go wrong."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import SecretStr

from config.schema import FieldNames, VaultLayout
from worker.account_ledger import AccountLedger, VersionedLedger
from worker.errors import AmbiguousWriteError, CasConflictError
from worker.journal import Journal, VersionedJournal
from worker.models import ConsumersPath, Departure, PathLocation, ServedDocument, ServedVersion, WriteReceipt
from worker.ports import Clock
from worker.vault.account_ledgers import VaultAccountLedgers
from worker.vault.consumers import VaultConsumers
from worker.vault.documents import WRITE_ID
from worker.vault.journals import VaultJournals
from worker.vault.kv import KvVersion

Port = Literal["consumers", "journals", "accounts"]


@dataclass(frozen=True, slots=True)
class Call:
    """One moment of one port call; `location` is the consumers' path (None for `server_time`)."""

    port: Port
    method: str
    moment: Literal["before", "after"]
    location: PathLocation | None = None


@dataclass(slots=True)
class StoredVersion:
    """One version as the fake stores it; a soft-deleted one keeps its data, a destroyed one does not."""

    version: int
    created_time: datetime
    data: dict[str, Any] | None = field(repr=False)
    deleted: bool = False

    @property
    def live(self) -> bool:
        return self.data is not None and not self.deleted


@dataclass(frozen=True, slots=True)
class _LostAnswer:
    landed: bool
    readback: bool
    port: Port | None


class FakeKv:
    """KV v2 in a dictionary, as `worker.vault.kv.Kv`: versions, check-and-set, trimming, destroy."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._secrets: dict[PathLocation, list[StoredVersion]] = {}
        self._max_versions: dict[PathLocation, int] = {}
        self._lock = threading.RLock()
        self.lost_answer: _LostAnswer | None = None

    def versions(self, location: PathLocation) -> list[StoredVersion]:
        with self._lock:
            return list(self._secrets.get(location, []))

    def read(self, location: PathLocation, *, version: int | None = None) -> KvVersion | None:
        with self._lock:
            stored = self.versions(location)
            wanted = [one for one in stored if version in {None, one.version}]
            if not wanted:
                return None
            last = wanted[-1]
            return KvVersion(last.version, last.created_time, _fresh(last.data) if last.live and last.data else None)

    def write(
        self,
        location: PathLocation,
        data: Mapping[str, Any],
        *,
        cas: int,
        max_versions: int,
        write_id: str | None = None,
    ) -> WriteReceipt:
        lost, self.lost_answer = self.lost_answer, None
        if lost and not lost.landed:
            raise AmbiguousWriteError(f"{location}: the answer was lost, and reading back shows nothing of ours")
        with self._lock:
            self._max_versions.setdefault(location, max_versions)
            receipt = self._append(location, {**data, WRITE_ID: write_id or uuid.uuid4().hex}, cas=cas)
        if lost and not lost.readback:
            raise AmbiguousWriteError(f"{location}: the answer was lost, and reading back failed")
        return receipt

    def put(self, location: PathLocation, data: Mapping[str, Any]) -> int:
        """Write without check-and-set, as a person does; return the version."""
        with self._lock:
            return self._append(location, data, cas=None).version

    def delete_latest(self, location: PathLocation) -> None:
        """Soft-delete the latest version."""
        self._secrets[location][-1].deleted = True

    def forget(self, location: PathLocation) -> None:
        """Delete all versions and the metadata: the counter starts again."""
        with self._lock:
            self._secrets.pop(location, None)
            self._max_versions.pop(location, None)

    def older_versions(self, location: PathLocation) -> tuple[int, ...]:
        return tuple(one.version for one in self.versions(location)[:-1] if one.data is not None)

    def destroy(self, location: PathLocation, versions: Sequence[int]) -> None:
        for one in self.versions(location):
            if one.version in versions:
                one.data = None

    def server_time(self) -> datetime:
        return self._clock.now().replace(microsecond=0)

    def _append(self, location: PathLocation, data: Mapping[str, Any], *, cas: int | None) -> WriteReceipt:
        stored = self._secrets.get(location, [])
        latest = stored[-1].version if stored else 0
        if cas is not None and cas != latest:
            raise CasConflictError(f"{location}: version {latest} is there, and the write was to follow {cas}")
        version = StoredVersion(version=latest + 1, created_time=self._clock.now(), data=_copy(data))
        kept = self._max_versions.get(location, 10)
        self._secrets[location] = [*stored, version][-kept:]
        return WriteReceipt(version=version.version, created_time=version.created_time)


class FakeVault:
    """A Vault for tests: `.consumers` and `.journals` are the real stores on an in-memory KV engine.

    Args:
        clock: gives every version its `created_time`, and `server_time()`.
        fields: field names by consumers' path, as the factory takes them.
        layout: where journals live, and how many versions a consumers' path keeps.

    `on_call`, when set, is called before and after each port call, and may raise anything: a crash at that moment.
    `calls` remembers every call that began.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        fields: Mapping[PathLocation, FieldNames] | None = None,
        layout: VaultLayout | None = None,
    ) -> None:
        layout = layout or VaultLayout()
        self.kv = FakeKv(clock=clock)
        self._journals = VaultJournals(kv=self.kv, mount=layout.journal_mount, prefix=layout.journal_prefix)
        self.journals = _Journals(self, self._journals)
        self.consumers = _Consumers(
            self, VaultConsumers(kv=self.kv, fields=fields or {}, max_versions=layout.max_versions)
        )
        self.accounts = _Accounts(
            self, VaultAccountLedgers(kv=self.kv, mount=layout.journal_mount, prefix=layout.account_prefix)
        )
        self.on_call: Callable[[Call], None] | None = None
        self.calls: list[Call] = []
        self._failures: list[tuple[Exception, Port | None, str | None]] = []
        self._lost_answers: list[_LostAnswer] = []

    def fail_next(self, error: Exception, *, port: Port | None = None, method: str | None = None) -> None:
        """Let the next call (to that port and method, if given) raise this error without doing anything."""
        self._failures.append((error, port, method))

    def recover(self) -> None:
        """Forget the failures that have not happened yet."""
        self._failures.clear()
        self._lost_answers.clear()

    def lose_next_answer(self, *, landed: bool = True, readback: bool = True, port: Port | None = None) -> None:
        """Lose the answer of the next write (to that port, if given).

        A write that landed and can be read back succeeds, as the real adapter's does; otherwise it raises
        AmbiguousWriteError, whether or not it landed.
        """
        self._lost_answers.append(_LostAnswer(landed=landed, readback=readback, port=port))

    def put_foreign(self, location: PathLocation, data: Mapping[str, Any] | None = None) -> int:
        """Write to a consumers' path as a person does, without check-and-set; return the version."""
        return self.kv.put(location, data if data is not None else {"written": "by hand"})

    def delete_foreign(self, location: PathLocation) -> None:
        """Soft-delete the latest version of a consumers' path, as a person does."""
        self.kv.delete_latest(location)

    def versions(self, location: PathLocation) -> list[StoredVersion]:
        """Return what a consumers' path holds, oldest first."""
        return self.kv.versions(location)

    def journal_versions(self, location: PathLocation) -> list[StoredVersion]:
        """Return the stored versions of that consumers' path's journal."""
        return self.kv.versions(self._journals.journal_location(location))

    def peek(self, location: PathLocation) -> Journal | None:
        """Return that consumers' path's journal without any hook: what a test sees, not what the worker does."""
        found = self._journals.read(location)
        return found.journal if found else None

    def close(self) -> None:
        """Close nothing."""

    @contextmanager
    def call(self, port: Port, method: str, location: PathLocation | None = None) -> Iterator[None]:
        """Run the hooks around one port call."""
        before = Call(port, method, "before", location)
        self.calls.append(before)
        if self.on_call:
            self.on_call(before)
        for failure in self._failures:
            error, of_port, of_method = failure
            if of_port in {None, port} and of_method in {None, method}:
                self._failures.remove(failure)
                raise error
        if method in {"write", "write_tombstone", "rewrite"}:
            lost = next((one for one in self._lost_answers if one.port in {None, port}), None)
            if lost:
                self._lost_answers.remove(lost)
            self.kv.lost_answer = lost
        yield
        if self.on_call:
            self.on_call(Call(port, method, "after", location))


class _Consumers:
    def __init__(self, vault: FakeVault, store: VaultConsumers) -> None:
        self._vault = vault
        self._store = store

    def read(self, location: PathLocation) -> ConsumersPath:
        with self._vault.call("consumers", "read", location):
            return self._store.read(location)

    def write(self, location: PathLocation, document: ServedDocument, *, cas: int) -> WriteReceipt:
        with self._vault.call("consumers", "write", location):
            return self._store.write(location, document, cas=cas)

    def write_tombstone(self, location: PathLocation, *, cas: int) -> WriteReceipt:
        with self._vault.call("consumers", "write_tombstone", location):
            return self._store.write_tombstone(location, cas=cas)

    def rewrite(self, location: PathLocation, *, cas: int) -> ConsumersPath:
        with self._vault.call("consumers", "rewrite", location):
            return self._store.rewrite(location, cas=cas)

    def find(self, location: PathLocation, token_id: str, *, prefer: int | None) -> ServedVersion | None:
        with self._vault.call("consumers", "find", location):
            return self._store.find(location, token_id, prefer=prefer)

    def departure(
        self, location: PathLocation, token_id: str, *, secret: SecretStr | None = None, unreadable: bool = True
    ) -> Departure | None:
        with self._vault.call("consumers", "departure", location):
            return self._store.departure(location, token_id, secret=secret, unreadable=unreadable)

    def destroy_secret(self, location: PathLocation, token_id: str) -> tuple[int, ...]:
        with self._vault.call("consumers", "destroy_secret", location):
            return self._store.destroy_secret(location, token_id)


class _Accounts:
    def __init__(self, vault: FakeVault, store: VaultAccountLedgers) -> None:
        self._vault = vault
        self._store = store

    def read(self, account: str) -> VersionedLedger:
        with self._vault.call("accounts", "read"):
            return self._store.read(account)

    def write(self, ledger: AccountLedger, *, cas: int) -> VersionedLedger:
        with self._vault.call("accounts", "write"):
            return self._store.write(ledger, cas=cas)


class _Journals:
    def __init__(self, vault: FakeVault, store: VaultJournals) -> None:
        self._vault = vault
        self._store = store

    def read(self, location: PathLocation) -> VersionedJournal | None:
        with self._vault.call("journals", "read", location):
            return self._store.read(location)

    def write(self, location: PathLocation, journal: Journal, *, cas: int) -> VersionedJournal:
        with self._vault.call("journals", "write", location):
            return self._store.write(location, journal, cas=cas)

    def server_time(self) -> datetime:
        with self._vault.call("journals", "server_time"):
            return self._store.server_time()


def _fresh(stored: Any) -> Any:
    if isinstance(stored, dict):
        return {key: _fresh(value) for key, value in stored.items()}
    return [_fresh(one) for one in stored] if isinstance(stored, list) else stored


def _copy(data: Mapping[str, Any]) -> dict[str, Any]:
    # Through JSON, as over the wire: what cannot be written to Vault fails here too.
    copied: dict[str, Any] = json.loads(json.dumps(data))
    return copied
