"""Builds the two stores for one Vault."""

from collections.abc import Mapping
from dataclasses import dataclass

from config.schema import FieldNames, Infrastructure, VaultLayout
from worker.models import PathLocation
from worker.ports import Clock
from worker.vault.account_ledgers import VaultAccountLedgers
from worker.vault.client import VaultSession
from worker.vault.consumers import VaultConsumers
from worker.vault.journals import VaultJournals
from worker.vault.kv import VaultKv


@dataclass(frozen=True, slots=True)
class Vault:
    """The consumers' paths and the journals of one Vault; safe to use from many threads."""

    consumers: VaultConsumers
    journals: VaultJournals
    accounts: VaultAccountLedgers
    session: VaultSession

    def close(self) -> None:
        """Give up the login and close all connections."""
        self.session.close()


def build_vault(
    infrastructure: Infrastructure, layout: VaultLayout, fields: Mapping[PathLocation, FieldNames], clock: Clock
) -> Vault:
    """Return the stores; nothing is sent before their first use.

    Args:
        infrastructure: Vault's address and the worker's login: its AppRole, or else the token.
        layout: where journals live, and how many versions a new consumers' path keeps.
        fields: the field names of each consumers' path that does not use the default ones.
        clock: measures the login's life.

    Raises:
        VaultRefusedError: there is no login.
        ValueError: two fields of a served document would get one name.
    """
    session = VaultSession(
        address=infrastructure.vault_addr,
        clock=clock,
        token=infrastructure.vault_token,
        role_id=infrastructure.vault_role_id,
        secret_id=infrastructure.vault_secret_id,
        secret_id_file=infrastructure.vault_secret_id_file,
        namespace=infrastructure.vault_namespace,
        cacert=infrastructure.vault_cacert,
    )
    kv = VaultKv(session=session)
    return Vault(
        consumers=VaultConsumers(kv=kv, fields=fields, max_versions=layout.max_versions),
        journals=VaultJournals(kv=kv, mount=layout.journal_mount, prefix=layout.journal_prefix),
        accounts=VaultAccountLedgers(kv=kv, mount=layout.journal_mount, prefix=layout.account_prefix),
        session=session,
    )
