"""Which faults befall a request: seeded, so that a run replays, whatever the order in which calls interleave."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sandbox.exchange.records import ENDINGS, Call, Fault, FaultRule, PendingFault


def _rules(percent: float, call: Call, *faults: Fault) -> tuple[FaultRule, ...]:
    return tuple(FaultRule(fault=fault, call=call, percent=percent) for fault in faults)


DEFAULT_RULES: tuple[FaultRule, ...] = (
    *_rules(1, Call.CAPABILITIES, Fault.CUT_BEFORE, Fault.UNAVAILABLE, Fault.SLOW),
    *_rules(1, Call.DERIVE, Fault.CUT_BEFORE, Fault.THROTTLE, Fault.UNAVAILABLE, Fault.HTML_ERROR, Fault.CUT_ANSWER),
    *_rules(1, Call.DERIVE, Fault.TRUNCATED_JSON),
    *_rules(2, Call.DERIVE, Fault.LOSE_ANSWER, Fault.SLOW, Fault.HIDE_NEW_TOKENS),
    *_rules(1, Call.LIST, Fault.CUT_BEFORE, Fault.THROTTLE, Fault.UNAVAILABLE, Fault.HTML_ERROR, Fault.CUT_ANSWER),
    *_rules(1, Call.LIST, Fault.LOSE_ANSWER, Fault.TRUNCATED_JSON, Fault.SKEW_CLOCK),
    *_rules(2, Call.LIST, Fault.SLOW, Fault.HIDE_NEW_TOKENS, Fault.LAG_LAST_USED),
    *_rules(1, Call.REVOKE, Fault.CUT_BEFORE, Fault.THROTTLE, Fault.UNAVAILABLE, Fault.HTML_ERROR),
    *_rules(2, Call.REVOKE, Fault.LOSE_ANSWER, Fault.SLOW),
    *_rules(1, Call.PROFILE, Fault.SLOW),
    *_rules(1, Call.ORDER, Fault.SLOW),
)
"""A network on an ordinary day. What a trading service calls is only ever slow: whatever the faults, it is never
refused, so that a refusal it sees is always the rotator's doing."""

PRESETS: Mapping[str, tuple[FaultRule, ...]] = MappingProxyType({"default": DEFAULT_RULES, "none": ()})


def draw(seed: int, fault: Fault, call: Call, number: int) -> float:
    """Return the percentile, in [0, 100), of the number-th request of that call in that fault's own stream."""
    digest = hashlib.sha256(f"{seed}:{fault}:{call}:{number}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48 * 100


@dataclass(frozen=True, slots=True)
class Misfortune:
    """What befalls one request: at most one ending, and any number of the others, each with its amount."""

    ending: Fault | None = None
    amounts: Mapping[Fault, float | None] = field(default_factory=dict)

    @property
    def names(self) -> tuple[Fault, ...]:
        """All of them, in alphabetical order."""
        return tuple(sorted(self.amounts))

    def seconds(self, fault: Fault) -> float:
        """Return the amount of that fault, 0 when it does not befall this request (or has no amount)."""
        return self.amounts.get(fault) or 0.0


class FaultPlan:
    """The rules in force, the counters behind the random streams, and the faults that wait for their calls.

    Not thread-safe by itself: the exchange's state guards it.
    """

    def __init__(self, *, seed: int, rules: Iterable[FaultRule]) -> None:
        self._seed = seed
        self._rules = _by_target(rules)
        self._numbers: Counter[Call] = Counter()
        self._pending: list[PendingFault] = []

    @property
    def seed(self) -> int:
        """Where the random streams start."""
        return self._seed

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """The rules in force."""
        return tuple(self._rules.values())

    @property
    def pending(self) -> tuple[PendingFault, ...]:
        """The faults that still wait, with what is left of their counts."""
        return tuple(self._pending)

    def replace_rules(self, rules: Iterable[FaultRule]) -> None:
        """Put these rules in force; counters and pending faults stay."""
        self._rules = _by_target(rules)

    def reseed(self, seed: int) -> None:
        """Start every stream anew."""
        self._seed = seed
        self._numbers.clear()

    def add_pending(self, pending: PendingFault) -> None:
        """Let a fault wait for the next requests of its call."""
        self._pending.append(pending)

    def befall(self, call: Call) -> Misfortune:
        """Return what befalls the next request of that call, and count it."""
        self._numbers[call] += 1
        number = self._numbers[call]
        amounts: dict[Fault, float | None] = {}
        ending: Fault | None = None
        for waiting in [one for one in self._pending if one.call is call]:
            if waiting.fault in amounts or (ending and waiting.fault in ENDINGS):
                continue
            amounts[waiting.fault] = waiting.effective_seconds
            ending = waiting.fault if waiting.fault in ENDINGS else ending
            self._use_up(waiting)
        # Every rule draws from its own stream, so that adding one leaves what the others do as it was.
        for fault in Fault:
            rule = self._rules.get((fault, call))
            if rule is None or fault in amounts or (ending and fault in ENDINGS):
                continue
            if draw(self._seed, fault, call, number) < rule.percent:
                amounts[fault] = rule.effective_seconds
                ending = fault if fault in ENDINGS else ending
        return Misfortune(ending=ending, amounts=amounts)

    def _use_up(self, waiting: PendingFault) -> None:
        position = next(index for index, one in enumerate(self._pending) if one is waiting)
        if waiting.count > 1:
            self._pending[position] = waiting.model_copy(update={"count": waiting.count - 1})
        else:
            del self._pending[position]


def _by_target(rules: Iterable[FaultRule]) -> dict[tuple[Fault, Call], FaultRule]:
    found: dict[tuple[Fault, Call], FaultRule] = {}
    for rule in rules:
        if (rule.fault, rule.call) in found:
            raise ValueError(f"two rules for {rule.fault} on {rule.call}")
        found[rule.fault, rule.call] = rule
    return found
