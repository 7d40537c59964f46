"""The paths that trading services read, as `worker.ports.ConsumersStore`."""

import uuid
from collections.abc import Mapping

from pydantic import SecretStr

from config.schema import FieldNames
from worker.errors import CasConflictError
from worker.models import (
    ConsumersPath,
    Departure,
    PathContent,
    PathLocation,
    ServedDocument,
    ServedVersion,
    WriteReceipt,
)
from worker.vault.documents import (
    WRITE_ID,
    check_field_names,
    copied_data,
    holds,
    parse_served,
    served_data,
    tombstone_data,
)
from worker.vault.kv import Kv, KvVersion


class VaultConsumers:
    """`worker.ports.ConsumersStore` on KV v2.

    Args:
        kv: the engine.
        fields: the names of the token's two fields, for each path that does not use the default names.
        max_versions: set on the paths that this store creates.

    Raises:
        ValueError: two fields of a served document would get one name.
    """

    def __init__(self, *, kv: Kv, fields: Mapping[PathLocation, FieldNames], max_versions: int) -> None:
        for names in fields.values():
            check_field_names(names)
        self._kv = kv
        self._fields = dict(fields)
        self._max_versions = max_versions

    def read(self, location: PathLocation) -> ConsumersPath:
        """Return the latest version there; see `worker.ports.ConsumersStore.read`."""
        latest = self._kv.read(location)
        if latest is None:
            return ConsumersPath(version=0, created_time=None, content=PathContent.EMPTY)
        content, document = parse_served(latest.data, self._fields_at(location))
        return ConsumersPath(
            version=latest.version, created_time=latest.created_time, content=content, document=document
        )

    def write(self, location: PathLocation, document: ServedDocument, *, cas: int) -> WriteReceipt:
        """Write the document as the version after `cas`; see `worker.ports.ConsumersStore.write`."""
        data = served_data(document, self._fields_at(location))
        return self._kv.write(location, data, cas=cas, max_versions=self._max_versions)

    def write_tombstone(self, location: PathLocation, *, cas: int) -> WriteReceipt:
        """Write a document that serves nothing, to fence an empty path; raises as `write` does."""
        return self._kv.write(location, tombstone_data(), cas=cas, max_versions=self._max_versions)

    def rewrite(self, location: PathLocation, *, cas: int) -> ConsumersPath:
        """Write what version `cas` holds once more; see `worker.ports.ConsumersStore.rewrite`."""
        version = self._kv.read(location, version=cas) if cas else None
        if cas and version is None:
            raise CasConflictError(f"Version {cas} of {location} is not there (any more), so it is not written again.")
        data = copied_data(version.data if version else None, uuid.uuid4().hex)
        receipt = self._kv.write(location, data, cas=cas, max_versions=self._max_versions, write_id=str(data[WRITE_ID]))
        content, document = parse_served(data, self._fields_at(location))
        return ConsumersPath(receipt.version, receipt.created_time, content, document)

    def find(self, location: PathLocation, token_id: str, *, prefer: int | None) -> ServedVersion | None:
        """Return a version there that serves that token; see `worker.ports.ConsumersStore.find`."""
        latest = self._kv.read(location)
        if latest is None:
            return None
        numbers = (latest.version, *reversed(self._kv.older_versions(location)))
        for number in sorted(numbers, key=lambda one: one != prefer):
            version = latest if number == latest.version else self._kv.read(location, version=number)
            document = parse_served(version.data, self._fields_at(location))[1] if version else None
            if document is not None and document.token_id == token_id:
                return ServedVersion(number, document)
        return None

    def departure(
        self, location: PathLocation, token_id: str, *, secret: SecretStr | None = None, unreadable: bool = True
    ) -> Departure | None:
        """Return when that token was last there and when it left; see `worker.ports.ConsumersStore.departure`."""
        later = self._kv.read(location)
        if later is None:
            return None
        if _may_hold(later, token_id, secret, unreadable=unreadable):
            return Departure(later.version, served_at=later.created_time, left_at=None)
        for number in reversed(self._kv.older_versions(location)):
            version = self._kv.read(location, version=number)
            if version is None:
                continue  # trimmed meanwhile
            if _may_hold(version, token_id, secret, unreadable=unreadable):
                return Departure(version.version, served_at=version.created_time, left_at=later.created_time)
            later = version
        return None

    def destroy_secret(self, location: PathLocation, token_id: str) -> tuple[int, ...]:
        """Destroy every version but the latest that holds that token; return the version numbers destroyed.

        Which versions those are is read from their data. A version that a person deleted cannot be read, so it is
        left to them. Raises TransientError or PermanentError; repeating is safe.
        """
        doomed = tuple(
            number for number in self._kv.older_versions(location) if self._holds(location, number, token_id)
        )
        if doomed:
            self._kv.destroy(location, doomed)
        return doomed

    def _holds(self, location: PathLocation, number: int, token_id: str) -> bool:
        version = self._kv.read(location, version=number)
        return version is not None and holds(version.data, token_id)

    def _fields_at(self, location: PathLocation) -> FieldNames:
        return self._fields.get(location, FieldNames())


def _may_hold(version: KvVersion, token_id: str, secret: SecretStr | None, *, unreadable: bool) -> bool:
    # Whatever else is there: services take the two fields out of a document that we would not call ours.
    if version.data is None:
        return unreadable
    return holds(version.data, token_id) and (secret is None or holds(version.data, secret.get_secret_value()))
