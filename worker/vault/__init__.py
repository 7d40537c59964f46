"""Vault KV v2: the consumers' paths and the journals."""

from worker.vault.factory import Vault, build_vault

__all__ = ["Vault", "build_vault"]
