"""The KV v2 engine as the two stores see it: versions, and one check-and-set write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from worker.models import PathLocation, WriteReceipt


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

    def write(self, location: PathLocation, data: Mapping[str, Any], *, cas: int, max_versions: int) -> WriteReceipt:
        """Write the data, with a fresh write id in it, as the version after `cas`.

        Args:
            location: where.
            data: JSON-ready.
            cas: the version that this write follows; 0 for a path that was never written.
            max_versions: set, with `cas_required`, when the path has no metadata yet.

        Raises:
            CasConflictError: another write came first.
            AmbiguousWriteError: the answer is unknown, and reading back did not prove that it landed.
            TransientError: it certainly was not written.
            PermanentError: it was refused.
        """
        ...

    def older_live_versions(self, location: PathLocation) -> tuple[int, ...]:
        """Return the versions before the latest that are neither deleted nor destroyed, ascending."""
        ...

    def destroy(self, location: PathLocation, versions: Sequence[int]) -> None:
        """Destroy those versions for good; destroying what is destroyed is success."""
        ...

    def server_time(self) -> datetime:
        """Return the server's clock in whole seconds."""
        ...
