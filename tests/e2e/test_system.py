"""Real workers and beats as processes, real servers, the exchange's default faults, and a trader that never pauses."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from sandbox.demo.run import settle
from sandbox.exchange.records import TokenEntry
from sandbox.inspection import Holding, VaultInspector, file_leaks, find_orphans, live_leaks, refusals
from sandbox.leaks import Finding, LeakScanner, Needle
from sandbox.stack import Stack, StackOptions
from sandbox.trader_status import Counts
from tests.e2e.processes import until
from worker.wiring import build_container

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

CONFIG = Path(__file__).parent / "fast.toml"
WANTED_ROTATIONS = 5
SECONDS = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was seen of a run that is over."""

    promotions: dict[str, int]
    tokens: tuple[TokenEntry, ...]
    faults: Counter[str]
    orphans: tuple[TokenEntry, ...]
    traders: dict[str, Counts]
    refused: int
    holdings: dict[str, Holding]
    secrets: dict[str, str]
    leaks: set[Finding]
    alerts: tuple[dict[str, Any], ...]
    shown_by_processes: dict[str, bytes]
    monitored: bytes
    logs: dict[str, str]

    @property
    def rotations(self) -> int:
        """How often a token was replaced by another."""
        return sum(max(0, count - 1) for count in self.promotions.values())


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    options = StackOptions(config=CONFIG, reread_seconds=1.0, seed=3)
    with (
        Stack(options) as stack,
        closing(
            VaultInspector(addr=stack.vault.addr, token=stack.vault.root_token, settings=stack.settings)
        ) as inspector,
    ):
        until(
            lambda: _enough_happened(stack, inspector), SECONDS, f"{WANTED_ROTATIONS} rotations and a revocation each"
        )
        stack.check()
        stack.stop_trader()
        stack.stop_beats()
        stack.stop_workers()
        _settle(stack, inspector)
        yield _observed(stack, inspector)


def _enough_happened(stack: Stack, inspector: VaultInspector) -> bool:
    stack.check()
    rotated = [one.promotions - 1 for one in inspector.holdings().values()]
    revoked = {(token.label or "").split("/")[0] for token in stack.control.tokens() if not token.live}
    everyone = {one.name for one in stack.settings.credentials}
    return sum(rotated) >= WANTED_ROTATIONS and min(rotated) >= 1 and revoked == everyone


def _settle(stack: Stack, inspector: VaultInspector) -> None:
    root, handlers, level = logging.getLogger(), logging.getLogger().handlers[:], logging.getLogger().level
    with build_container(stack.settings) as container:
        settle(stack, container, inspector)
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def _observed(stack: Stack, inspector: VaultInspector) -> Run:
    scanner = LeakScanner(stack.needles())
    holdings = inspector.holdings()
    return Run(
        promotions={name: one.promotions for name, one in holdings.items()},
        tokens=stack.control.tokens(),
        faults=Counter(fault for entry in stack.control.requests() for fault in entry.faults),
        orphans=find_orphans(stack, inspector),
        traders=stack.trader_status().credentials,
        refused=refusals(stack),
        holdings=holdings,
        secrets={name: value.get_secret_value() for name, value in stack.control.secrets().tokens.items()},
        leaks=live_leaks(stack, scanner) | file_leaks(stack, scanner),
        alerts=tuple(stack.sentry.events()),
        shown_by_processes=stack.processes.seen,
        monitored=stack.monitor.seen,
        logs={path.stem: path.read_text(encoding="utf-8", errors="replace") for path in stack.logs.glob("*.log")},
    )


def test_tokens_are_rotated_on_schedule(run: Run) -> None:
    assert run.rotations >= WANTED_ROTATIONS


def test_the_trader_is_never_rejected(run: Run) -> None:
    assert {name: one.rejected for name, one in run.traders.items()} == dict.fromkeys(run.traders, 0)


def test_the_exchange_never_refused_the_trader_either(run: Run) -> None:
    assert run.refused == 0


def test_no_token_was_ever_presented_after_its_end(run: Run) -> None:
    # A verify call may be refused before: one of the faults shifts the exchange's clock.
    late = [
        one for one in run.tokens if one.revoked_at and one.last_rejected_at and one.last_rejected_at > one.revoked_at
    ]
    assert [token.label for token in late] == []


def test_the_trader_moved_on_to_new_tokens_while_it_traded(run: Run) -> None:
    assert all(one.accepted > 0 and one.token_switches >= 1 for one in run.traders.values())


def test_the_exchange_did_misbehave_meanwhile(run: Run) -> None:
    assert run.faults.total() > 0


def test_no_orphan_is_left_alive(run: Run) -> None:
    assert run.orphans == ()


def test_every_token_carries_the_label_of_its_rotation(run: Run) -> None:
    labels = [(token.label or "").split("/") for token in run.tokens]
    assert {(credential, len(rotation)) for credential, rotation in labels} == {(one, 20) for one in run.promotions}


def test_the_secret_of_a_revoked_token_is_destroyed_in_vault(run: Run) -> None:
    held = "\n".join(text for one in run.holdings.values() for text in one.texts)
    assert [token.label for token in run.tokens if not token.live and run.secrets[token.token_id] in held] == []


def test_no_secret_is_seen_outside_vault(run: Run) -> None:
    assert sorted(map(str, run.leaks)) == []


def test_what_was_searched_for_secrets_is_what_the_system_really_did(run: Run) -> None:
    shown = b"\n".join(run.shown_by_processes.values())
    searched = {
        "Redis' commands": b"worker.tasks.rotate_credential" in run.monitored,
        "command lines": b"worker.app" in shown,
        "environments": b"VAULT_SECRET_ID_FILE" in shown,
        "logs": all('"promote"' in run.logs[name] for name in ("worker-1", "worker-2")),
        "Sentry": len(run.alerts) > 0,
    }
    assert [name for name, true in searched.items() if not true] == []


def test_a_secret_would_have_been_found_where_it_was_searched_for(run: Run) -> None:
    secret = next(iter(run.secrets.values()))
    scanner = LeakScanner([Needle("planted", SecretStr(secret))])
    assert scanner.scan(run.monitored + secret.encode() + run.monitored, "Redis") != set()


def test_the_credential_that_nobody_uses_is_flagged_once_to_sentry(run: Run) -> None:
    flags = [alert for alert in run.alerts if alert.get("tags", {}).get("reason") == "unused"]
    assert [(flag["level"], flag["tags"]["credential"]) for flag in flags] == [("warning", "forgotten")]


def test_one_beat_leads_and_the_other_stands_by(run: Run) -> None:
    leaders = [name for name in ("beat-1", "beat-2") if "beat_leads" in run.logs[name]]
    assert len(leaders) == 1


def test_both_workers_share_the_work(run: Run) -> None:
    assert all("worker.tasks.rotate_credential" in run.logs[name] for name in ("worker-1", "worker-2"))
