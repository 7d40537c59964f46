"""Every secret of a run, and the files in which each lives by design."""

from pathlib import Path

from pydantic import SecretStr

from sandbox.client import Secrets
from sandbox.leaks import Needle
from sandbox.vault_access import VaultAccess


def needles(
    *,
    secrets: Secrets,
    access: VaultAccess,
    root_token: SecretStr,
    redis_password: SecretStr,
    private: Path,
    identities: frozenset[Path],
) -> list[Needle]:
    """Return what a scanner is to look for.

    Args:
        secrets: everything that the exchange ever gave out.
        access: the logins that were made at Vault.
        root_token: Vault's.
        redis_password: the password of Redis.
        private: the folder of the files in which secrets are handed over.
        identities: the files in which identity tokens are handed over.
    """

    def home(name: str) -> frozenset[Path]:
        return frozenset({private / name})

    return [
        *(Needle(f"secret of token {token_id}", value) for token_id, value in secrets.tokens.items()),
        *(Needle(f"identity token {number}", value, identities) for number, value in enumerate(secrets.identities, 1)),
        Needle("Vault's root token", root_token),
        Needle("Vault token of the status page", access.status_token),
        Needle("Vault secret id", access.secret_id, home("vault-secret-id")),
        Needle("password of Redis", redis_password, frozenset(private.glob("redis-url*"))),
        *(
            Needle(f"Vault token of consumer {name}", value, home(f"consumer-{name}"))
            for name, value in access.consumer_tokens.items()
        ),
    ]
