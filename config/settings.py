"""Reads the settings: one TOML file for accounts and credentials, the environment for servers and secrets.

Everything is validated together and every mistake is found in one go. docs/configuration.md describes each key.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from config.entries import ReadAccount, read_accounts, read_credentials
from config.environment import Environment, read_infrastructure
from config.freezes import read_freezes
from config.mistakes import Mistake, SettingsError
from config.policy_rules import Level, check_policy, read_level
from config.schema import Infrastructure, Policy, Schedule, Settings, VaultLayout
from config.tables import Place, read_table
from config.toml_file import read_toml
from config.vault_paths import Claim, check_collisions, check_layout

DEFAULT_CONFIG = Path("config/rotator.toml")

__all__ = ["DEFAULT_CONFIG", "Mistake", "SettingsError", "check_settings", "config_path", "load_settings"]


class _File(BaseModel):
    """The file's top level; each table is read by itself."""

    model_config = ConfigDict(extra="forbid")

    vault: Any = None
    schedule: Any = None
    defaults: Any = None
    accounts: Any = None
    credentials: Any = None
    freezes: Any = None


def config_path(environ: Mapping[str, str]) -> Path:
    """Return which TOML file is read: ROTATOR_CONFIG, or `config/rotator.toml` below the working directory."""
    return Path(environ.get("ROTATOR_CONFIG", "").strip() or DEFAULT_CONFIG)


def load_settings(environ: Mapping[str, str], *, for_beat: bool = False) -> Settings:
    """Return the settings, or raise SettingsError with every mistake.

    Args:
        environ: such as `os.environ`.
        for_beat: need and read nothing of Vault and of identities, for which beat has no use.
    """
    settings, mistakes = _read(environ, for_beat=for_beat)
    if settings is None or mistakes:
        raise SettingsError(mistakes)
    return settings


def check_settings(environ: Mapping[str, str]) -> list[Mistake]:
    """Return every mistake in the file and the environment; an empty list means that the worker can start."""
    return _read(environ)[1]


def _read(environ: Mapping[str, str], *, for_beat: bool = False) -> tuple[Settings | None, list[Mistake]]:
    mistakes: list[Mistake] = []
    env = Environment(environ, mistakes)
    path = config_path(environ)
    content = read_toml(path, Place(str(path), "", mistakes))
    infrastructure = read_infrastructure(env, for_beat=for_beat)
    if content is None:
        return None, mistakes
    place = Place(str(path), "", mistakes)
    return _assemble(content, place, env, infrastructure, path.parent, identities=not for_beat), mistakes


def _assemble(
    content: dict[str, Any],
    place: Place,
    env: Environment,
    infrastructure: Infrastructure | None,
    folder: Path,
    *,
    identities: bool,
) -> Settings | None:
    elsewhere = dict.fromkeys(Policy.model_fields, "[defaults]")
    file = read_table(_File, content, place, elsewhere=elsewhere).model
    vault = read_table(VaultLayout, file.vault, place.at("vault"))
    check_layout(vault.model, place.at("vault"))
    schedule = read_table(Schedule, file.schedule, place.at("schedule"))
    defaults = read_level(file.defaults, place.at("defaults"))
    accounts = read_accounts(file.accounts, place.at("accounts"), env, folder, identities=identities)
    credentials = read_credentials(
        file.credentials, place.at("credentials"), accounts=accounts, defaults=defaults, vault=vault
    )
    _check_unused_levels(file.credentials, defaults, accounts)
    claims = [Claim(one.name, "/".join(one.location), one.place) for one in credentials if one.location]
    check_collisions(claims, vault.model)
    freezes = read_freezes(file.freezes, place.at("freezes"), accounts=[one.name for one in accounts if one.name])
    if infrastructure is None or place.mistakes:
        return None
    return Settings(
        infrastructure=infrastructure,
        vault=vault.model,
        schedule=schedule.model,
        accounts=tuple(one.account for one in accounts if one.account),
        credentials=tuple(one.credential for one in credentials if one.credential),
        freezes=tuple(freezes),
    )


def _check_unused_levels(raw_credentials: object, defaults: Level, accounts: list[ReadAccount]) -> None:
    """Check the policies that no credential uses yet: they would surprise whoever adds the first one."""
    entries = raw_credentials if isinstance(raw_credentials, list) else []
    if not accounts:
        check_policy([defaults])
    used = [entry.get("account") for entry in entries if isinstance(entry, dict)]
    for account in accounts:
        if account.name not in used:
            check_policy([defaults, account.level])
