"""What the soak runs on: how many of everything, the configuration made for them, and the exchange's faults."""

from dataclasses import dataclass
from datetime import timedelta

from sandbox.exchange.faults import DEFAULT_RULES
from sandbox.exchange.records import Call, FaultRule

ROTATION_PERIOD = timedelta(seconds=30)
REREAD_SECONDS = 2.0
"""How often a trader reads Vault: well below half of the grace, as docs/consumers.md asks."""

FAULT_PERCENT = 5.0

_FROM_TRADERS = frozenset({Call.PROFILE, Call.ORDER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """How many of everything there are, and each credential's requests a second."""

    accounts: int = 3
    credentials: int = 30
    workers: int = 4
    beats: int = 2
    traders: int = 3
    rate: float = 2.0


def fault_rules(percent: float = FAULT_PERCENT) -> tuple[FaultRule, ...]:
    """Return the sandbox's usual faults, each befalling that share of the calls that it is for.

    A derive has seven ways to end badly, so three in ten of them do at 5 %. What traders call is only ever slow, at the
    usual rate: a refusal that a trader sees is then always the rotator's doing.
    """
    return tuple(
        rule if rule.call in _FROM_TRADERS else rule.model_copy(update={"percent": percent}) for rule in DEFAULT_RULES
    )


def config_text(scene: Scene) -> str:
    """Return the rotator's TOML: weeks pressed into half a minute, credentials dealt out to the accounts in turn.

    `lastused_lag` covers the exchange's lag fault (5 s). Others leave an intent alone for `derive_deadline`; workers
    are stopped for longer than that. `park_after` is out of reach, because a parked credential waits for a person.
    """
    accounts = [f"desk-{number}" for number in range(1, scene.accounts + 1)]
    return "\n".join(
        (
            _TIMES,
            *(f'[[accounts]]\nname = "{name}"\nidentity_token_file = "identity/{name}.jwt"\n' for name in accounts),
            *(
                f'[[credentials]]\nname = "bot-{number:02}"\naccount = "{accounts[number % len(accounts)]}"\n'
                for number in range(1, scene.credentials + 1)
            ),
        )
    )


_TIMES = f"""\
[schedule]
rotate_every = "3s"
revoke_every = "3s"
flag_every = "15s"

[defaults]
rotation_period = "{ROTATION_PERIOD.total_seconds():.0f}s"
spread = 0.0
max_age = "10m"
grace = "10s"
quiet_period = "2s"
max_overlap = "25s"
lastused_lag = "6s"
stale_after = "5m"
unused_after = "5m"
derive_deadline = "6s"
verify_deadline = "5s"
max_clock_skew = "3s"
backoff_base = "1s"
backoff_cap = "4s"
park_after = 1000
"""
