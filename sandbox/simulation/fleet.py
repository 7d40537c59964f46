"""Who takes part: accounts, credentials, their policies, and how their services behave."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from pydantic import SecretStr

from config.schema import (
    Account,
    Credential,
    Freeze,
    Guards,
    Infrastructure,
    Policy,
    Schedule,
    Scope,
    Settings,
    VaultLayout,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW_WEEKDAY, WINDOW_HOUR = 6, 3
"""When the weekly window opens, in its own time zone: Sunday (Monday is 0), three o'clock."""

EXPIRY_WEEKDAY, EXPIRY_HOUR = 4, 12
"""When options expire in New York and nothing is to change: Friday noon."""
MAKER_HOUR = 4

POLICIES: dict[str, Policy] = {
    "daily maker": Policy(
        rotation_period=None,
        rotation_schedule=f"0 {MAKER_HOUR} * * *",
        rotation_window=12 * HOUR,
        max_age=3 * DAY,
        grace=10 * HOUR,
        max_overlap=30 * HOUR,
        stale_after=7 * DAY,
    ),
    "daily": Policy(rotation_period=DAY, max_age=3 * DAY, grace=10 * HOUR, max_overlap=18 * HOUR, stale_after=7 * DAY),
    "weekly": Policy(),
    "weekly window": Policy(
        rotation_period=None,
        rotation_schedule=f"0 {WINDOW_HOUR} * * SUN",
        rotation_window=6 * HOUR,
    ),
    "partner": Policy(
        rotation_period=30 * DAY,
        max_age=45 * DAY,
        grace=3 * DAY,
        max_overlap=10 * DAY,
        stale_after=30 * DAY,
        unused_after=14 * DAY,
        on_stale="revoke",
    ),
}
_ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe")
_SHARES = {"daily maker": 3, "daily": 2, "weekly": 13, "weekly window": 4, "partner": 4}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one reader of a credential behaves.

    Args:
        name: for the report.
        reads_every: how long it takes to notice a new version; None never looks again once it runs.
        uses_every: how often it signs a call.
        away_share: of the weeks, how many it does not run at all.
        dies: it runs for some time, and then for good no more.
        born: it begins only some time after the credential does.
    """

    name: str
    reads_every: timedelta | None
    uses_every: timedelta = HOUR
    away_share: float = 0.0
    dies: bool = False
    born: bool = False


PROMPT = Behaviour("prompt", timedelta(minutes=5))
HOURLY = Behaviour("hourly", HOUR)
RARE = Behaviour("rare", HOUR, uses_every=7 * HOUR)
LATE = Behaviour("late", 5 * HOUR)
TARDY = Behaviour("tardy", 30 * HOUR)
IDLE = Behaviour("often away", HOUR, away_share=0.5)
DYING = Behaviour("dying", HOUR, dies=True)
LATECOMER = Behaviour("comes later", HOUR, born=True)
NEVER = Behaviour("never looks again", None)

_USUAL = ((PROMPT, 40), (HOURLY, 28), (RARE, 10), (LATE, 8), (IDLE, 5), (DYING, 4), (LATECOMER, 3), (NEVER, 2))
_OF_PARTNERS = (*_USUAL, (TARDY, 20))


@dataclass(frozen=True, slots=True)
class Member:
    """One credential of the fleet: the name of its policy, and its readers' behaviour."""

    name: str
    policy: str
    readers: tuple[Behaviour, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The settings of a run, and its credentials by name."""

    settings: Settings
    members: dict[str, Member]

    def __post_init__(self) -> None:
        for member in self.members.values():
            slowest = max((one.reads_every or timedelta() for one in member.readers), default=timedelta())
            if 2 * slowest > POLICIES[member.policy].grace:
                # Its rejections would be the configuration's fault: docs/consumers.md asks for twice the slowest.
                raise ValueError(f"{member.name}: grace is shorter than twice its slowest reader")


def build_fleet(*, credentials: int, accounts: int, days: int, random: Random) -> Fleet:
    """Return a fleet of that size; the same random state gives the same fleet.

    Args:
        credentials: how many, on all accounts together.
        accounts: how many.
        days: of the run; freezes are placed in it.
        random: draws readers.
    """
    names = [f"desk-{number + 1}" for number in range(accounts)]
    kinds = _kinds()
    members, made = {}, []
    for number in range(credentials):
        # Each account gets every kind: an account's credentials are `accounts` apart.
        kind = kinds[number // accounts % len(kinds)]
        policy, account = POLICIES[kind], names[number % accounts]
        if policy.rotation_schedule:
            policy = policy.model_copy(update={"rotation_timezone": _ZONES[number % len(_ZONES)]})
        name = f"{account}-{kind.replace(' ', '-')}-{number:03}"
        scopes = (Scope.TRADING, Scope.DELEGATED_SIGNING) if kind == "partner" else (Scope.TRADING,)
        made.append(
            Credential(
                name=name, account=account, mount="trading", path=f"limitless/{name}", scopes=scopes, policy=policy
            )
        )
        usual = _OF_PARTNERS if kind == "partner" else _USUAL
        readers = random.choices(
            [one for one, _ in usual], [weight for _, weight in usual], k=1 + (random.random() < _SECOND_READER)
        )
        members[name] = Member(name, kind, tuple(readers))
    settings = Settings(
        infrastructure=Infrastructure(redis_url=SecretStr("redis://unused"), vault_addr="http://unused"),
        vault=VaultLayout(),
        schedule=Schedule(),
        accounts=tuple(Account(name=name, guards=Guards(foreign="alert")) for name in names),
        credentials=tuple(made),
        freezes=_freezes(names, days),
    )
    return Fleet(settings, members)


_SECOND_READER = 0.3


def _kinds() -> list[str]:
    """Return every kind as often as its share says, well mixed, so that a small fleet has each of them too."""
    places = [((number + 0.5) / share, kind) for kind, share in _SHARES.items() for number in range(share)]
    return [kind for _, kind in sorted(places)]


def _freezes(accounts: Sequence[str], days: int) -> tuple[Freeze, ...]:
    """Dated ones at fixed parts of the run, so that a shorter run meets them too; and one each week."""

    def at(part: float, *, lasts: timedelta) -> dict[str, datetime]:
        start = BEGIN + timedelta(days=round(part * days))
        return {"start": start, "until": start + lasts}

    audit = DAY * max(4, min(16, days // 10))
    some = tuple(accounts[: max(1, len(accounts) // 4)])
    return (
        Freeze(reason="launch", **at(0.05, lasts=2 * DAY), accounts=tuple(accounts[-1:])),
        Freeze(reason="election", **at(0.18, lasts=3 * DAY)),
        Freeze(reason="audit, longer than some max_age", **at(0.4, lasts=audit), accounts=some),
        Freeze(reason="election", **at(0.84, lasts=4 * DAY)),
        Freeze(reason="expiry", schedule=f"0 {EXPIRY_HOUR} * * FRI", timezone="America/New_York", duration=4 * HOUR),
    )
