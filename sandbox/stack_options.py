"""How a stack is set up, and the commands it runs."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.exchange.records import FaultRule
from sandbox.processes import ROOT

DEMO_CONFIG = ROOT / "sandbox" / "demo.toml"


class StackError(RuntimeError):
    """Part of the system did not start or ended by itself; the text names it and its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """How the system is set up.

    Attributes:
        config: the rotator's TOML; its accounts become the exchange's profiles. Its identity files are expected at
            `identity/<account>.jwt` beside it.
        seed: of the exchange's faults.
        faults: "default" or "none".
        workers: how many Celery workers run.
        beats: how many beats run; one of them leads.
        unread: credentials that no trader uses.
        reread_seconds: how often a trader reads Vault.
        rate: requests a second for each credential.
        traders: over how many traders the credentials are spread.
        rules: the exchange's faults from the start, instead of those that `faults` names.
        durable_vault: Vault keeps everything on disk, so that it can be killed and started again.
        environment: what every child is told besides.
    """

    config: Path = DEMO_CONFIG
    seed: int = 1
    faults: str = "default"
    workers: int = 2
    beats: int = 2
    unread: frozenset[str] = frozenset({"forgotten"})
    reread_seconds: float = 2.0
    rate: float = 10.0
    traders: int = 1
    rules: tuple[FaultRule, ...] | None = None
    durable_vault: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


def procfile_command(name: str, procfile: Path = ROOT / "Procfile") -> list[str]:
    """Return the command of that process in the Procfile, so that what runs here is what is deployed."""
    for line in procfile.read_text(encoding="utf-8").splitlines():
        process, colon, command = line.partition(":")
        if colon and process.strip() == name:
            return shlex.split(command)
    raise StackError(f"{procfile} has no process named {name}")
