"""Which values of a policy contradict each other, and at which of its three levels to say so."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from config.durations import format_duration
from config.schema import Policy
from config.tables import Place, Table

EXCHANGE_SIGNATURE_WINDOW = timedelta(seconds=30)
"""How far a signature's timestamp may be off before the exchange refuses it."""


@dataclass(frozen=True, slots=True)
class Level:
    """One `policy` table: where it stands and what could be read of it."""

    place: Place
    table: Table[Policy]


@dataclass(frozen=True, slots=True)
class Rule:
    """A relation that must hold between fields; `right` says it with the other field's value to be filled in.

    Args:
        fields: the one to blame first, then those it is compared with.
        holds: judged on the merged policy.
        right: what would be right.
    """

    fields: tuple[str, ...]
    holds: Callable[[Policy], bool]
    right: str


RULES: Sequence[Rule] = (
    Rule(
        ("grace", "rotation_period"),
        lambda p: p.grace < p.nominal_period,
        "grace must be shorter than rotation_period, or superseded tokens pile up",
    ),
    Rule(
        ("max_age", "rotation_period"),
        lambda p: p.rotation_period is None or p.max_age >= p.rotation_period,
        "max_age must be at least rotation_period, or every token is overdue before it is due",
    ),
    Rule(
        ("max_overlap", "rotation_period"),
        lambda p: p.max_overlap < p.nominal_period,
        "max_overlap must be shorter than rotation_period, or superseded tokens pile up",
    ),
    Rule(
        ("max_overlap", "grace"),
        # A grace beyond the period is told by the first rule already.
        lambda p: p.max_overlap >= p.grace or p.grace >= p.nominal_period,
        "max_overlap must be at least grace, since nothing is revoked before grace is over",
    ),
    Rule(
        ("quiet_period", "lastused_lag", "rotation_period"),
        lambda p: p.quiet_period + p.lastused_lag < p.nominal_period,
        "quiet_period and lastused_lag together must be shorter than rotation_period, or none is seen quiet in time",
    ),
    Rule(
        ("backoff_cap", "backoff_base"),
        lambda p: p.backoff_cap >= p.backoff_base,
        "backoff_cap must be at least backoff_base",
    ),
    Rule(
        ("max_clock_skew",),
        lambda p: p.max_clock_skew <= EXCHANGE_SIGNATURE_WINDOW,
        "max_clock_skew must be at most 30s: beyond that the exchange refuses every signature",
    ),
)


_OF_SCHEDULE = ("rotation_schedule", "rotation_timezone", "rotation_window")


def merge(levels: Sequence[Level]) -> Policy:
    """Return the policy in force: a later level overrides an earlier one, key by key.

    A level that sets a schedule takes the place of an earlier level's period, and the other way round.
    """
    given: dict[str, Any] = {}
    for level in levels:
        here = _given(level)
        if "rotation_schedule" in here:
            given["rotation_period"] = None
        if "rotation_period" in here:
            for key in _OF_SCHEDULE:
                given.pop(key, None)
        given.update(here)
    return Policy(**given)


def check_policy(levels: Sequence[Level]) -> Policy:
    """Return the merged policy, having added each contradiction to the most specific level that takes part in it.

    Args:
        levels: from defaults to credential; at least one.
    """
    policy = merge(levels)
    bad = frozenset[str]().union(*(level.table.bad for level in levels))
    for rule in RULES:
        if bad.isdisjoint(rule.fields) and not rule.holds(policy):
            _blame(rule, levels, policy)
    return policy


def _blame(rule: Rule, levels: Sequence[Level], policy: Policy) -> None:
    for level in reversed(levels):
        for field in rule.fields:
            if field in _given(level):
                values = ", ".join(f"{name} is {format_duration(getattr(policy, name))}" for name in rule.fields)
                level.place.at(field).add(values, rule.right)
                return


def _given(level: Level) -> Mapping[str, Any]:
    return level.table.given
