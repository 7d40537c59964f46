"""How the exchange answered a trader, and the file in which the trader tells: no secret is in it."""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass(slots=True)
class Rejection:
    """The latest request that was refused."""

    at: str
    token_id: str
    status: int
    request: str


@dataclass(slots=True)
class Counts:
    """How the exchange answered one credential. `rejected`: 401 and 403; `failed`: no answer, 429, 5xx and the rest."""

    accepted: int = 0
    rejected: int = 0
    failed: int = 0
    vault_reads: int = 0
    vault_failures: int = 0
    token_switches: int = 0
    token_id: str | None = None
    last_rejection: Rejection | None = None

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self.accepted + self.rejected + self.failed


@dataclass(slots=True)
class Status:
    """What the status file holds: `Counts` by credential, and when it was written."""

    updated_at: str = ""
    credentials: dict[str, Counts] = field(default_factory=dict)


def write_status(path: Path, counts: dict[str, Counts], now: datetime) -> None:
    """Replace the status file in one step, so that a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(asdict(Status(now.isoformat(), counts))), encoding="utf-8")
    temporary.replace(path)


def read_status(path: Path) -> Status:
    """Return what a trader wrote; an empty one while it wrote nothing."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Status()
    counts = {
        name: Counts(**{**one, "last_rejection": one["last_rejection"] and Rejection(**one["last_rejection"])})
        for name, one in raw["credentials"].items()
    }
    return Status(raw["updated_at"], counts)
