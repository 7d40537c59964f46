"""The KV v2 engine as the two stores see it: versions, and one check-and-set write."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote

from worker.errors import (
    AmbiguousWriteError,
    CasConflictError,
    RotatorError,
    VaultForbiddenError,
    VaultRefusedError,
    VaultUnavailableError,
)
from worker.models import PathLocation, WriteReceipt
from worker.vault.client import VaultSession
from worker.vault.documents import WRITE_ID
from worker.vault.errors import Answer, NoAnswerError, refusal


@dataclass(frozen=True, slots=True)
class KvVersion:
    """One version of a secret; `data` is None when it was deleted or destroyed."""

    version: int
    created_time: datetime
    data: Mapping[str, Any] | None = field(repr=False)


class Kv(Protocol):
    """The few KV v2 operations that the stores need. Raises what `worker.ports` names, and nothing else."""

    def read(self, location: PathLocation, *, version: int | None = None) -> KvVersion | None:
        """Return that version (the latest unless told otherwise), or None when there is none."""
        ...

    def write(
        self,
        location: PathLocation,
        data: Mapping[str, Any],
        *,
        cas: int,
        max_versions: int,
        write_id: str | None = None,
    ) -> WriteReceipt:
        """Write the data, with a fresh write id in it, as the version after `cas`.

        Args:
            location: where.
            data: JSON-ready.
            cas: the version that this write follows; 0 for a path that was never written.
            max_versions: set, with `cas_required`, when the path has no metadata yet.
            write_id: a fresh one of the caller's own making.

        Raises:
            CasConflictError: another write came first.
            AmbiguousWriteError: the answer is unknown, and reading back did not prove that it landed.
            TransientError: it certainly was not written.
            PermanentError: it was refused.
        """
        ...

    def older_versions(self, location: PathLocation) -> tuple[int, ...]:
        """Return the versions before the latest that are not destroyed, ascending."""
        ...

    def destroy(self, location: PathLocation, versions: Sequence[int]) -> None:
        """Destroy those versions for good; destroying what is destroyed is success."""
        ...

    def server_time(self) -> datetime:
        """Return the server's clock in whole seconds."""
        ...


class VaultKv:
    """`Kv` on a real Vault or OpenBao.

    Args:
        session: logged-in access.
    """

    def __init__(self, *, session: VaultSession) -> None:
        self._session = session
        self._checked_mounts: set[str] = set()

    def read(self, location: PathLocation, *, version: int | None = None) -> KvVersion | None:
        """Return that version; see `Kv.read`. Raises TransientError or PermanentError."""
        self._check_mount(location.mount)
        act = f"read {location}"
        answer = self._session.call(
            act,
            lambda client: client.secrets.kv.v2.read_secret_version(
                location.path, version=version, mount_point=location.mount, raise_on_deleted_version=False
            ),
        )
        if answer.is_absent:
            return None
        found = answer.data.get("metadata")
        # A deleted or destroyed version is answered 404, with its metadata.
        if answer.status in {HTTPStatus.OK, HTTPStatus.NOT_FOUND} and isinstance(found, dict):
            data = answer.data.get("data")
            number, created = _version(found)
            if number is not None and created is not None:
                return KvVersion(version=number, created_time=created, data=data if isinstance(data, dict) else None)
        raise self._refused(answer, act)

    def write(
        self,
        location: PathLocation,
        data: Mapping[str, Any],
        *,
        cas: int,
        max_versions: int,
        write_id: str | None = None,
    ) -> WriteReceipt:
        """Write the data as the version after `cas`; see `Kv.write`."""
        self._check_mount(location.mount)
        if cas == 0:
            self._create_metadata(location, max_versions)
        write_id = write_id or uuid.uuid4().hex
        act = f"write version {cas + 1} of {location}"
        secret = {**data, WRITE_ID: write_id}
        try:
            answer = self._session.call(
                act,
                lambda client: client.secrets.kv.v2.create_or_update_secret(
                    location.path, secret, cas=cas, mount_point=location.mount
                ),
            )
        except NoAnswerError:
            answer = None
        if answer is None:
            return self._read_back(location, cas=cas, write_id=write_id, refused=False)
        number, created = _version(answer.data)
        if answer.status == HTTPStatus.OK and number is not None and created is not None:
            return WriteReceipt(version=number, created_time=created)
        if answer.is_cas_mismatch or answer.may_have_landed:
            return self._read_back(location, cas=cas, write_id=write_id, refused=answer.is_cas_mismatch)
        raise self._refused(answer, act)

    def older_versions(self, location: PathLocation) -> tuple[int, ...]:
        """Return the versions before the latest that are not destroyed. Raises TransientError or PermanentError."""
        self._check_mount(location.mount)
        metadata = self._metadata(location)
        if metadata is None:
            return ()
        latest = metadata.get("current_version")
        versions = metadata.get("versions")
        if not isinstance(latest, int) or not isinstance(versions, dict):
            raise VaultRefusedError(f"Vault at {self._session.address} answered no metadata for {location}.")
        return tuple(
            sorted(int(number) for number, one in versions.items() if int(number) < latest and not one.get("destroyed"))
        )

    def destroy(self, location: PathLocation, versions: Sequence[int]) -> None:
        """Destroy those versions for good. Raises TransientError or PermanentError; repeating is safe."""
        act = f"destroy versions {', '.join(str(number) for number in versions)} of {location}"
        answer = self._session.call(
            act,
            lambda client: client.secrets.kv.v2.destroy_secret_versions(
                location.path, list(versions), mount_point=location.mount
            ),
        )
        if answer.status not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
            raise self._refused(answer, act)

    def server_time(self) -> datetime:
        """Return Vault's clock in whole seconds; needs no login. Raises TransientError."""
        answer = self._session.health()
        seconds = answer.body.get("server_time_utc")
        if answer.body.get("sealed") is True:
            raise VaultUnavailableError(f"Vault at {self._session.address} is sealed. Unseal it.")
        if answer.status != HTTPStatus.OK or not isinstance(seconds, int):
            raise VaultUnavailableError(f"Vault at {self._session.address} is not healthy (status {answer.status}).")
        return datetime.fromtimestamp(seconds, UTC)

    def _read_back(self, location: PathLocation, *, cas: int, write_id: str, refused: bool) -> WriteReceipt:
        """Return the receipt when our write id is in the one version that our write can have become."""
        try:
            found = self.read(location, version=cas + 1)
        except RotatorError as exc:
            # Our own errors carry no secret.
            raise AmbiguousWriteError(
                f"Writing version {cas + 1} of {location} got no clear answer, and reading it back failed: {exc}"
            ) from exc
        if found is not None and found.data is not None and found.data.get(WRITE_ID) == write_id:
            return WriteReceipt(version=found.version, created_time=found.created_time)
        if refused or (found is not None and found.data is not None):
            raise CasConflictError(
                f"Somebody else wrote {location} first: version {cas} is not (or no longer) the latest. Nothing was "
                "written; the next sweep decides afresh."
            )
        raise AmbiguousWriteError(
            f"Writing version {cas + 1} of {location} got no answer, and reading it back does not show it (yet)."
        )

    def _create_metadata(self, location: PathLocation, max_versions: int) -> None:
        if self._metadata(location) is not None:
            return  # whoever made the path chose its settings
        act = f"create the metadata of {location}"
        where = f"/v1/{quote(location.mount)}/metadata/{quote(location.path)}"
        settings = {"max_versions": max_versions, "cas_required": True}
        try:
            # Not hvac's update_metadata, which resets what it is not told.
            answer = self._session.call(act, lambda client: client.adapter.post(where, json=settings))
        except VaultForbiddenError:
            # Our policy allows creating, not changing: was somebody faster just now?
            if self._metadata(location) is None:
                raise
            return
        if answer.status not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
            raise self._refused(answer, act)

    def _metadata(self, location: PathLocation) -> Mapping[str, Any] | None:
        act = f"read the metadata of {location}"
        answer = self._session.call(
            act,
            lambda client: client.secrets.kv.v2.read_secret_metadata(location.path, mount_point=location.mount),
        )
        if answer.is_absent:
            return None
        if answer.status != HTTPStatus.OK:
            raise self._refused(answer, act)
        return answer.data

    def _check_mount(self, mount: str) -> None:
        """Refuse KV version 1: it would take our writes without versions, and file them under another name."""
        if mount in self._checked_mounts:
            return
        act = f"look up the mount {mount}"
        where = f"/v1/sys/internal/ui/mounts/{quote(mount)}"
        answer = self._session.call(act, lambda client: client.adapter.get(where))
        if answer.status != HTTPStatus.OK:
            raise self._refused(answer, act)
        options = answer.data.get("options")
        is_kv2 = answer.data.get("type") == "kv" and isinstance(options, dict) and options.get("version") == "2"
        if not is_kv2 or str(answer.data.get("path")).strip("/") != mount.strip("/"):
            raise VaultRefusedError(
                f"{mount} in Vault at {self._session.address} is not a KV version 2 secrets engine. Enable one there "
                f"(vault secrets enable -path={mount} -version=2 kv), or name another mount."
            )
        self._checked_mounts.add(mount)

    def _refused(self, answer: Answer, act: str) -> RotatorError:
        return refusal(answer, address=self._session.address, act=act)


def _version(metadata: Mapping[str, Any]) -> tuple[int | None, datetime | None]:
    number, created = metadata.get("version"), metadata.get("created_time")
    try:
        moment = datetime.fromisoformat(created) if isinstance(created, str) else None
    except ValueError:
        moment = None
    aware = moment is not None and moment.tzinfo is not None
    return number if isinstance(number, int) else None, moment.astimezone(UTC) if moment and aware else None
