"""What a demo run comes to, and whether that is good enough."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.leaks import Finding
from sandbox.trader_status import Counts

WANTED_ROTATIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The result of a run.

    Attributes:
        seconds: how long the system ran, without start and end.
        seed: of the exchange's faults.
        rotations: how often each credential's token was replaced by another; its first token is no rotation.
        revocations: tokens revoked at the exchange.
        traders: the counts of each credential that a trader used.
        refused: the trader's requests that the exchange's own ledger says were refused.
        tokens_live: at the exchange, at the end.
        orphans: live tokens whose secret is nowhere in Vault, by label.
        leaks: secrets seen outside Vault.
        flagged: credentials flagged because nobody uses them.
        trouble: what broke during the run, if anything did.
    """

    seconds: float
    seed: int
    rotations: Mapping[str, int]
    revocations: int
    traders: Mapping[str, Counts]
    refused: int
    tokens_live: int
    orphans: tuple[str, ...]
    leaks: tuple[Finding, ...]
    flagged: tuple[str, ...] = ()
    trouble: str | None = None

    @property
    def requests(self) -> int:
        """How many requests the trader sent."""
        return sum(one.requests for one in self.traders.values())

    @property
    def rejected(self) -> int:
        """How many of them were refused, by the trader's or the exchange's count, whichever is higher."""
        return max(self.refused, sum(one.rejected for one in self.traders.values()))

    @property
    def failed_conditions(self) -> tuple[str, ...]:
        """Return, in sentences, what was not as it must be; empty means success."""
        failed = [
            f"{name} was rotated {count} times, not at least {WANTED_ROTATIONS}"
            for name, count in self.rotations.items()
            if count < WANTED_ROTATIONS
        ]
        failed += [f"the trader never traded with {name}" for name, one in self.traders.items() if not one.accepted]
        if self.rejected:
            failed.append(f"the trader was rejected {self.rejected} times")
        failed += [f"orphan {label} is alive" for label in self.orphans]
        failed += [f"{leak} was seen outside Vault" for leak in self.leaks]
        if self.trouble:
            failed.append(self.trouble)
        return tuple(failed)

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON-ready data."""
        return {
            "ok": not self.failed_conditions,
            "failed_conditions": list(self.failed_conditions),
            "seconds": round(self.seconds, 1),
            "seed": self.seed,
            "rotations": dict(self.rotations),
            "revocations": self.revocations,
            "requests": self.requests,
            "rejected": self.rejected,
            "failed_requests": sum(one.failed for one in self.traders.values()),
            "tokens_live": self.tokens_live,
            "orphans": list(self.orphans),
            "secrets_seen_outside_vault": [str(leak) for leak in self.leaks],
            "flagged": list(self.flagged),
        }

    def lines(self) -> list[str]:
        """Return what people read at the end."""
        each = ", ".join(f"{name} {count}" for name, count in self.rotations.items())
        unanswered = sum(one.failed for one in self.traders.values())
        told = [
            ("rotations", f"{sum(self.rotations.values())} ({each})"),
            ("revocations", f"{self.revocations}"),
            ("requests", f"{self.requests} by the trader, {unanswered} without a usable answer"),
            ("rejected", f"{self.rejected}"),
            ("tokens live", f"{self.tokens_live}"),
            ("orphans", ", ".join(self.orphans) or "0"),
            ("secrets seen outside Vault", "; ".join(map(str, self.leaks)) or "0"),
            ("flagged as unused", ", ".join(self.flagged) or "none"),
        ]
        width = max(len(name) for name, _ in told)
        lines = [f"  {name.ljust(width)}  {value}" for name, value in told]
        verdict = [f"FAILED: {condition}." for condition in self.failed_conditions] or ["OK: every condition holds."]
        return [f"Summary of {self.seconds:.0f} s (seed {self.seed})", *lines, *verdict]
