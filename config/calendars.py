"""Cron expressions and time zones: whether they can be used, and how far apart an expression's times are."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from config.mistakes import did_you_mean, shown
from config.tables import Place

_LOOKED_AT = 120
"""Times of an expression that its gaps are judged by: ten years of a monthly one."""

_FIELDS = 5
_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)
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
    """Return the longest time between two consecutive times of a usable expression, of the first 120 of them."""
    times = CronSim(expression, _SOME_DAY.astimezone(ZoneInfo(timezone)))
    found = [moment.astimezone(UTC) for moment, _ in zip(times, range(_LOOKED_AT), strict=False)]
    return max((after - before for before, after in pairwise(found)), default=timedelta.max)
