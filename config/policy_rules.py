"""Which values of a policy contradict each other, and at which of its three levels to say so."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from config.calendars import check_cron, check_timezone, longest_gap
from config.durations import format_duration
from config.mistakes import shown
from config.schema import Policy
from config.tables import Place, Table, read_table

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
        ("max_age", "rotation_schedule"),
        lambda p: p.rotation_schedule is None or p.max_age >= longest_gap(p.rotation_schedule, p.rotation_timezone),
        "max_age must be at least the longest time between two scheduled ones, or tokens are overdue before they are "
        "due",
    ),
    Rule(
        ("rotation_window",),
        lambda p: p.rotation_window is None or p.rotation_schedule is not None,
        "rotation_window needs a rotation_schedule: it says how long after a scheduled time a rotation may start",
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


# Not the time zone: it says where people are, whatever rotates by the clock.
_OF_SCHEDULE = ("rotation_schedule", "rotation_window")


def read_level(raw: object, place: Place) -> Level:
    """Return one `policy` table as far as it can be read, having added every mistake that is in it alone."""
    table = read_table(Policy, raw, place)
    bad, given = set[str](), table.given
    if "rotation_period" in given and "rotation_schedule" in given:
        place.at("rotation_schedule").add("is set beside rotation_period", "Keep one of the two")
        bad |= {"rotation_period", "rotation_schedule"}
    schedule, timezone = given.get("rotation_schedule"), given.get("rotation_timezone")
    if schedule is not None and not check_cron(schedule, place.at("rotation_schedule")):
        bad.add("rotation_schedule")
    if timezone is not None and not check_timezone(timezone, place.at("rotation_timezone")):
        bad.add("rotation_timezone")
    bad |= table.bad
    if not bad.isdisjoint({"rotation_schedule", "rotation_timezone"}):
        # How far rotations are apart is unknown then, and whether there is a schedule.
        bad |= {"rotation_period", "rotation_schedule", "rotation_window"}
    kept = {key: value for key, value in given.items() if key not in bad}
    return Level(place, Table(table.model, kept, frozenset(bad)))


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
    fields, right = rule.fields, rule.right
    if policy.rotation_period is None:
        # By schedule only max_age bounds how far rotations are apart, so that is what the others are compared with.
        fields = tuple("max_age" if name == "rotation_period" else name for name in fields)
        right = right.replace("rotation_period", "max_age")
    for level in reversed(levels):
        for field in fields:
            if field in _given(level):
                level.place.at(field).add(", ".join(f"{name} is {_shown(policy, name)}" for name in fields), right)
                return


def _shown(policy: Policy, field: str) -> str:
    value = getattr(policy, field)
    return format_duration(value) if isinstance(value, timedelta) else shown(value)


def _given(level: Level) -> Mapping[str, Any]:
    return level.table.given
