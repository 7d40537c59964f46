"""Cron expressions and time zones: whether they can be used, and how far apart an expression's times are."""

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from config.mistakes import did_you_mean, shown
from config.tables import Place

_FIELDS = 5
_SOME_DAY, _LAST_DAY = datetime(2024, 1, 1, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)  # two leap days
_COMMON_ZONES = ("UTC", "Europe/London", "America/New_York", "Asia/Singapore", "Asia/Tokyo")


def check_cron(expression: str, place: Place) -> bool:
    """Return whether the cron expression names any time, else False with the mistake added to the place."""
    wrong = f"{shown(expression)} is not a cron expression"
    right = 'Write minute, hour, day of the month, month and day of the week, such as "0 3 * * MON"'
    if len(expression.split()) != _FIELDS:  # with six it would count seconds, which no sweep can keep
        place.add(wrong, right)
        return False
    try:
        next(CronSim(expression, _SOME_DAY))
    except CronSimError:
        place.add(wrong, right)
        return False
    except StopIteration:
        place.add(f"{shown(expression)} names a day that never comes", "Write a day that the month has")
        return False
    return True


def check_timezone(name: str, place: Place) -> bool:
    """Return whether the time zone is known, else False with the mistake added to the place."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError):  # its "not found" is a KeyError; a folder of the database and a bad key are these
        pass
    except KeyError:
        pass
    else:
        return True
    otherwise = 'Write a name of the IANA database, such as "Europe/London"'
    place.add(f"{shown(name)} is not a time zone", did_you_mean(name, _COMMON_ZONES, otherwise=otherwise))
    return False


@lru_cache
def longest_gap(expression: str, timezone: str) -> timedelta:
    """Return the longest time between two consecutive times of a usable expression, in the five years looked at.

    Days and times of day are walked apart: an expression that is dense on one day a month has too many times to walk
    them all, and its gap lies between the days. An hour that a clock change adds inside a day is not counted.
    """
    minute, hour, *days = expression.split()
    before = _SOME_DAY - timedelta(minutes=1)  # what CronSim gives lies after where it begins
    of_day = list(takewhile(lambda one: one < _SOME_DAY + timedelta(days=1), CronSim(f"{minute} {hour} * * *", before)))
    dates = list(takewhile(lambda one: one < _LAST_DAY, CronSim(f"0 0 {' '.join(days)}", before)))
    first, last, zone = of_day[0].time(), of_day[-1].time(), ZoneInfo(timezone)
    gaps = [after - earlier for earlier, after in pairwise(of_day)]
    gaps += [_moment(after, first, zone) - _moment(earlier, last, zone) for earlier, after in pairwise(dates)]
    return max(gaps) if len(dates) > 1 else timedelta.max


def _moment(date: datetime, clock: time, zone: ZoneInfo) -> datetime:
    # In UTC, because Python takes moments of one zone apart by what the clock shows.
    return datetime.combine(date, clock, tzinfo=zone).astimezone(UTC)
