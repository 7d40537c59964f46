"""Reads `[[accounts]]` and `[[credentials]]`: each entry by itself first, then against the others."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from config.environment import Environment
from config.mistakes import did_you_mean, shown
from config.policy_rules import Level, check_policy, read_level
from config.schema import (
    MAX_LABEL_LENGTH,
    OTHER_SERVED_FIELDS,
    PRODUCTION_API_URL,
    ROTATION_ID_LENGTH,
    Account,
    Credential,
    FieldNames,
    Guards,
    Policy,
    Scope,
    VaultLayout,
)
from config.tables import Place, Table, read_table
from config.urls import check_url
from config.vault_paths import check_path

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_LONGEST_CREDENTIAL_NAME = MAX_LABEL_LENGTH - ROTATION_ID_LENGTH - len("/")
DEFAULT_IDENTITY = "LIMITLESS_IDENTITY_TOKEN"
"""The variable (or, with `_FILE`, the file) that identifies an account which names no source of its own."""


class AccountTable(BaseModel):
    """The keys of one `[[accounts]]`, as the file has them."""

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    api_url: str | None = None
    identity_token_env: str | None = None
    identity_token_file: Path | None = None
    guards: Any = None
    policy: Any = None


class CredentialTable(BaseModel):
    """The keys of one `[[credentials]]`, as the file has them."""

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    account: str = ""
    mount: str | None = None
    path: str | None = None
    scopes: tuple[Scope, ...] = (Scope.TRADING,)
    fields: Any = None
    policy: Any = None


@dataclass(frozen=True, slots=True)
class ReadAccount:
    """An account and its policy level; `account` is None when mistakes left it unusable."""

    name: str
    account: Account | None
    level: Level


@dataclass(frozen=True, slots=True)
class ReadCredential:
    """A credential's place in the file and in Vault; `credential` is None when mistakes left it unusable."""

    name: str
    place: Place
    location: tuple[str, str] | None
    credential: Credential | None


def read_accounts(
    raw: object, place: Place, env: Environment, folder: Path, *, identities: bool = True
) -> list[ReadAccount]:
    """Return the accounts that have a name, having added every mistake.

    Args:
        raw: the file's `accounts`.
        place: of that key.
        env: where identities and LIMITLESS_API_URL come from.
        folder: what relative file names in the TOML are relative to.
        identities: whether the accounts' identities are needed; without, none is looked for.
    """
    read: list[ReadAccount] = []
    for table, at in entries(raw, place):
        elsewhere = dict.fromkeys(Policy.model_fields, "[accounts.policy]")
        elsewhere |= dict.fromkeys(Guards.model_fields, "[accounts.guards]")
        account = read_table(AccountTable, table, at, elsewhere=elsewhere)
        guards = read_table(Guards, account.model.guards, at.at("guards")).model
        level = read_level(account.model.policy, at.at("policy"))
        named = _check_name(account, at, taken=[one.name for one in read], what="account")
        api_url = _api_url(account, at, env)
        identity = _identity(account, at, env, folder) if identities else None
        read.append(
            ReadAccount(
                name=account.model.name,
                account=_account(account.model.name, api_url, identity, guards)
                if named and api_url and (identity or not identities)
                else None,
                level=level,
            )
        )
    return read


def read_credentials(
    raw: object, place: Place, *, accounts: Sequence[ReadAccount], defaults: Level, vault: Table[VaultLayout]
) -> list[ReadCredential]:
    """Return every credential of the file, usable or not, having added every mistake."""
    read: list[ReadCredential] = []
    for table, at in entries(raw, place):
        elsewhere = dict.fromkeys(Policy.model_fields, "[credentials.policy]")
        entry = read_table(CredentialTable, table, at, elsewhere=elsewhere)
        name = entry.model.name
        named = _check_name(entry, at, taken=[one.name for one in read], what="credential") and _check_label(name, at)
        fields = _fields(entry.model.fields, at.at("fields"))
        _check_scopes(entry, at)
        levels = [defaults, *_account_level(entry, at, accounts)]
        levels.append(read_level(entry.model.policy, at.at("policy")))
        policy = check_policy(levels)
        location = _location(entry, at, vault)
        credential = None
        if named and location and not entry.bad:
            mount, path = location
            credential = Credential(
                name=name,
                account=entry.model.account,
                mount=mount,
                path=path,
                scopes=entry.model.scopes,
                fields=fields,
                policy=policy,
            )
        read.append(ReadCredential(name=name or at.key, place=at, location=location, credential=credential))
    return read


def entries(raw: object, place: Place) -> Iterable[tuple[object, Place]]:
    """Yield each table of a list of tables with its place, or nothing, with the mistake added, when it is none."""
    singular = place.key.rstrip("s")
    if not isinstance(raw, list):
        wrong = "is missing" if raw is None else f"{shown(raw)} is not a list of tables"
        place.add(wrong, f"Write each {singular} as a table of its own under [[{place.key}]]")
        return
    if not raw:
        place.add("is empty", f"Name at least one {singular}")
    for number, table in enumerate(raw, start=1):
        name = table.get("name") if isinstance(table, Mapping) else None
        label = name if isinstance(name, str) and _NAME.fullmatch(name) else f"#{number}"
        yield table, Place(place.file, f"{place.key}[{label}]", place.mistakes)


def _check_name(entry: Table[Any], at: Place, *, taken: Sequence[str], what: str) -> bool:
    if "name" in entry.bad:
        return False
    name = entry.model.name
    if not name:
        at.at("name").add("is missing", f'Give the {what} a name, such as name = "desk-1"')
    elif not _NAME.fullmatch(name):
        at.at("name").add(f"{shown(name)} is not a name", "Use a-z, 0-9, '.', '_' and '-', beginning with a-z or 0-9")
    elif name in taken:
        at.at("name").add("is there twice", f"Give each {what} a name of its own")
    else:
        return True
    return False


def _check_label(name: str, at: Place) -> bool:
    if len(name) <= _LONGEST_CREDENTIAL_NAME:
        return True
    at.at("name").add(
        f"has {len(name)} characters, which makes labels longer than the exchange's {MAX_LABEL_LENGTH}",
        f"Use at most {_LONGEST_CREDENTIAL_NAME} characters; '/' and a rotation id of {ROTATION_ID_LENGTH} are added",
    )
    return False


def _account(name: str, api_url: str, identity: SecretStr | Path | None, guards: Guards) -> Account:
    if isinstance(identity, Path):
        return Account(name=name, api_url=api_url, identity_token_file=identity, guards=guards)
    return Account(name=name, api_url=api_url, identity_token=identity, guards=guards)


def _api_url(account: Table[AccountTable], at: Place, env: Environment) -> str | None:
    if "api_url" in account.bad:
        return None
    if account.model.api_url is not None:
        return check_url(account.model.api_url, at.at("api_url"))
    common = env.text("LIMITLESS_API_URL")
    return check_url(common, env.place("LIMITLESS_API_URL")) if common else PRODUCTION_API_URL


def _identity(account: Table[AccountTable], at: Place, env: Environment, folder: Path) -> SecretStr | Path | None:
    if not account.bad.isdisjoint({"identity_token_env", "identity_token_file"}):
        return None
    variable, path = account.model.identity_token_env, account.model.identity_token_file
    if variable is not None and path is not None:
        at.at("identity_token_env").add("is set beside identity_token_file", "Keep one of the two")
        return None
    if path is not None:
        return folder / path
    if variable is None:
        return _default_identity(at, env)
    if not _VARIABLE.fullmatch(variable):
        # Never quoted: who mistakes this key for the token's place has written the token here.
        at.at("identity_token_env").add(
            "is not the name of an environment variable", "Write the variable's name here, never the token itself"
        )
        return None
    token = env.text(variable)
    if token is None:
        at.at("identity_token_env").add(
            "names an environment variable that is not set", f"Set {shown(variable)}, or use identity_token_file"
        )
        return None
    return SecretStr(token)


def _default_identity(at: Place, env: Environment) -> SecretStr | Path | None:
    token, path = env.text(DEFAULT_IDENTITY), env.text(f"{DEFAULT_IDENTITY}_FILE")
    if token and path:
        env.place(DEFAULT_IDENTITY).add(f"is set, and {DEFAULT_IDENTITY}_FILE too", "Set one of the two")
        return None
    if path:
        # Kept as a path: the file is read again whenever it changes.
        return Path(path)
    if token:
        return SecretStr(token)
    at.add(
        f"has no identity, and neither {DEFAULT_IDENTITY} nor {DEFAULT_IDENTITY}_FILE is set",
        "Set one of these, or name identity_token_file or identity_token_env here",
    )
    return None


def _account_level(entry: Table[CredentialTable], at: Place, accounts: Sequence[ReadAccount]) -> list[Level]:
    if "account" in entry.bad:
        return []
    name = entry.model.account
    found = [account.level for account in accounts if account.name == name]
    if not name:
        at.at("account").add("is missing", "Name one of [[accounts]]")
    elif not found:
        known = [account.name for account in accounts if account.name]
        otherwise = f"Known accounts: {', '.join(known) or 'none'}"
        at.at("account").add(f"{shown(name)} is not an account", did_you_mean(name, known, otherwise=otherwise))
    return found[:1]


def _check_scopes(entry: Table[CredentialTable], at: Place) -> None:
    scopes = entry.model.scopes
    if "scopes" in entry.bad:
        return
    if not scopes:
        at.at("scopes").add("is empty", 'Name at least one scope, such as ["trading"]')
    if len(set(scopes)) < len(scopes):
        at.at("scopes").add("names a scope twice", "Name each scope once")
    if Scope.DELEGATED_SIGNING in scopes and Scope.TRADING not in scopes:
        at.at("scopes").add("has delegated_signing without trading", "Add trading, which delegated_signing requires")


def _fields(raw: object, at: Place) -> FieldNames:
    table = read_table(FieldNames, raw, at)
    names = table.model
    for key in sorted({"token_id", "secret"} - table.bad):
        name = getattr(names, key)
        if not _FIELD.fullmatch(name):
            at.at(key).add(f"{shown(name)} is not a field's name", "Use letters, digits, '_', '-' and '.'")
        if name in OTHER_SERVED_FIELDS:
            at.at(key).add(f"{shown(name)} is the name of another served field", "Choose another name")
    if names.token_id == names.secret:
        at.at("secret").add("has the same name as token_id", "Give the two fields different names")
    return names


def _location(entry: Table[CredentialTable], at: Place, vault: Table[VaultLayout]) -> tuple[str, str] | None:
    mount, path, name = entry.model.mount, entry.model.path, entry.model.name
    written = {"mount": mount, "path": path}
    usable = [check_path(value, at.at(key)) for key, value in written.items() if value is not None]
    needed = {"mount"} if mount is None else set()
    needed |= {"path_prefix"} if path is None else set()
    if not all(usable) or not entry.bad.isdisjoint(written) or not vault.bad.isdisjoint(needed):
        return None
    if path is None and not name:
        return None
    return mount or vault.model.mount, path or f"{vault.model.path_prefix}/{name}"
