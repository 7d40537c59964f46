"""What really stood in the way and when, known from how the world was made and never from what the worker says."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from config.schema import Freeze
from sandbox.simulation.fleet import BEGIN, DAY, EXPIRY_HOUR, EXPIRY_WEEKDAY
from sandbox.simulation.intervals import Interval, Intervals


def local_times(zone: str, hour: int, *, days: int, weekday: int | None = None) -> Iterator[datetime]:
    """Yield each day's (or each such weekday's) full hour in that zone, UTC, from a week before the run to its end."""
    first = (BEGIN - 7 * DAY).date()
    for number in range(days + 15):
        date = first + timedelta(days=number)
        if weekday is None or date.weekday() == weekday:
            yield datetime.combine(date, time(hour), ZoneInfo(zone)).astimezone(BEGIN.tzinfo)


def freeze_intervals(freeze: Freeze, *, days: int) -> list[Interval]:
    """Return when that freeze of the fleet is in force; a recurring one is the weekly expiry."""
    if freeze.start is not None and freeze.until is not None:
        return [(freeze.start, freeze.until)]
    duration = freeze.duration or timedelta()
    starts = local_times(freeze.timezone, EXPIRY_HOUR, days=days, weekday=EXPIRY_WEEKDAY)
    return [(start, start + duration) for start in starts]


@dataclass(slots=True)
class Halt:
    """A pause (`credential` None: of the whole account) or a credential that is parked; `until` None while it lasts."""

    account: str
    credential: str | None
    since: datetime
    until: datetime | None = None

    def concerns(self, account: str, credential: str) -> bool:
        """Whether it holds that credential."""
        return self.account == account and self.credential in {None, credential}


_FAR = datetime.max.replace(tzinfo=BEGIN.tzinfo)


@dataclass
class Truth:
    """Everything that may hold the worker back.

    Attributes:
        vault: when Vault is away.
        exchange: when the exchange is away.
        sluggish: when fresh tokens are not accepted, by account.
        frozen: by account.
        cut: when an account's list is cut short.
        pauses: by people.
        revoked_by_hand: when people revoked a current token, by credential.
        parked: from the failure that parked it until somebody resumed it.
    """

    vault: Intervals
    exchange: Intervals
    sluggish: dict[str, Intervals]
    frozen: dict[str, Intervals]
    cut: dict[str, Intervals] = field(default_factory=lambda: defaultdict(Intervals))
    revoked_by_hand: dict[str, list[datetime]] = field(default_factory=dict)
    pauses: list[Halt] = field(default_factory=list)
    parked: list[Halt] = field(default_factory=list)

    def is_obscured(self, account: str, credential: str, since: datetime, until: datetime) -> bool:
        """Whether lists of that time were cut short, or the credential's token was revoked by hand in it."""
        by_hand = any(since <= one < until for one in self.revoked_by_hand.get(credential, ()))
        return by_hand or bool(self.cut[account].within(since, until))

    def is_paused(self, account: str, credential: str, now: datetime) -> bool:
        """Whether a person paused it."""
        return any(
            one.concerns(account, credential) and one.since <= now and (one.until is None or now < one.until)
            for one in self.pauses
        )

    def is_frozen(self, account: str, now: datetime) -> bool:
        """Whether a freeze is in force."""
        return self.frozen[account].at(now)

    def held(
        self, account: str, credential: str, since: datetime, until: datetime, *, freezes: bool = True
    ) -> timedelta:
        """Return how much of that time something stood in the way of a rotation.

        Args:
            account: its name.
            credential: its name.
            since: begin.
            until: end.
            freezes: whether freezes and lists that are cut short count, which they do not for a token that is refused.
        """
        found = [one for each in (self.vault, self.exchange, self.sluggish[account]) for one in each.all]
        if freezes:
            found += [*self.frozen[account].all, *self.cut[account].all]
        halts = [one for one in (*self.pauses, *self.parked) if one.concerns(account, credential)]
        found += [(one.since, one.until or _FAR) for one in halts]
        return Intervals(one for one in found if one[1] > since and one[0] < until).within(since, until)

    def free_at(self, account: str, credential: str, now: datetime) -> datetime:
        """Return the first moment from now on in which no server is away, no freeze in force, nothing paused."""
        moment = now
        for _ in range(_ROUNDS):
            ends = [one.end_at(moment) for one in (self.vault, self.exchange, self.frozen[account])]
            ends += [
                one.until
                for one in self.pauses
                if one.concerns(account, credential) and one.until is not None and one.since <= moment < one.until
            ]
            later = max((one for one in ends if one is not None), default=moment)
            if later <= moment:
                break
            moment = later
        return moment


_ROUNDS = 10
"""One thing that stands in the way may end in another; never so many in a row."""
