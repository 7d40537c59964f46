"""Vault KV v2: the consumers' paths and the journals."""
