"""What holds an account or a credential back: pauses, freezes, a list that is not believed, and which of them wins."""

from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schema import Freeze
from tests.build import NOON, ago
from worker.account_ledger import AccountLedger, OrderedFreeze, Pause, Suspicion
from worker.policy.guards import Interval, freeze_at, freezes_of, held_back, pause_of
from worker.policy.steps import Reason

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SECOND = timedelta(seconds=1)


def pause(credential: str | None = "mm", *, until: datetime | None = None, by: str = "ann") -> Pause:
    return Pause(credential=credential, since=ago(hours=1), until=until, by=by, reason="migration")


def ledger(*pauses: Pause, **more: object) -> AccountLedger:
    return AccountLedger.model_validate({"account": "main", "pauses": pauses, **more})


def dated(start: datetime, until: datetime, *, reason: str = "election", accounts: tuple[str, ...] = ()) -> Freeze:
    return Freeze(reason=reason, start=start, until=until, accounts=accounts)


def nightly(schedule: str = "0 22 * * *", duration: timedelta = 4 * HOUR, timezone: str = "UTC") -> Freeze:
    return Freeze(reason="the night", schedule=schedule, duration=duration, timezone=timezone)


def frozen(*freezes: Freeze, now: datetime = NOON, of_ledger: AccountLedger | None = None) -> str | None:
    """Return the reason of the freeze in force for account main, or None."""
    found = freeze_at(freezes_of("main", freezes, of_ledger or ledger(), now), now)
    return found.reason if found else None


# --- pauses ---------------------------------------------------------------------------------------------------------

PAUSES = [
    ("one of its own without an end", pause(), True),
    ("one of its whole account", pause(None), True),
    ("one that ends in a second", pause(until=NOON + SECOND), True),
    ("none, when its own ends at this very moment", pause(until=NOON), False),
    ("none, when its own is over", pause(until=ago(seconds=1)), False),
    ("none, when that of its account is over", pause(None, until=ago(seconds=1)), False),
    ("none, when it is another credential that is paused", pause("taker"), False),
]


@pytest.mark.parametrize("case", PAUSES, ids=[name for name, *_ in PAUSES])
def test_the_pause_in_force_is(case: tuple[str, Pause, bool]) -> None:
    _, of_ledger, holds = case
    assert pause_of(ledger(of_ledger), "mm", NOON) == (of_ledger if holds else None)


def test_a_pause_of_the_account_goes_on_when_that_of_the_credential_is_over() -> None:
    whole = pause(None, until=NOON + HOUR)
    assert pause_of(ledger(pause(until=ago(minutes=1)), whole), "mm", NOON) == whole


def test_a_pause_of_one_credential_does_not_pause_the_account() -> None:
    assert pause_of(ledger(pause()), "", NOON) is None


moments = st.integers(-72, 72).map(lambda hours: NOON + hours * HOUR)
pauses = st.builds(
    lambda credential, since, until: Pause(credential=credential, since=since, until=until, by="ann", reason="why"),
    st.sampled_from([None, "mm", "taker"]),
    moments,
    st.none() | moments,
)


@given(made=st.lists(pauses, max_size=5), seed=st.randoms(use_true_random=False), now=moments)
def test_whether_a_credential_is_paused_does_not_depend_on_the_order_of_pauses(
    made: list[Pause], seed: Random, now: datetime
) -> None:
    other = list(made)
    seed.shuffle(other)
    assert (pause_of(ledger(*made), "mm", now) is None) == (pause_of(ledger(*other), "mm", now) is None)


@given(made=st.lists(pauses, max_size=5), now=moments, later=st.integers(0, 72))
def test_a_pause_that_is_over_never_begins_again(made: list[Pause], now: datetime, later: int) -> None:
    over = pause_of(ledger(*made), "mm", now) is None
    assert not over or pause_of(ledger(*made), "mm", now + later * HOUR) is None


# --- dated freezes --------------------------------------------------------------------------------------------------

DATED = [
    ("begins in a second", dated(NOON + SECOND, NOON + DAY), False),
    ("begins at this very moment", dated(NOON, NOON + DAY), True),
    ("ends in a second", dated(ago(days=1), NOON + SECOND), True),
    ("ends at this very moment", dated(ago(days=1), NOON), False),
    ("names this account among others", dated(ago(days=1), NOON + DAY, accounts=("other", "main")), True),
    ("names other accounts", dated(ago(days=1), NOON + DAY, accounts=("other",)), False),
]


@pytest.mark.parametrize("case", DATED, ids=[name for name, *_ in DATED])
def test_a_dated_freeze_is_in_force_or_not_when_it(case: tuple[str, Freeze, bool]) -> None:
    _, freeze, holds = case
    assert (frozen(freeze) is not None) is holds


def test_a_freeze_that_a_person_ordered_is_in_force_without_any_configured_one() -> None:
    ordered = OrderedFreeze(since=ago(hours=1), until=NOON + HOUR, by="ann", reason="launch")
    assert frozen(of_ledger=ledger(freezes=[ordered])) == "launch"


def test_of_two_freezes_that_overlap_the_one_that_lasts_longer_is_named() -> None:
    short, long = dated(ago(days=2), NOON + HOUR, reason="short"), dated(ago(days=1), NOON + DAY, reason="long")
    assert {frozen(short, long), frozen(long, short)} == {"long"}


def test_two_freezes_that_touch_leave_no_gap_between_them() -> None:
    first, second = dated(ago(days=1), NOON, reason="first"), dated(NOON, NOON + DAY, reason="second")
    assert (frozen(first, second, now=NOON - SECOND), frozen(first, second)) == ("first", "second")


def test_a_freeze_ends_when_the_longest_one_does() -> None:
    both = (dated(ago(days=2), NOON + HOUR), dated(ago(days=1), NOON + DAY))
    assert [frozen(*both, now=moment) is not None for moment in (NOON + 2 * HOUR, NOON + DAY)] == [True, False]


def test_freezes_within_sight_are_told_the_earliest_first() -> None:
    soon, later = dated(NOON + HOUR, NOON + DAY, reason="soon"), dated(NOON + DAY, NOON + 9 * DAY, reason="later")
    assert [one.reason for one in freezes_of("main", (later, soon), ledger(), NOON, 2 * DAY)] == ["soon", "later"]


def test_a_freeze_out_of_sight_is_not_told() -> None:
    assert freezes_of("main", (dated(NOON + 3 * DAY, NOON + 4 * DAY),), ledger(), NOON, 2 * DAY) == ()


# --- recurring freezes ----------------------------------------------------------------------------------------------

RECURRING = [
    ("a second before it begins", "2026-06-01 21:59:59", None),
    ("at its very beginning", "2026-06-01 22:00", "the night"),
    ("past midnight, on the day after it began", "2026-06-02 01:59:59", "the night"),
    ("at its very end", "2026-06-02 02:00", None),
]


@pytest.mark.parametrize("case", RECURRING, ids=[name for name, *_ in RECURRING])
def test_a_freeze_of_four_hours_each_night_from_ten(case: tuple[str, str, str | None]) -> None:
    _, now, reason = case
    assert frozen(nightly(), now=datetime.fromisoformat(now).replace(tzinfo=UTC)) == reason


def test_every_recurrence_within_sight_is_told() -> None:
    told = freezes_of("main", (nightly(),), ledger(), NOON, 3 * DAY)
    assert [one.start for one in told] == [NOON + 10 * HOUR + number * DAY for number in range(3)]


ZONES = ("UTC", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia")
CHANGES = [
    ("Europe/London", "2026-03-29"),
    ("Europe/London", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
]


@pytest.mark.parametrize("zone, change", CHANGES)
@pytest.mark.parametrize("minute", range(0, 4 * 60, 30))
def test_a_daily_freeze_over_a_change_of_the_clocks_lasts_its_duration_on_each_day(
    zone: str, change: str, minute: int
) -> None:
    freeze = nightly(f"{minute % 60} {minute // 60} * * *", timedelta(minutes=90), zone)
    first = datetime.fromisoformat(change).replace(tzinfo=ZoneInfo(zone)) - DAY
    start, end = first.astimezone(UTC), (first + 3 * DAY).astimezone(UTC)
    told = freezes_of("main", (freeze,), ledger(), start, 4 * DAY)
    lengths = [one.until - one.start for one in told if start <= one.start < end]
    assert lengths == [timedelta(minutes=90)] * 3


@given(
    zone=st.sampled_from(ZONES),
    hour=st.integers(0, 23),
    duration=st.integers(1, 20),
    minutes=st.integers(0, 365 * 24 * 60),
)
def test_a_recurring_freeze_holds_from_its_time_for_its_duration_and_no_longer(
    zone: str, hour: int, duration: int, minutes: int
) -> None:
    freeze = nightly(f"0 {hour} * * *", duration * HOUR, zone)
    moment = NOON + timedelta(minutes=minutes)
    (interval, *_) = [one for one in freezes_of("main", (freeze,), ledger(), moment, 2 * DAY) if one.start > moment]
    edges = (interval.start, interval.until - SECOND, interval.until)
    assert [frozen(freeze, now=edge) is not None for edge in edges] == [True, True, False]


@given(edges=st.lists(st.tuples(moments, moments), max_size=6), now=moments)
def test_an_account_is_frozen_exactly_while_at_least_one_freeze_is_in_force(
    edges: list[tuple[datetime, datetime]], now: datetime
) -> None:
    freezes = [dated(min(pair), max(pair)) for pair in edges]
    assert (frozen(*freezes, now=now) is not None) == any(min(pair) <= now < max(pair) for pair in edges)


# --- what wins ------------------------------------------------------------------------------------------------------

SUSPICION = Suspicion(token_ids=(), first_at=ago(minutes=1), lost=3, sentence="The list lacks 3 of 4 tokens.")
WINS = [
    ("nothing", ledger(), False, None),
    ("a pause", ledger(pause()), False, Reason.PAUSED),
    ("a freeze", ledger(), True, Reason.FROZEN),
    ("a list that shrank", ledger(suspicion=SUSPICION), False, Reason.LIST_SHRANK),
    ("a pause in a freeze", ledger(pause()), True, Reason.PAUSED),
    ("a pause while a list is doubted", ledger(pause(), suspicion=SUSPICION), False, Reason.PAUSED),
    ("a freeze while a list is doubted", ledger(suspicion=SUSPICION), True, Reason.FROZEN),
    ("all three", ledger(pause(), suspicion=SUSPICION), True, Reason.PAUSED),
    ("a pause that is over, in a freeze", ledger(pause(until=ago(seconds=1))), True, Reason.FROZEN),
]


@pytest.mark.parametrize("case", WINS, ids=[name for name, *_ in WINS])
def test_what_holds_a_credential_back_is_named_by(case: tuple[str, AccountLedger, bool, Reason | None]) -> None:
    _, of_ledger, in_freeze, reason = case
    intervals = [Interval(ago(hours=1), NOON + HOUR, "election")] if in_freeze else []
    hold = held_back("main", "mm", of_ledger, intervals, NOON)
    assert (hold.reason if hold else None) == reason


def test_a_paused_credential_is_told_who_paused_it_and_how_it_goes_on() -> None:
    hold = held_back("main", "mm", ledger(pause(by="ann")), [], NOON)
    assert hold is not None
    assert all(word in hold.sentence for word in ("mm", "ann", "migration", "rotator resume credential:mm"))


def test_a_credential_of_a_paused_account_is_told_to_resume_the_account() -> None:
    hold = held_back("main", "mm", ledger(pause(None)), [], NOON)
    assert hold is not None
    assert hold.sentence.endswith("rotator resume account:main")


def test_a_frozen_credential_is_told_why_and_until_when() -> None:
    hold = held_back("main", "mm", ledger(), [Interval(ago(hours=1), NOON + HOUR, "election")], NOON)
    assert hold is not None
    assert all(word in hold.sentence for word in ("election", "2026-06-01 13:00 UTC", "another 1 h"))


def test_a_freeze_that_a_person_ordered_is_told_with_the_command_that_ends_it() -> None:
    ordered = Interval(ago(hours=1), NOON + HOUR, "election", ordered=True)
    held = held_back("main", "mm", ledger(), (ordered,), NOON)
    assert held is not None
    assert held.sentence.endswith("rotator unfreeze --account main")


def test_a_freeze_of_the_configuration_is_told_to_end_there() -> None:
    held = held_back("main", "mm", ledger(), (Interval(ago(hours=1), NOON + HOUR, "election"),), NOON)
    assert held is not None
    assert "configuration file" in held.sentence
