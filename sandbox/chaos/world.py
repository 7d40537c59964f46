"""The servers of a run, and the settings that every lane takes its share of."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from config.schema import Credential, Settings
from sandbox.stack import Stack, StackOptions

CANARY = "canary"
"""The one credential that the stack's own trader waits for; nobody ever issues it."""

POLICY = """
[schedule]
rotate_every = "3s"
revoke_every = "3s"          # also how long a worker holds an account while it revokes
flag_every = "1h"

[defaults]
rotation_period = "30m"      # what is due is made so by hand: nothing becomes due by itself during a cell
spread = 0.0
max_age = "3h"
max_overlap = "25m"
grace = "4s"                 # the trader reads Vault every 1.8 s
quiet_period = "1s"
lastused_lag = "0s"           # the exchange tells every use at once here
stale_after = "2h"
unused_after = "2h"
derive_deadline = "3s"       # a worker holds a credential for twice that and verify_deadline while it rotates
verify_deadline = "1s"
max_clock_skew = "2s"        # Vault tells whole seconds
backoff_base = "1s"
backoff_cap = "1s"
"""


def config_text(names: Iterable[str]) -> str:
    """Return the rotator's TOML with an account and a credential of each of these names."""
    entries = (
        f'[[accounts]]\nname = "{name}"\nidentity_token_file = "identity/{name}.jwt"\n\n'
        f'[[credentials]]\nname = "{name}"\naccount = "{name}"\n'
        for name in names
    )
    return "\n".join((POLICY, *entries))


def open_stack(config: Path, *, names: Sequence[str], seed: int, interrupted: Callable[[], bool]) -> Stack:
    """Return a stack, not yet started: servers, exchange and observers, but neither workers nor beats.

    Args:
        config: where to write the settings.
        names: of accounts and credentials.
        seed: of the exchange, whose own faults are off: here every fault is ordered.
        interrupted: asked while it starts; True ends the start with Interrupted.
    """
    config.write_text(config_text((CANARY, *names)), encoding="utf-8")
    options = StackOptions(
        config=config, seed=seed, faults="none", workers=0, beats=0, unread=frozenset(names), rate=1.0
    )
    return Stack(options, interrupted=interrupted, hurry=lambda: True)


def share(stack: Stack, credentials: Sequence[Credential], name: str) -> Path:
    """Write the settings that know only these credentials into the stack's folder, and return the file."""
    path = stack.folder / f"{name}.toml"
    path.write_text(config_text(one.name for one in credentials), encoding="utf-8")
    return path


def settings_of(stack: Stack, credential: Credential) -> Settings:
    """Return settings that know only that credential and its account, for clients of our own."""
    return stack.settings.model_copy(
        update={"accounts": (stack.settings.account(credential.account),), "credentials": (credential,)}
    )
