"""Core dumps hold whatever was in memory: tokens, identities, the login to Vault."""

import resource


def forbid_core_dumps() -> None:
    """Let this process, and every child that it starts, leave no core dump behind."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
