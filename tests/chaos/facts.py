"""Healthy facts of a rotation that has come to its end, for tests that spoil one of them."""

from dataclasses import replace

from sandbox.chaos.assertions import Evidence
from sandbox.chaos.cells import Scenario
from sandbox.chaos.truth import Truth
from sandbox.exchange.records import TokenEntry
from tests.build import NOON, ago, journal, record
from worker.journal import RecordState


def token(number: int, *, live: bool = True, label: str | None = None) -> TokenEntry:
    return TokenEntry(
        token_id=f"t{number}",
        label=label or f"mm/r{number}",
        profile="main",
        scopes=("trading",),
        created_at=ago(hours=1),
        revoked_at=None if live else NOON,
    )


def truth() -> Truth:
    """The first token is revoked, the second one current."""
    old = record(1, RecordState.REVOKED, promoted=ago(hours=2), superseded=ago(hours=1), secret_destroyed=True)
    return Truth(
        journal=journal(old, record(2, RecordState.CURRENT, promoted=ago(hours=1))),
        served="t2",
        tokens=(token(1, live=False), token(2)),
    )


def evidence(**changes: object) -> Evidence:
    healthy = Evidence(
        scenario=Scenario.ROTATION,
        keeps_journal=True,
        truth=truth(),
        reached=True,
        unsettled="",
        traded=20,
        rejected=0,
        refused=0,
        served_accepted=True,
        verified=True,
        held_in_vault=frozenset({"t1", "t2"}),
    )
    return replace(healthy, **changes)  # type: ignore[arg-type]  # a test names the field it spoils
