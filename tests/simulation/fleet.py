"""Who takes part: accounts, credentials, their policies, and how their services behave."""

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

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

POLICIES: dict[str, Policy] = {
    "daily maker": Policy(
        rotation_period=DAY,
        max_age=3 * DAY,
        grace=6 * HOUR,
        max_overlap=18 * HOUR,
        stale_after=7 * DAY,
    ),
    "weekly": Policy(),
    "weekly window": Policy(
        rotation_period=None,
        rotation_schedule="0 3 * * SUN",
        rotation_timezone="Europe/Berlin",
        rotation_window=6 * HOUR,
        max_age=14 * DAY,
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
_SHARES = {"daily maker": 5, "weekly": 13, "weekly window": 4, "partner": 4}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one reader of a credential behaves.

    Args:
        name: for the report.
        reads_every: how long it takes to notice a new version; None never looks again once it runs.
        uses_every: how often it signs a call.
        away_share: of the weeks, how many it does not run at all.
    """

    name: str
    reads_every: timedelta | None
    uses_every: timedelta = HOUR
    away_share: float = 0.0


PROMPT = Behaviour("prompt", timedelta(minutes=5))
HOURLY = Behaviour("hourly", HOUR)
RARE = Behaviour("rare", HOUR, uses_every=7 * HOUR)
LATE = Behaviour("late", timedelta(hours=5, minutes=30))
TARDY = Behaviour("tardy, past grace", 36 * HOUR)
IDLE = Behaviour("often away", HOUR, away_share=0.5)
DEAD = Behaviour("dead", HOUR, away_share=1.0)
NEVER = Behaviour("never looks again", None)
_USUAL = ((PROMPT, 40), (HOURLY, 30), (RARE, 10), (LATE, 8), (TARDY, 4), (IDLE, 6), (DEAD, 3), (NEVER, 3))


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


def build_fleet(*, credentials: int, accounts: int, random: Random) -> Fleet:
    """Return a fleet of that size; the same random state gives the same fleet."""
    names = [f"desk-{number + 1}" for number in range(accounts)]
    kinds = [kind for kind, share in _SHARES.items() for _ in range(share)]
    members, made = {}, []
    for number in range(credentials):
        kind = kinds[number % len(kinds)]
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
        count = 2 if random.random() < 0.3 else 1
        readers = random.choices([one for one, _ in _USUAL], [weight for _, weight in _USUAL], k=count)
        members[name] = Member(name, kind, tuple(readers))
    settings = Settings(
        infrastructure=Infrastructure(redis_url=SecretStr("redis://unused"), vault_addr="http://unused"),
        vault=VaultLayout(),
        schedule=Schedule(),
        accounts=tuple(Account(name=name, guards=Guards(foreign="alert")) for name in names),
        credentials=tuple(made),
        freezes=_freezes(names),
    )
    return Fleet(settings, members)


def _freezes(accounts: list[str]) -> tuple[Freeze, ...]:
    def day(month: int, of_month: int) -> datetime:
        return BEGIN.replace(month=month, day=of_month)

    return (
        Freeze(reason="launch", start=day(1, 20), until=day(1, 22), accounts=tuple(accounts[:1])),
        Freeze(reason="election", start=day(3, 10), until=day(3, 13)),
        Freeze(
            reason="audit, longer than some max_age", start=day(6, 1), until=day(6, 17), accounts=tuple(accounts[:2])
        ),
        Freeze(reason="election", start=day(11, 2), until=day(11, 6)),
        Freeze(reason="expiry", schedule="0 12 * * FRI", timezone="America/New_York", duration=4 * HOUR),
    )
