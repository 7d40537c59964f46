"""The rotation script that everybody writes first, kept to be compared with: derive, put, revoke, run by cron.

It is written with care. It uses the official client and that client's own retries, keeps the token before alive for a
whole period so that services can follow, and asks for nothing but what it needs. What it lacks is a memory: whatever
dies between two of its lines is forgotten. `make chaos ARGS="--subject both"` shows what that comes to.

Environment: VAULT_ADDR, VAULT_TOKEN_FILE, LIMITLESS_API_URL, LIMITLESS_IDENTITY_TOKEN_FILE, CONSUMERS_MOUNT,
CONSUMERS_PATH, PERIOD_SECONDS. Each run rotates if the period is over; exit code 0 unless something failed.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import hvac
import hvac.exceptions
from limitless_sdk import ApiTokenService, HttpClient, retry_on_errors
from limitless_sdk.types.api_tokens import DeriveApiTokenInput, HMACCredentials

MOUNT, PATH = os.environ["CONSUMERS_MOUNT"], os.environ["CONSUMERS_PATH"]


def read_file(variable: str) -> str:
    """Return the content of the file that the variable names."""
    return Path(os.environ[variable]).read_text(encoding="utf-8").strip()


async def rotate(kv: Any, current: dict[str, Any]) -> None:
    """Derive a token, put it where services read it, and revoke the one that was replaced a period ago."""
    async with HttpClient(base_url=os.environ["LIMITLESS_API_URL"]) as http:
        tokens = ApiTokenService(http)
        derive, revoke = retry_on_errors()(tokens.derive_token), retry_on_errors()(tokens.revoke_token)
        wanted = DeriveApiTokenInput(label=f"{PATH}/{time.time():.0f}", scopes=["trading"])
        new = await derive(read_file("LIMITLESS_IDENTITY_TOKEN_FILE"), wanted)
        before = current.get("token_id")
        fresh = {"token_id": new.token_id, "secret": new.secret, "before": before, "rotated_at": time.time()}
        kv.create_or_update_secret(mount_point=MOUNT, path=PATH, secret=fresh)
        if current.get("before"):
            http.set_hmac_credentials(HMACCredentials(token_id=new.token_id, secret=new.secret))
            await revoke(current["before"])


def main() -> None:
    """Rotate if the period is over."""
    vault = hvac.Client(url=os.environ["VAULT_ADDR"], token=read_file("VAULT_TOKEN_FILE"))
    kv = vault.secrets.kv.v2
    try:
        answer = kv.read_secret_version(mount_point=MOUNT, path=PATH, raise_on_deleted_version=True)
        current = answer["data"]["data"]
    except hvac.exceptions.InvalidPath:
        current = {}
    if time.time() - current.get("rotated_at", 0) >= float(os.environ["PERIOD_SECONDS"]):
        asyncio.run(rotate(kv, current))


if __name__ == "__main__":
    main()
