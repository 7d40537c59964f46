"""What `deploy/vault/setup.sh` does with the command line, done through the API: mounts, policies, AppRole, tokens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import hvac
from pydantic import SecretStr

from config.schema import VaultLayout
from sandbox.processes import ROOT
from worker.models import PathLocation

POLICIES = ROOT / "deploy" / "vault"
ROLE = "limitless-rotator"
STATUS = "limitless-status"
CONSUMER = "limitless-consumer"


@dataclass(frozen=True, slots=True)
class VaultAccess:
    """The logins that were made: the worker's AppRole, each consumer's token by name, and the status page's token."""

    role_id: SecretStr
    secret_id: SecretStr
    consumer_tokens: Mapping[str, SecretStr]
    status_token: SecretStr


def policy(name: str, layout: VaultLayout, *, consumer: PathLocation | None = None) -> str:
    """Return the policy file of that name (`worker`, `consumer`, `status`) with the layout's mounts and prefixes.

    Args:
        name: a file of `deploy/vault` without `.hcl`.
        layout: replaces the default mounts and prefixes.
        consumer: the one path that a consumer may read.
    """
    text = (POLICIES / f"{name}.hcl").read_text()
    text = re.sub(r'"trading/(\w+)/limitless/', rf'"{layout.mount}/\1/{layout.path_prefix}/', text)
    text = re.sub(r'"rotator/(\w+)/journal/', rf'"{layout.journal_mount}/\1/{layout.journal_prefix}/', text)
    text = re.sub(r'"rotator/(\w+)/account/', rf'"{layout.journal_mount}/\1/{layout.account_prefix}/', text)
    if consumer:
        text = text.replace("CONSUMERS_MOUNT", consumer.mount).replace("CONSUMERS_PATH", consumer.path)
    return text


def configure(
    client: hvac.Client, layout: VaultLayout, *, consumers: Mapping[str, PathLocation], worker_ttl: str
) -> VaultAccess:
    """Create everything with a client that may; see `EmbeddedVault.configure`. Existing mounts are left as they are."""
    _enable(client, layout)
    client.sys.create_or_update_policy(ROLE, policy("worker", layout))
    client.sys.create_or_update_policy(STATUS, policy("status", layout))
    client.auth.approle.create_or_update_approle(ROLE, token_policies=[ROLE], token_ttl=worker_ttl)
    tokens = {}
    for name, location in consumers.items():
        client.sys.create_or_update_policy(f"{CONSUMER}-{name}", policy("consumer", layout, consumer=location))
        tokens[name] = _token(client, f"{CONSUMER}-{name}")
    return VaultAccess(
        role_id=SecretStr(client.auth.approle.read_role_id(ROLE)["data"]["role_id"]),
        secret_id=SecretStr(client.auth.approle.generate_secret_id(ROLE)["data"]["secret_id"]),
        consumer_tokens=tokens,
        status_token=_token(client, STATUS),
    )


def _enable(client: hvac.Client, layout: VaultLayout) -> None:
    system: Any = client.sys
    mounted = system.list_mounted_secrets_engines()["data"]
    for mount in (layout.mount, layout.journal_mount):
        if f"{mount}/" not in mounted:
            system.enable_secrets_engine("kv", path=mount, options={"version": "2"})
    if "approle/" not in system.list_auth_methods()["data"]:
        system.enable_auth_method("approle")


def _token(client: hvac.Client, policy_name: str) -> SecretStr:
    made = client.auth.token.create(policies=[policy_name], no_parent=True, ttl="24h")
    return SecretStr(made["auth"]["client_token"])
